"""Two at the same connection at once, each in a process of their own: one plain answer for each."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from django.db import connection as database
from django.db import transaction

from connhub.accounts import environments, people
from connhub.audit.models import Event
from connhub.connections import lifecycle
from connhub.connections.models import Connection, Credential, Status
from connhub.connections.telling.models import Telling
from connhub.sharing import admins, roles
from connhub.usage import flows, keys, projects, registration
from connhub.usage.models import Step
from tests.connections.steps import actions, again, expire, secrets
from tests.factories import AuthMethodFactory, connect
from tests.servers.app import database_url
from tests.servers.process import ROOT, python

pytestmark = pytest.mark.django_db(transaction=True)
ENDED = {"connection.revoked", "connection.deleted"}


@contextmanager
def started(link_name: str, person, act: str, **env: str) -> Iterator[subprocess.Popen]:
    """A process that is ready to act."""
    env |= {"DJANGO_SETTINGS_MODULE": "tests.settings", "DATABASE_URL": database_url()}
    with subprocess.Popen(
        python("tests.connections.acting", link_name, person.email, act),
        env=os.environ | env,
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def go(*processes: subprocess.Popen) -> None:
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()


def said(process: subprocess.Popen) -> str:
    return process.communicate(timeout=60)[0].strip()


def at_once(link_name: str, *who_does_what) -> list[str]:
    """What each is told that acts at the same time as the others."""
    with ExitStack() as ending:
        processes = [
            ending.enter_context(started(link_name, person, act)) for person, act in who_does_what
        ]
        go(*processes)
        return [said(process) for process in processes]


# --- Two who change it ----------------------------------------------------------------------------


@pytest.mark.parametrize("act", ["rename", "edit", "reconnect", "set_up"])
def test_of_two_who_change_it_one_wins_and_the_other_is_told(ada, bob, connection, act):
    told = at_once("billing", (ada, act), (bob, act))

    connection.refresh_from_db()
    assert sorted(told) == ["done", "edited-meanwhile"]
    assert connection.version == 2
    assert len(actions(connection)) == 2
    winner = [ada, bob][told.index("done")]
    assert Event.objects.about(connection)[0].actor == str(winner)
    theirs = {
        "rename": lambda: connection.name == f"Of {winner}",
        "edit": lambda: connection.description == f"Words of {winner}",
        "reconnect": lambda: secrets_in(None) == f"secret of {winner}",
        "set_up": lambda: secrets_in("production") == f"secret of {winner}",
    }
    assert theirs[act]()


def secrets_in(environment: str | None) -> str:
    return secrets(Credential.objects.get(environment__slug=environment))["key_1"]


def test_two_who_tag_it_both_succeed(ada, bob, connection):
    assert at_once("billing", (ada, "tag"), (bob, "tag")) == ["done", "done"]

    connection.refresh_from_db()
    assert (sorted(connection.tags), connection.version) == (["Ada", "Bob"], 3)


def test_of_two_who_delete_it_one_is_told_that_it_is_gone(ada, bob, connection):
    told = at_once("billing", (ada, "delete"), (bob, "delete"))

    assert sorted(told) == ["deleted-meanwhile", "done"]
    assert actions(connection).count("connection.deleted") == 1


@pytest.mark.parametrize("act", ["rename", "edit", "reconnect", "set_up", "tag"])
def test_nothing_is_written_to_what_somebody_deletes(ada, bob, connection, act):
    deleted, changed = at_once("billing", (ada, "delete"), (bob, act))

    connection.refresh_from_db()
    assert deleted == "done"
    assert changed in ("done", "deleted-meanwhile")
    assert connection.deleted_at and not Credential.objects.live().exists()
    assert actions(connection)[-1] == "connection.deleted"


# --- Deleting what flows use ----------------------------------------------------------------------


def test_a_connection_is_deleted_or_a_flow_that_uses_it_is_saved(ada, bob, connection, integration):
    registration.register(integration, [connection], by=ada)
    keys.issue(integration, environments.lowest(), name="flow", by=ada)

    deleted, saved = at_once("billing", (ada, "delete"), (bob, "save_flow"))

    connection.refresh_from_db()
    outcome = deleted, saved, bool(connection.deleted_at), Step.objects.count()
    assert outcome in [
        ("done", "not-registered", True, 0),
        ("still-in-use", "done", False, 1),
    ]


def where_two_may_write(test):
    """The test, unless the database has one writer: there, the second could not even begin."""
    return None if database.vendor == "sqlite" else test


@where_two_may_write
def test_a_flow_that_is_being_saved_keeps_its_connection(ada, bob, connection, integration):
    registration.register(integration, [connection], by=ada)
    key, _ = keys.issue(integration, environments.lowest(), name="flow", by=ada)
    step = flows.DeclaredStep("Read", "export", "billing")
    with started("billing", ada, "delete") as deleting:
        with transaction.atomic():
            flows.declare("nightly", name="Nightly", steps=[step], by=key)
            go(deleting)
            wait_for_lock()
        assert said(deleting) == "still-in-use"

    assert Step.objects.get().connection == connection


@where_two_may_write
def test_a_connection_that_is_being_deleted_enters_no_flow(ada, bob, connection, integration):
    registration.register(integration, [connection], by=ada)
    keys.issue(integration, environments.lowest(), name="flow", by=ada)
    with started("billing", bob, "save_flow") as saving:
        with transaction.atomic():
            lifecycle.delete(connection, by=ada)
            go(saving)
            wait_for_lock()
        assert said(saving) == "not-registered"

    assert not Step.objects.exists()


@where_two_may_write
def test_sharing_it_and_renaming_it_do_not_wait_for_each_other(ada, eve, connection):
    with started("billing", ada, "rename") as renaming:
        with transaction.atomic():
            admins.add(connection, [eve], by=ada)
            go(renaming)
            wait_for_lock()
        assert said(renaming) == "done"

    assert roles.is_admin(eve, connection)


# --- Ending the account of whoever acts ------------------------------------------------------------


@where_two_may_write
@pytest.mark.parametrize("act", ["create", "edit"])
def test_who_is_being_deactivated_finishes_nothing(ada, bob, root, connection, act):
    before = actions(connection)
    with started("billing", ada, act) as acting:
        with transaction.atomic():
            people.deactivate(ada, by=root)
            go(acting)
            wait_for_lock()
        assert said(acting) == "denied"

    assert Connection.objects.get() == connection
    assert actions(connection) == before


# --- Deleting what somebody is about to point at --------------------------------------------------


@where_two_may_write
def test_somebody_who_is_deleted_while_they_are_added_is_no_member(
    ada, eve, root, connection, integration
):
    with started("billing", root, "delete_eve") as deleting:
        with transaction.atomic():
            projects.add_member(integration, eve, by=ada)
            go(deleting)
            wait_for_lock()
        assert said(deleting) == "done"

    assert not integration.memberships.exists()


@where_two_may_write
def test_a_service_that_gets_a_connection_while_it_is_deleted_stays(ada, bob, connection):
    acme = AuthMethodFactory(service__slug="acme")
    roles.grant(acme.service, ada, by=ada)
    with started("billing", ada, "delete_acme") as deleting:
        with transaction.atomic():
            connect(bob, method=acme, link_name="made")
            go(deleting)
            wait_for_lock()
        assert said(deleting) == "service-in-use"


def wait_for_lock() -> None:
    """Until another process waits for what this one has locked."""
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with database.cursor() as cursor:
            cursor.execute(waiting)
            if cursor.fetchone()[0]:
                return
        time.sleep(0.02)
    raise AssertionError("nobody waits")


# --- Revoking while the token is renewed ----------------------------------------------------------


@pytest.mark.parametrize("act", ["revoke", "delete"])
def test_revocation_wins_over_a_renewal_under_way(ada, bob, connected, crm, oauth_server, act):
    expire(connected)
    oauth_server.fail_next("slow", seconds=4)
    reach = {"CONNHUB_EGRESS_ALLOW": f"127.0.0.1:{oauth_server.port}"}
    with (
        started("crm", bob, "call", **reach) as calling,
        started("crm", ada, act, **reach) as ending,
    ):
        go(calling)
        wait_until(lambda: renewals(oauth_server))
        go(ending)
        ended = said(ending)
        assert Credential.objects.get().status == Status.REVOKED
        told = said(calling)

    crm.refresh_from_db()
    assert (ended, told) == (
        "done",
        {"revoke": "connection-revoked", "delete": "not-connected"}[act],
    )
    assert (crm.status, bool(again(connected).payload)) == (Status.REVOKED, False)
    assert not ENDED.isdisjoint(actions(crm))
    assert "connection.renewed" not in actions(crm)
    given_back = Event.objects.about(crm).filter(action="connection.revoked_at_provider")
    assert sorted(event.actor for event in given_back) == ["Ada", "ConnHub"]
    assert {event.outcome for event in given_back} == {"ok"}
    assert not Telling.objects.exists()
    assert Connection.objects.get(pk=crm.pk).credentials.live().count() == 0


def renewals(oauth_server) -> list:
    return [asked for asked in oauth_server.token_requests if asked.grant_type == "refresh_token"]


def wait_until(is_so) -> None:
    deadline = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)
