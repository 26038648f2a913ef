"""What an import does: all that was decided, or nothing."""

import os
import subprocess
from datetime import timedelta

import pytest
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError
from django.utils import timezone

from connhub.accounts.models import Environment
from connhub.audit.context import NOWHERE
from connhub.audit.log import AuditUnavailable
from connhub.audit.models import Event
from connhub.connections import lifecycle
from connhub.connections.auth.base import Granted
from connhub.connections.bundles import applying, imports
from connhub.connections.bundles.applying import ChangedMeanwhile, NothingToImport
from connhub.connections.bundles.exporting import PassphraseTooShort, SecretUnreadable
from connhub.connections.bundles.models import Import
from connhub.connections.bundles.preview import Decisions, fingerprint
from connhub.connections.keeping import keep
from connhub.connections.models import Connection, Credential, Settings, Status
from connhub.services.models import OAuthApp, Service
from connhub.sharing import roles
from connhub.vault import passphrase
from tests.conftest import CANARY
from tests.connections.bundles.conftest import PASSPHRASE
from tests.connections.bundles.importing import KILLED
from tests.connections.steps import actions, secrets
from tests.factories import AuthMethodFactory, ServiceFactory, connect
from tests.servers.app import database_url
from tests.servers.process import ROOT, python

pytestmark = pytest.mark.django_db
with_real_transactions = pytest.mark.django_db(transaction=True)

TOKENS = {"access_token": CANARY, "refresh_token": "r-" + CANARY}


@pytest.fixture
def crm(ada, oauth_method):
    """Authorized at the service, with an OAuth app of its own."""
    made = connect(
        ada, method=oauth_method, name="CRM", link_name="crm", secrets={}, scopes=["read"],
        client_id="ours", client_secret=CANARY,
    )  # fmt: skip
    ends = timezone.now() + timedelta(hours=1)
    keep(made, Granted(TOKENS, expires_at=ends, renewable=True, scopes=["read"]), environment=None)
    return made


@pytest.fixture
def warehouse(ada):
    """A database, with a login of its own in production."""
    service = ServiceFactory(slug="pg", name="Pg", driver="postgresql", origin="default")
    method = AuthMethodFactory(service=service, kind="database", label="Database", config={})
    where = {"host": "db.example", "port": "5432", "database": "crm", "user": "grace"}
    made = connect(
        ada, method=method, link_name="warehouse", secrets={"password": CANARY}, parameters=where,
        access_mode="credentials",
    )  # fmt: skip
    production = Environment.objects.get(slug="production")
    Settings.objects.create(
        connection=made, environment=production, parameters=where | {"host": "prod.example"}
    )
    keep(made, Granted({"password": "prod-" + CANARY}), environment=production)
    return made


def opened(file, by):
    return imports.open_file(file, PASSPHRASE, by=by)


def by_stage(connection) -> dict:
    return {
        row.environment and row.environment.slug: row
        for row in connection.credentials.select_related("environment")
    }


def away(connection) -> None:
    """As on another installation, where there never was such a connection."""
    for rows in (connection.credentials, connection.settings):
        rows.all().delete()
    connection.delete()


# --- What comes in --------------------------------------------------------------------------------


def test_everything_comes_back_as_it_was(ada, bob, warehouse, export, bring_in):
    roles.grant(warehouse, bob, by=ada)
    file = export()
    before = Connection.objects.values().get()
    away(warehouse)

    bring_in(file, ada)

    made = Connection.objects.get()
    after = Connection.objects.values().get()
    differs = {name for name in before if before[name] != after[name]}
    stored = {stage: secrets(row) for stage, row in by_stage(made).items()}
    hosts = {row.environment_id and row.environment.slug: row.parameters["host"]
             for row in made.settings.all()}  # fmt: skip
    assert differs <= {"id", "created_at", "modified_at"}
    assert stored == {None: {"password": CANARY}, "production": {"password": "prod-" + CANARY}}
    assert hosts == {None: "db.example", "production": "prod.example"}
    assert list(roles.admins(made)) == [ada]


def test_what_is_imported_belongs_to_the_importer_alone(ada, bob, keyed, export, bring_in):
    bring_in(export(), bob, existing="add")

    made = Connection.objects.get(link_name="keyed_2")
    assert (list(roles.admins(made)), made.created_by) == ([bob], bob)
    assert list(roles.admins(keyed)) == [ada]


