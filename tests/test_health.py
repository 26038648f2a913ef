"""What operators ask, and what the logs may tell them."""

import json
import logging

import pytest
from django.db import OperationalError, connection
from django.db.migrations.recorder import MigrationRecorder
from django.urls import reverse
from huey.contrib.djhuey import HUEY

from connhub.audit.context import Context, current
from connhub.logs import JsonFormatter, redact
from connhub.vault.keyring import generate_entry
from connhub.vault.models import KeyCheck
from connhub.vault.startup import check_keys

HEALTHZ, READYZ = reverse("healthz"), reverse("readyz")


def test_a_living_process_says_so_without_asking_the_database(client):
    response = client.get(HEALTHZ)

    assert (response.status_code, response.content) == (200, b"ok")


@pytest.mark.django_db
def test_it_is_ready_when_all_that_it_needs_is_there(client):
    check_keys()

    response = client.get(READYZ)

    assert response.status_code == 200
    assert response.json() == answer(ready=True)


@pytest.mark.django_db
def test_with_other_keys_it_is_not_ready(client, settings):
    check_keys()
    settings.CONNHUB_KEYS = generate_entry()

    response = client.get(READYZ)

    assert response.status_code == 503
    assert response.json() == answer(keys=False)


@pytest.mark.django_db
def test_without_its_database_it_is_not_ready_and_says_so(client, monkeypatch):
    def away(*args):
        raise OperationalError

    monkeypatch.setattr(connection, "cursor", away)
    monkeypatch.setattr(connection, "chunked_cursor", away)

    response = client.get(READYZ)

    assert response.status_code == 503
    assert response.json() == answer(database=False, migrations=False, keys=False)


@pytest.mark.django_db(transaction=True)
def test_with_a_database_that_only_reads_it_is_not_ready(client):
    """As a PostgreSQL that stands by for another, or a disk that nothing can be written to."""
    check_keys()

    with connection.execute_wrapper(refuse_writes):
        response = client.get(READYZ)

    assert response.status_code == 503
    assert response.json() == answer(database=False)


def refuse_writes(execute, sql, *rest):
    if not sql.lstrip().startswith(("SELECT", "PRAGMA")):
        raise OperationalError("attempt to write a readonly database")
    return execute(sql, *rest)


@pytest.mark.django_db
def test_before_its_migrations_it_is_not_ready(client):
    check_keys()
    MigrationRecorder(connection).Migration.objects.filter(app="usage").delete()

    response = client.get(READYZ)

    assert response.status_code == 503
    assert response.json() == answer(migrations=False)


@pytest.mark.django_db
def test_migrations_of_a_newer_version_do_no_harm(client):
    check_keys()
    MigrationRecorder(connection).record_applied("usage", "9999_far_ahead")

    assert client.get(READYZ).status_code == 200


@pytest.mark.django_db
def test_without_its_queue_it_is_not_ready(client, monkeypatch):
    check_keys()

    def away():
        raise ConnectionError

    monkeypatch.setattr(HUEY.storage, "queue_size", away)
    response = client.get(READYZ)

    assert response.status_code == 503
    assert response.json() == answer(queue=False)


def answer(*, ready=False, **failing):
    """What it answers where all is well but these."""
    parts = dict.fromkeys(["database", "migrations", "keys", "queue"], True)
    return {"ready": ready} | parts | failing


@pytest.mark.django_db
def test_asking_changes_nothing(client):
    KeyCheck.objects.all().delete()

    client.get(READYZ)

    assert not KeyCheck.objects.exists()
    assert client.post(READYZ).status_code == 405


# --- Logs -----------------------------------------------------------------------------------------


def line(message, *args, **extra):
    record = logging.LogRecord("connhub.test", logging.WARNING, "f.py", 1, message, args, None)
    vars(record).update(extra)
    return JsonFormatter().format(record)


def test_a_log_line_is_one_json_object_whatever_was_said():
    token = current.set(Context("192.0.2.1", "abc"))
    written = line("first\nsecond\x1b[31m %s", "ü\r\n{", path="/x")
    current.reset(token)

    entry = json.loads(written)
    assert written.isascii() and written.isprintable()
    assert entry["message"] == "first\nsecond\x1b[31m ü\r\n{"
    assert (entry["level"], entry["logger"]) == ("WARNING", "connhub.test")
    assert (entry["request_id"], entry["extra"]) == ("abc", "{'path': '/x'}")


HIDDEN = "hunter2hunter2hunter2"


@pytest.mark.parametrize(
    "text",
    [
        f"Authorization: Bearer {HIDDEN}",
        f"Authorization: Basic {HIDDEN}",
        f"authorization: Digest username=x, response={HIDDEN}",
        f"{{'Authorization': 'Bearer {HIDDEN}'}}",
        f"{{'Authorization': '{HIDDEN}', 'Accept': '*/*'}}",
        f"Cookie: connhub_session={HIDDEN}; other={HIDDEN}",
        f"Set-Cookie: __Host-session={HIDDEN}; Path=/",
        f"X-Api-Key: {HIDDEN}",
        f"GET /callback?code={HIDDEN}&state={HIDDEN} HTTP/1.1",
        f"GET /callback?oauth_token={HIDDEN}&oauth_verifier={HIDDEN} HTTP/1.1",
        f"oauth_token={HIDDEN}&oauth_token_secret={HIDDEN}",
        f'Authorization: OAuth oauth_consumer_key="k", oauth_token="{HIDDEN}"',
        f"https://api.example.com/?access_token={HIDDEN}&x=1",
        f"grant_type=refresh_token&refresh_token={HIDDEN}&client_secret={HIDDEN}",
        f"postgres://connhub:{HIDDEN}@db.example.com/connhub",
        f"redis://:{HIDDEN}@cache:6379/0",
        f"https://user:{HIDDEN}@example.com/",
        f"chk_{HIDDEN}",
        f"Method Not Allowed (POST): /invitation/{HIDDEN}{HIDDEN}/",
        f"Method Not Allowed (POST): /new-password/1-{HIDDEN}{HIDDEN}/",
        f"host=db password={HIDDEN} user=x",
        f'{{"access_token": "{HIDDEN}", "token_type": "bearer"}}',
        f"{{'password': '{HIDDEN}'}}",
        f'{{"client_secret":"{HIDDEN}"}}',
    ],
)
def test_credentials_are_cut_out_of_log_lines(text):
    assert HIDDEN not in redact(text)
    assert HIDDEN not in line(text)
    assert HIDDEN not in line("%s", text)
    assert HIDDEN not in line("said", said=text)


def test_credentials_are_cut_out_of_tracebacks():
    try:
        raise ValueError(f"postgres://connhub:{HIDDEN}@db/connhub")
    except ValueError as error:
        info = (ValueError, error, error.__traceback__)

    assert HIDDEN not in line("failed", exc_info=info)


@pytest.mark.parametrize(
    "text",
    [
        "Renamed the connection billing",
        "status=503 took_ms=12",
        "code 503",
        "https://x.example/a?page=2",
    ],
)
def test_the_rest_stays_readable(text):
    assert redact(text) == text
