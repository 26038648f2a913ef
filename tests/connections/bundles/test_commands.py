import io
import json
import stat

import pytest
from django.core.management import CommandError, call_command

from connhub.connections.models import Connection
from tests.conftest import CANARY
from tests.connections.bundles.conftest import PASSPHRASE
from tests.connections.steps import actions, secrets
from tests.factories import AuthMethodFactory, ServiceFactory

pytestmark = pytest.mark.django_db
ADA = "ada@acme.example"


@pytest.fixture
def passphrase_file(tmp_path):
    path = tmp_path / "passphrase"
    path.write_text(PASSPHRASE + "\n")
    return str(path)


def run(command, *arguments, **options) -> tuple[str, str]:
    """What it wrote to standard output and error."""
    out, err = io.StringIO(), io.StringIO()
    call_command(command, *map(str, arguments), stdout=out, stderr=err, **options)
    return out.getvalue(), err.getvalue()


def refused(command, *arguments, **options) -> str:
    with pytest.raises(CommandError) as error:
        run(command, *arguments, **options)
    assert (error.value.returncode, "\n" in str(error.value)) == (2, False)
    return str(error.value)


@pytest.fixture
def exported(tmp_path, keyed, passphrase_file):
    path = tmp_path / "all.connhub"
    run("export_connections", path, "--with-secrets", by=ADA, passphrase_file=passphrase_file)
    return path


def test_export_writes_a_file_for_its_owner_alone(exported, keyed):
    assert stat.S_IMODE(exported.stat().st_mode) == 0o600
    assert CANARY.encode() not in exported.read_bytes()
    assert actions(keyed)[-1] == "connection.exported"


def test_import_brings_it_back(exported, keyed, passphrase_file):
    said = run(
        "import_connections", exported, "--add", "--tag", "moved", by=ADA,
        passphrase_file=passphrase_file,
    )  # fmt: skip

    made = Connection.objects.get(link_name="keyed_2")
    assert said == ("1 added, 0 replaced, 0 left out.\n", "")
    assert (secrets(made.credentials.get()), made.tags) == ({"key_1": CANARY}, ["a", "moved"])


def test_dry_run_says_what_would_happen_and_does_nothing(exported, keyed, passphrase_file):
    said, _ = run(
        "import_connections", exported, "--dry-run", "--add", by=ADA,
        passphrase_file=passphrase_file,
    )  # fmt: skip

    assert said == ("keyed: Changed (Credentials of all environments). Added as keyed_2.\n")
    assert Connection.objects.count() == 1


def test_link_names_in_use_want_a_decision(exported, passphrase_file):
    why = refused("import_connections", exported, by=ADA, passphrase_file=passphrase_file)

    assert why == "Link names in use here: 1. Say --keep, --replace or --add."
    assert Connection.objects.count() == 1


@pytest.mark.parametrize(
    ("chosen", "count"), [({"filter": "q=bill"}, 1), ({"filter": ""}, 2), ({}, 2)]
)
def test_export_by_filter(tmp_path, keyed, connection, passphrase_file, chosen, count):
    said, _ = run(
        "export_connections", tmp_path / "x", by=ADA, passphrase_file=passphrase_file, **chosen
    )

    assert said == f"{count} connection{'s' * (count > 1)} exported to {tmp_path / 'x'}.\n"


def test_export_by_link_name(tmp_path, keyed, connection, passphrase_file):
    said, _ = run(
        "export_connections", tmp_path / "x", "keyed", by=ADA, passphrase_file=passphrase_file
    )

    assert said.startswith("1 connection exported")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["{new}", "--by", "nobody@acme.example"], "There is no active person with that e-mail."),
        (["{new}", "keyed", "--filter", "q=x", "--by", ADA], "Give either link names or --filter."),
        (["{new}", "unknown", "--by", ADA], "ada@acme.example administers no connection unknown."),
        (["{new}", "--filter", "x=y", "--by", ADA], "--filter makes no sense."),
        (["{new}", "--filter", "status=x", "--by", ADA], "--filter makes no sense."),
        (["{old}", "--by", ADA], "{old} exists already."),
        (["{no}/x", "--by", ADA], "{no}/x can't be written (No such file or directory)."),
        (["{new}", "keyed", "--by", "bob@acme.example"], "bob@acme.example administers no connection"),
        (["{new}", "--by", "bob@acme.example"], "There is no connection among these"),
        (["{new}", "--by", ADA, "--passphrase-file", "{no}"], "{no} can't be read"),
        (["{new}", "--by", ADA, "--passphrase-file", "{short}"], "The passphrase needs at least 14"),
    ],
)  # fmt: skip
def test_export_refuses_in_one_line(tmp_path, bob, keyed, passphrase_file, arguments, why):
    (tmp_path / "short").write_text("short")
    places = {"new": tmp_path / "new", "old": passphrase_file, "no": tmp_path / "missing",
              "short": tmp_path / "short"}  # fmt: skip
    given = [text.format(**places) for text in arguments]
    if "--passphrase-file" not in given:
        given += ["--passphrase-file", passphrase_file]

    assert refused("export_connections", *given).startswith(why.format(**places))
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("content", "more", "why"),
    [
        (b"not a file of ours", [], "This is not a file that ConnHub exported."),
        (b"", ["--airflow"], "This is not Airflow's export. It is not JSON."),
        (b"\xff", ["--env"], "The file is not text in UTF-8."),
        (b"A=1", ["--env"], "Nothing of this file is to be added or replaced."),
        (b"A=1", ["--env", "--tag", ""], "--tag must be 1 to 40 ordinary characters."),
    ],
)
def test_import_refuses_in_one_line(tmp_path, ada, passphrase_file, content, more, why):
    (tmp_path / "x").write_bytes(content)

    assert why == refused(
        "import_connections", tmp_path / "x", *more, by=ADA, passphrase_file=passphrase_file
    )


def test_nobody_is_asked_where_nobody_is(tmp_path, keyed, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("typed on the wrong side"))

    assert refused("export_connections", tmp_path / "x", by=ADA).startswith(
        "Give --passphrase-file"
    )


def test_airflows_connections_come_in_and_the_rest_is_told(tmp_path, ada):
    service = ServiceFactory(slug="postgresql", driver="postgresql", origin="default")
    AuthMethodFactory(service=service, kind="database", label="Database", config={})
    (tmp_path / "airflow.json").write_text(
        json.dumps(
            {
                "sales": "postgres://grace:pass@db.example/crm?application_name=etl",
                "lake": {"conn_type": "aws", "login": "AKIA", "password": CANARY},
            }
        )
    )

    said, told = run("import_connections", tmp_path / "airflow.json", "--airflow", by=ADA)

    assert said == "1 added, 0 replaced, 1 left out.\n"
    assert told.splitlines() == [
        "sales: application_name can't be carried over.",
        "lake: There is no service “aws” here.",
    ]
    assert secrets(Connection.objects.get().credentials.get()) == {"password": "pass"}