def test_each_imported_connection_is_on_record(ada, keyed, export, bring_in):
    bring_in(export(), ada, existing="add")

    event = Event.objects.about(Connection.objects.get(link_name="keyed_2"))[0]
    assert (event.action, event.actor, event.fields, event.detail) == (
        "connection.imported", "Ada", ["key_1", "settings"], {"replaced": False},
    )  # fmt: skip


def test_without_secrets_it_waits_to_be_connected(ada, keyed, export, bring_in):
    bring_in(export(secrets=False), ada, existing="add")

    made = Connection.objects.get(link_name="keyed_2")
    assert (made.status, made.credentials.count()) == (Status.NOT_CONNECTED, 0)


def test_a_service_that_asks_for_no_secret_is_connected_without(ada, export, bring_in):
    method = AuthMethodFactory(kind="none", label="None", config={})
    connect(ada, method=method, link_name="open", secrets={})

    bring_in(export(secrets=False), ada, existing="add")

    assert Connection.objects.get(link_name="open_2").status == Status.CONNECTED


def test_a_missing_custom_service_is_made_and_its_importer_its_admin(ada, keyed, export, bring_in):
    limits = {"allowed_methods": ["GET"], "allowed_paths": ["/me"], "allowed_hosts": ["a.example"]}
    Service.objects.filter(pk=keyed.service_id).update(**limits)
    file, slug = export(), keyed.service.slug
    away(keyed)
    Service.objects.filter(slug=slug).delete()

    bring_in(file, ada)

    made = Connection.objects.get()
    assert (made.service.slug, made.auth_method.config["keys"][0]["name"]) == (slug, "X-Api-Key")
    assert {name: getattr(made.service, name) for name in limits} == limits
    assert list(Service.objects.administered_by(ada)) == [made.service]
    assert actions(made.service) == ["service.created"]


def test_credentials_of_login_users_stay_behind(ada, bob, keyed, export, bring_in):
    theirs = Credential(connection=keyed, user=bob)
    theirs.payload.put({"key_1": "of bob"})
    theirs.save()

    bring_in(export(), ada, existing="add")

    made = Connection.objects.get(link_name="keyed_2")
    assert [(row.user, secrets(row)) for row in made.credentials.all()] == [
        (None, {"key_1": CANARY})
    ]


# --- OAuth ----------------------------------------------------------------------------------------


def test_an_imported_grant_is_not_kept_for_somebody_else_may_renew_it(ada, crm, export, bring_in):
    bring_in(export(), ada, existing="add")

    made = Connection.objects.get(link_name="crm_2")
    credential = made.credentials.get()
    assert (made.status, bool(credential.payload), credential.renewable) == (
        Status.RECONNECT_NEEDED, False, False,
    )  # fmt: skip
    assert made.oauth_app.client_secret.open().reveal() == CANARY
    assert made.oauth_app_id != crm.oauth_app_id


def test_a_grant_that_moves_here_goes_on_working(ada, crm, export, bring_in):
    bring_in(export(), ada, existing="add", moves=True)

    credential = Connection.objects.get(link_name="crm_2").credentials.get()
    assert (credential.status, secrets(credential), credential.renewable) == (
        Status.CONNECTED, TOKENS, True,
    )  # fmt: skip
    assert credential.expires_at == by_stage(crm)[None].expires_at


def test_without_an_app_of_its_own_it_takes_the_services(ada, oauth_method, export, bring_in):
    shared = OAuthApp.objects.create(service=oauth_method.service, shared=True, client_id="all")
    connect(ada, method=oauth_method, link_name="crm", secrets={})

    bring_in(export(), ada, existing="add")

    assert Connection.objects.get(link_name="crm_2").oauth_app == shared


# --- Replacing ------------------------------------------------------------------------------------


def test_replace_brings_the_files_words_and_secrets_back(ada, keyed, export, bring_in):
    file = export()
    lifecycle.rename(keyed, to="Renamed", by=ada)
    keep(keyed, Granted({"key_1": "newer"}), environment=None)

    bring_in(file, ada, existing="replace")

    keyed.refresh_from_db()
    assert (keyed.name, keyed.version, secrets(keyed.credentials.get())) == (
        "Keyed", 3, {"key_1": CANARY},
    )  # fmt: skip
    assert actions(keyed)[-1] == "connection.imported"


