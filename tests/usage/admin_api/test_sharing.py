"""Sharing, connect links, sign-ins, registration, audiences and many at once, by the admin API."""

from urllib.parse import urlsplit

import pytest
from django.core import mail

from connhub.accounts.models import Team
from connhub.audit.context import Context
from connhub.audit.models import Event
from connhub.connections import login_users
from connhub.connections.bulk_tests import testing
from connhub.connections.models import Connection
from connhub.sharing import roles
from connhub.usage import registration
from tests.conftest import CANARY
from tests.factories import IntegrationFactory, UserFactory, connect

from .conftest import problem

ADMINS = "/connections/billing/admins"


def errors(response) -> dict[str, list[str]]:
    assert problem(response) == (422, "invalid-request")
    return response.json()["errors"]


# --- Admins ---------------------------------------------------------------------------------------


def test_admins_are_added_by_address_or_name_and_told(call, connection, eve):
    team = Team.objects.create(name="Data")
    team.user_set.add(UserFactory(name="Ted"))

    response = call("post", ADMINS, {"people": ["EVE@acme.example"], "teams": ["Data"]})

    listed = call("get", ADMINS).json()["admins"]
    assert response.json() == {"added": ["Eve", "Data"]}
    assert [(each["kind"], each["name"]) for each in listed] == [
        ("team", "Data"), ("person", "Ada"), ("person", "Bob"), ("person", "Eve")
    ]  # fmt: skip
    assert roles.is_admin(eve, connection)
    assert Event.objects.filter(action="connection.shared").count() == 2


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"people"}),
        ({"people": ["nobody@acme.example"]}, {"people"}),
        ({"teams": ["None"]}, {"teams"}),
        ({"people": ["a\0b"]}, {"people.0"}),
    ],
)
def test_whom_there_is_not_is_not_added(call, connection, body, fields):
    assert errors(call("post", ADMINS, body)).keys() == fields


def test_admins_are_removed_but_for_the_last(call, connection, bob):
    ada = call.token.person

    removed = call("delete", f"{ADMINS}/people/{bob.public_id}")
    again = call("delete", f"{ADMINS}/people/{bob.public_id}")
    last = call("delete", f"{ADMINS}/people/{ada.public_id}")

    assert removed.status_code == 204
    assert problem(again) == (404, "not-found")
    assert problem(last) == (409, "last-admin")


def test_a_team_is_removed(call, connection, ada):
    team = Team.objects.create(name="Data")
    roles.grant(connection, team, by=ada)

    assert call("delete", f"{ADMINS}/teams/{team.public_id}").status_code == 204
    assert not roles.grants_of(connection, team).exists()


def test_a_super_admin_sees_and_shares_nothing_to_themself_by_token(program, root, connection):
    call = program(root)

    seen = call("get", "/connections/billing")
    edited = call("patch", "/connections/billing", {"name": "Mine"})
    shared = call("post", f"{ADMINS}/myself")

    assert seen.status_code == 200
    assert problem(edited) == (403, "forbidden")
    assert problem(shared) == (403, "person-needed")
    assert shared.json()["links"][0]["url"].endswith("/connections/billing/share/to-myself/")
    assert not roles.is_admin(root, connection)


def test_what_was_shared_to_oneself_is_undone(program, root, connection):
    roles.grant(connection, root, by=root, to_self=True)

    assert program(root)("delete", f"{ADMINS}/myself").status_code == 204
    assert not roles.is_admin(root, connection)


# --- Connect links and sign-ins -------------------------------------------------------------------


def test_a_connect_link_is_made_shown_once_and_withdrawn(call, connection, client):
    made = call("post", "/connections/billing/connect-links", {"note": "Yours, please"})
    listed = call("get", "/connections/billing/connect-links").json()["links"]
    url = made.json()["url"]

    assert made.status_code == 201
    assert client.get(urlsplit(url).path).status_code == 302
    assert [(each["note"], each["url"]) for each in listed] == [("Yours, please", None)]
    there = f"/connections/billing/connect-links/{made.json()['id']}"
    assert call("delete", there).status_code == 204
    assert problem(call("delete", there)) == (409, "connect-link-over")


def test_a_connect_link_for_an_environment_that_is_not_offered_is_refused(call, connection):
    wrong = call("post", "/connections/billing/connect-links", {"environment": "staging"})
    named = call("post", "/connections/billing/connect-links?environment=staging",
                 {"environment": "staging"})  # fmt: skip

    assert errors(wrong).keys() == {"environment"}
    assert named.json()["environment"] == "staging"


def test_sign_ins_are_listed_and_ended(call, ada, bob):
    made = connect(ada, name="Own", link_name="own", secrets={}, login_user=True)
    roles.grant(made, bob, by=ada)
    theirs = login_users.sign_in(made, {"key_1": CANARY}, by=bob)

    listed = call("get", "/connections/own/sign-ins")
    ended = call("delete", f"/connections/own/sign-ins/{theirs.pk}")

    assert [each["email"] for each in listed.json()["sign_ins"]] == ["bob@acme.example"]
    assert CANARY not in listed.text
    assert ended.status_code == 204
    assert not made.credentials.exists()


# --- Registration and audience --------------------------------------------------------------------


