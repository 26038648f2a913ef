from datetime import timedelta

import pytest
from django.db import connection as database
from django.utils import timezone

from connhub.audit.models import Event
from connhub.connections import lifecycle, tasks
from connhub.connections.access import ConnectionRevoked, prepare
from connhub.connections.models import Connection
from connhub.connections.telling import providers
from connhub.connections.telling.models import Telling
from tests.connections.steps import secrets

pytestmark = pytest.mark.django_db


def said(connection) -> list[str]:
    """What the provider said so far, oldest first."""
    told = Event.objects.about(connection).filter(action="connection.revoked_at_provider")
    return [event.detail["said"] for event in told.order_by("sequence")]


def wait_is_over() -> None:
    Telling.objects.update(next_at=timezone.now() - timedelta(seconds=1))


def minutes_to_wait() -> int:
    return round((Telling.objects.get().next_at - timezone.now()).total_seconds() / 60)


@pytest.fixture
def left(ada, crm, connected, oauth_server):
    """A connection deleted as one of many: its provider is yet to hear of it."""
    lifecycle.delete(crm, by=ada, later=True)
    return crm


@pytest.mark.django_db(transaction=True)
def test_deleting_many_asks_no_provider_before_the_answer(client, ada, crm, connected, monkeypatch):
    handed_over = []
    monkeypatch.setattr(tasks, "tell_providers", lambda *what: handed_over.append(what))
    form = {"action": "delete", "link_name": "crm", "confirmed": "yes"}

    answer = client.post("/connections/bulk-actions/", form)

    crm.refresh_from_db()
    assert "Deleted." in answer.content.decode()
    assert (crm.deleted_at is not None, said(crm)) == (True, [])
    assert handed_over == [()]
    providers.tell_next()
    assert said(crm) == ["revoked"]


def test_what_waits_is_sealed_and_gone_once_it_is_told(ada, crm, connected):
    tokens = secrets(connected).values()
    app_secret = crm.oauth_app.client_secret.open().reveal()
    lifecycle.delete(crm, by=ada, later=True)
    with database.cursor() as cursor:
        cursor.execute("SELECT * FROM connections_telling")
        row = b" ".join(
            bytes(value) if isinstance(value, (bytes, memoryview)) else str(value).encode()
            for value in cursor.fetchone()
        )

    assert [secret for secret in (*tokens, app_secret) if secret.encode() in row] == []
    assert (providers.tell_next(), providers.tell_next()) == (True, False)
    assert not Telling.objects.exists()


def test_what_is_told_later_is_on_record_as_theirs(ada, left):
    providers.tell_next()

    event = Event.objects.about(left)[0]
    assert (event.actor, event.outcome, event.detail) == ("Ada", "ok", {"said": "revoked"})


def test_one_that_fails_is_asked_again_later_each_time(left, oauth_server):
    oauth_server.fail_next("500", endpoint="revoke", times=2)
    waits = []
    for _ in range(2):
        providers.tell_next()
        waits.append(minutes_to_wait())
        assert not providers.tell_next()
        wait_is_over()
    providers.tell_next()

    assert waits == [1, 4]
    assert said(left) == ["answered 500", "answered 500", "revoked"]
    assert not Telling.objects.exists()


def test_after_five_tries_it_is_given_up_and_the_secret_destroyed(left, settings):
    settings.CONNHUB_EGRESS_ALLOW = []
    for _ in range(5):
        assert providers.tell_next()
        wait_is_over()

    assert said(left) == ["did not answer"] * 5
    assert not Telling.objects.exists()


def test_one_whose_turn_a_dead_worker_took_is_asked_a_minute_later(left, monkeypatch):
    def die(row):
        raise SystemExit

    monkeypatch.setattr(providers, "_ask", die)
    with pytest.raises(SystemExit):
        providers.tell_next()
    monkeypatch.undo()
    minutes = minutes_to_wait()
    at_once = providers.tell_next()
    wait_is_over()

    assert (minutes, at_once, providers.tell_next(), said(left)) == (1, False, True, ["revoked"])


@pytest.mark.django_db(transaction=True)
def test_a_revoke_whose_provider_fails_is_told_again_by_the_worker(
    ada, crm, connected, oauth_server
):
    oauth_server.fail_next("500", endpoint="revoke")
    lifecycle.revoke(crm, by=ada)
    with pytest.raises(ConnectionRevoked):
        prepare(Connection.objects.get(pk=crm.pk), None)
    wait_is_over()

    tasks.tell_providers.call_local()

    assert said(crm) == ["answered 500", "revoked"]


@pytest.mark.django_db(transaction=True)
def test_of_many_only_those_wait_for_whom_there_is_no_time(ada, crm, connected, monkeypatch):
    monkeypatch.setattr(providers, "AT_ONCE_S", -1)
    lifecycle.revoke(crm, by=ada)

    assert (said(crm), Telling.objects.count()) == ([], 1)


@pytest.mark.django_db(transaction=True)
def test_what_goes_wrong_on_the_way_to_the_provider_is_no_error_of_the_page(
    client, crm, connected, monkeypatch
):
    def broken(row):
        raise RuntimeError

    with monkeypatch.context() as patched:
        patched.setattr(providers, "_ask", broken)
        answer = client.post("/connections/crm/revoke/", {"link_name": "crm"})
    wait_is_over()
    providers.tell_next()

    assert answer.status_code == 303
    assert said(crm) == ["revoked"]