def test_replace_without_secrets_keeps_those_that_go_where_they_went(
    ada, warehouse, export, bring_in
):
    file = export(secrets=False)
    lifecycle.rename(warehouse, to="Renamed", by=ada)

    bring_in(file, ada, existing="replace")

    assert {stage: secrets(row) for stage, row in by_stage(warehouse).items()} == {
        None: {"password": CANARY}, "production": {"password": "prod-" + CANARY},
    }  # fmt: skip


def test_replace_destroys_a_secret_that_would_go_elsewhere(ada, bob, warehouse, export, bring_in):
    file = export(secrets=False)
    theirs = Credential(connection=warehouse, user=bob)
    theirs.payload.put({"password": CANARY})
    theirs.save()
    rows = Settings.objects.filter(connection=warehouse, environment=None)
    rows.update(parameters=rows.get().parameters | {"host": "evil.example"})

    bring_in(file, ada, existing="replace")

    stored = {(row.user, row.environment_id and row.environment.slug): bool(row.payload)
              for row in warehouse.credentials.all()}  # fmt: skip
    warehouse.refresh_from_db()
    assert stored == {(None, None): False, (bob, None): False, (None, "production"): True}
    assert warehouse.status == Status.RECONNECT_NEEDED
    assert warehouse.settings.get(environment=None).parameters["host"] == "db.example"


def test_replace_with_another_client_gives_up_the_grant(ada, crm, export, bring_in):
    bundle = opened(export(secrets=False), ada)
    bundle.items[0].client_id = "another"

    applying.apply(bundle, Decisions("replace"), by=ada)

    crm.refresh_from_db()
    assert (crm.oauth_app.client_id, bool(crm.oauth_app.client_secret)) == ("another", False)
    assert (crm.status, bool(crm.credentials.get().payload)) == (Status.RECONNECT_NEEDED, False)


def test_replace_with_the_same_client_keeps_its_secret_and_grant(ada, crm, export, bring_in):
    bundle = opened(export(secrets=False), ada)
    bundle.items[0].description = "New words"

    applying.apply(bundle, Decisions("replace"), by=ada)

    crm.refresh_from_db()
    assert (crm.description, crm.status, secrets(crm.credentials.get())) == (
        "New words", Status.CONNECTED, TOKENS,
    )  # fmt: skip
    assert crm.oauth_app.client_secret.open().reveal() == CANARY


# --- All or nothing -------------------------------------------------------------------------------


def test_nothing_to_do_is_said(ada, keyed, export, bring_in):
    with pytest.raises(NothingToImport):
        bring_in(export(), ada, existing="keep")


def test_one_that_fails_stops_all(ada, keyed, connection, export, monkeypatch):
    file, before = export(), Event.objects.count()

    def fail(events, change):
        raise DatabaseError

    monkeypatch.setattr("connhub.audit.log._append_all", fail)
    with pytest.raises(AuditUnavailable):
        applying.apply(opened(file, ada), Decisions("add"), by=ada)

    assert (Connection.objects.count(), Credential.objects.count()) == (2, 2)
    assert (Settings.objects.count(), Event.objects.count()) == (2, before)


@pytest.mark.parametrize("change", [{"is_active": False}, {"role": "member"}], ids=str)
def test_who_may_no_longer_imports_nothing(ada, keyed, export, change):
    bundle = opened(export(), ada)

    with pytest.raises(PermissionDenied):
        applying.apply(
            bundle, Decisions("add"), by=ada,
            about_to_write=lambda: type(ada).objects.filter(pk=ada.pk).update(**change),
        )  # fmt: skip

    assert Connection.objects.count() == 1


def test_what_is_unshared_meanwhile_is_not_replaced(ada, keyed, export):
    bundle = opened(export(), ada)

    with pytest.raises(PermissionDenied):
        applying.apply(
            bundle, Decisions("replace"), by=ada,
            about_to_write=lambda: keyed.user_grants.all().delete(),
        )  # fmt: skip