def test_a_connection_is_registered_and_deregistered(call, connection, integration):
    there = f"/integrations/{integration.slug}/connections"

    first = call("put", f"{there}/billing")
    second = call("put", f"{there}/billing")
    listed = call("get", there).json()["connections"]
    gone = call("delete", f"{there}/billing")

    assert [first.status_code, second.status_code, gone.status_code] == [201, 200, 204]
    assert [(each["link_name"], each["how"]) for each in listed] == [("billing", "by_hand")]
    assert problem(call("delete", f"{there}/billing")) == (404, "not-found")


def test_what_one_may_not_use_is_not_registered(call, integration, bob):
    connect(bob, name="Theirs", link_name="theirs")
    there = f"/integrations/{integration.slug}/connections"

    for link_name in ("theirs", "nothing"):
        assert errors(call("put", f"{there}/{link_name}")).keys() == {"link_name"}


def test_the_audience_is_changed_once_what_stops_is_agreed_to(call, connection, integration, ada):
    other = IntegrationFactory(slug="other")
    roles.grant(other, ada, by=ada)
    registration.register(other, [connection], by=ada)
    there = "/connections/billing/availability"

    before = call("get", there)
    asked = call("put", there, {"integration": integration.slug})
    agreed = call("put", there, {"integration": integration.slug, "stops": True})
    back = call("put", there, {})

    assert before.json()["to"] == back.json()["to"] == "account"
    assert errors(asked).keys() == {"stops"}
    assert agreed.json()["integration"] == integration.slug
    assert integration.registrations.count() == 1


def test_one_connection_replaces_another_after_a_look(call, connection, integration, ada):
    connect(ada, method=connection.auth_method, name="New", link_name="newer")
    registration.register(integration, [connection], by=ada)
    there = "/connections/billing/replacement"

    preview = call("get", f"{there}?to=newer")
    moved = call("post", there, {"to": "newer"})

    assert preview.json()["integrations"] == moved.json()["integrations"] == [integration.slug]
    assert integration.registrations.get().connection.link_name == "newer"
    assert errors(call("get", f"{there}?to=billing")).keys() == {"to"}


# --- Many at once ---------------------------------------------------------------------------------


def test_each_of_many_is_done_by_itself(call, connection, bob, eve, integration):
    connect(bob, name="Theirs", link_name="theirs")
    names = ["billing", "theirs", "nothing"]

    def said(action, **more):
        response = call("post", "/connections-bulk", {"action": action, "link_names": names} | more)
        return [each["done"] for each in response.json()["outcomes"]]

    assert said("tag", tags=["a", "b"]) == [True, False, False]
    assert said("untag", tags=["b"]) == [True, False, False]
    assert said("register", integration=integration.slug) == [True, False, False]
    assert said("share", admins={"people": ["eve@acme.example"]}) == [True, False, False]
    assert said("disable") == [True, False, False]
    assert said("enable") == [True, False, False]
    connection.refresh_from_db()
    assert connection.tags == ["a"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"action": "eat", "link_names": ["billing"]}, "action"),
        ({"action": "tag", "link_names": []}, "link_names"),
        ({"action": "tag", "link_names": ["billing"]}, "tags"),
        ({"action": "tag", "link_names": ["billing"], "tags": ["x" * 99]}, "tags"),
        ({"action": "share", "link_names": ["billing"]}, "people"),
        ({"action": "register", "link_names": ["billing"], "integration": "x"}, "integration"),
        ({"action": "delete", "link_names": ["a"] * 201}, "link_names"),
    ],
)
def test_what_makes_no_sense_is_done_to_none(call, connection, body, field):
    assert field in errors(call("post", "/connections-bulk", body))


def test_many_are_tested_in_the_background(call, connection, bob, monkeypatch):
    monkeypatch.setattr("connhub.connections.tasks.enqueue_bulk_test", lambda *_: None)

    started = call("post", "/tests", {"link_names": ["billing"]})
    run = started.json()["id"]
    testing.test_next(run, Context("192.0.2.1", "0" * 32, str(call.token)), enqueue=lambda *_: None)
    over = call("get", f"/tests/{run}").json()

    assert started.status_code == 202
    assert started.json()["done"] is False
    assert (over["done"], over["tests"][0]["state"]) == (True, "not_tested")
    assert problem(call("post", "/tests", {"link_names": ["nothing"]})) == (404, "not-found")
    assert problem(call("post", "/tests", {"filters": {"tag": "none"}})) == (409, "nothing-to-test")


def test_only_who_began_tests_finds_them(call, program, bob, connection, monkeypatch):
    monkeypatch.setattr("connhub.connections.tasks.enqueue_bulk_test", lambda *_: None)
    run = call("post", "/tests", {}).json()["id"]

    assert problem(program(bob)("get", f"/tests/{run}")) == (404, "not-found")


def test_nothing_is_written_by_looking(call, connection):
    before = Event.objects.count()

    for path in ("", "/billing", "/billing/usage", "/billing/calls", "/billing/impact"):
        assert call("get", f"/connections{path}").status_code == 200

    assert Event.objects.count() == before
    assert Connection.objects.get().version == 1
    assert mail.outbox == []