@pytest.mark.parametrize("choice", ["add", "replace"])
def test_what_changes_at_the_last_moment_stops_all(ada, bob, keyed, export, choice):
    bundle = opened(export(), ada)
    meanwhile = {
        "add": lambda: connect(bob, method=keyed.auth_method, link_name="keyed_2"),
        "replace": lambda: lifecycle.rename(keyed, to="Renamed", by=ada),
    }[choice]

    with pytest.raises(ChangedMeanwhile):
        applying.apply(bundle, Decisions(choice), by=ada, about_to_write=meanwhile)

    assert not Event.objects.filter(action="connection.imported").exists()


def test_an_error_of_ours_is_told_and_nothing_is_imported(ada, keyed, export, monkeypatch):
    row = started(export(), ada)
    monkeypatch.setattr(applying, "record_each", None)

    with pytest.raises(TypeError):
        imports.run(str(row.pk), row.run, NOWHERE)

    row.refresh_from_db()
    assert (row.phase, row.outcome, Connection.objects.count()) == ("failed", imports.BROKEN, 1)


def started(file, by, choice="add") -> Import:
    row = imports.keep(opened(file, by), by=by)
    imports.decide(row, Decisions(choice), by=by)
    row.refresh_from_db()
    imports.start(row, seen=fingerprint(imports.look_at(row)), by=by, enqueue=lambda *_: None)
    row.refresh_from_db()
    return row


def process(row: Import, death="") -> subprocess.Popen:
    env = {"DJANGO_SETTINGS_MODULE": "tests.settings", "DATABASE_URL": database_url()}
    return subprocess.Popen(
        python("tests.connections.bundles.importing", row.pk, row.run, *([death] if death else [])),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
        env={**os.environ, **env},
    )  # fmt: skip


@with_real_transactions
@pytest.mark.parametrize("death", ["writing", "recording"])
def test_a_process_killed_on_the_way_leaves_nothing_and_can_be_started_again(
    ada, keyed, export, death
):
    row, before = started(export(), ada), Event.objects.count()

    with process(row, death) as dying:
        dying.communicate("go\n")

    row.refresh_from_db()
    left = (Connection.objects.count(), Credential.objects.count(), Event.objects.count())
    assert (dying.returncode, row.phase, left) == (KILLED, "writing", (1, 1, before))

    Import.objects.update(heard_of_at=timezone.now() - imports.SILENT - timedelta(seconds=1))
    row.refresh_from_db()
    assert imports.is_open(row)
    imports.start(row, seen=row.seen, by=ada, enqueue=lambda *_: None)
    row.refresh_from_db()
    imports.run(str(row.pk), row.run, NOWHERE)
    assert Connection.objects.filter(link_name="keyed_2").exists()


@with_real_transactions
def test_of_two_imports_at_once_one_wins_and_the_other_is_told(ada, bob, keyed, export):
    file = export()
    away(keyed)
    rows = [started(file, by) for by in (ada, bob)]

    with process(rows[0]) as one, process(rows[1]) as other:
        for each in (one, other):
            assert each.stdout.readline() == "ready\n"
        for each in (one, other):
            each.stdin.write("go\n")
            each.stdin.flush()

    found = [Import.objects.get(pk=row.pk) for row in rows]
    assert sorted(row.phase for row in found) == ["done", "failed"]
    loser = next(row for row in found if row.phase == "failed")
    assert loser.outcome == ChangedMeanwhile.text
    assert (Connection.objects.count(), Credential.objects.count()) == (1, 1)
    winner = next(row for row in found if row.phase == "done")
    assert list(roles.admins(Connection.objects.get())) == [winner.user]


def test_the_passphrase_of_an_export_has_at_least_14_characters(ada, keyed, export):
    with pytest.raises(PassphraseTooShort):
        export(sealed_under="thirteen char")


def test_a_secret_that_can_not_be_opened_is_named_and_nothing_exported(ada, keyed, export):
    Credential.objects.update(payload=b"\x01" + b"\0" * 60)

    with pytest.raises(SecretUnreadable) as refusal:
        export()

    assert [label for label, _ in refusal.value.links] == ["Keyed"]
    assert passphrase.open_file(export(secrets=False), PASSPHRASE)


def test_export_takes_as_many_queries_for_many_as_for_one(
    ada, keyed, export, django_assert_max_num_queries
):
    for n in range(8):
        connect(ada, method=keyed.auth_method, link_name=f"c{n}")

    with django_assert_max_num_queries(20):
        export()
