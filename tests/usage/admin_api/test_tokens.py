"""Who may call the admin API at all, how often, and what goes on record of it."""

import pytest
from django.test import Client
from django.utils import timezone

from connhub.accounts import admin_tokens, environments, people
from connhub.accounts.models import AdminToken
from connhub.audit.models import Event, Head
from connhub.connections.models import Connection
from connhub.usage import callers, keys

from .conftest import ROOT, problem

CONNECTIONS = f"{ROOT}/connections"


def ask(text: str) -> tuple[int, str]:
    headers = {"Authorization": f"Bearer {text}"} if text else {}
    return problem(Client().get(CONNECTIONS, headers=headers))


@pytest.mark.parametrize("text", ["", "cha_", "cha_" + "A" * 43, "é", "chk_" + "A" * 43])
def test_what_is_no_admin_token_is_unauthorized(db, text):
    assert ask(text) == (401, "unauthorized")


def test_a_session_alone_opens_nothing(client, ada, connection):
    client.force_login(ada)

    assert problem(client.get(CONNECTIONS)) == (401, "unauthorized")


def test_an_integration_key_opens_nothing_here_and_an_admin_token_nothing_there(
    call, ada, integration
):
    _, key = keys.issue(integration, environments.lowest(), name="flow", by=ada)
    there = Client().get("/api/v1/connections", headers={"Authorization": f"Bearer {call.text}"})

    assert ask(key) == (401, "unauthorized")
    assert problem(there) == (401, "unauthorized")


@pytest.mark.parametrize(
    "end",
    [
        lambda call, root: AdminToken.objects.update(expires_at=timezone.now()),
        lambda call, root: admin_tokens.revoke(call.token, by=call.token.person),
        lambda call, root: people.deactivate(call.token.person, by=root),
        lambda call, root: people.change_role(call.token.person, to="member", by=root),
    ],
)
def test_a_token_that_ended_fails_the_very_next_call(call, root, end):
    assert call("get", "/connections").status_code == 200

    end(call, root)

    assert problem(call("get", "/connections")) == (401, "unauthorized")


def test_unknown_tokens_are_on_record_once_a_minute_without_what_was_sent(db):
    for letter in "ABC":
        ask("cha_" + letter * 43)

    (event,) = Event.objects.filter(action="admin_token.refused")
    assert event.sentence == "ConnHub refused calls with an unknown admin token (unauthorized)"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("post", "/connections/billing/disable", None),
        ("patch", "/connections/billing", {"name": "Other"}),
        ("delete", "/connections/billing", None),
        ("put", "/connections/billing/environments/production", {"secrets": {"key_1": "x"}}),
    ],
)
def test_a_read_only_token_only_looks(program, ada, connection, method, path, body):
    looking = program(ada, read_only=True)

    assert looking("get", "/connections/billing").status_code == 200
    assert problem(looking(method, path, body)) == (403, "read-only-token")
    connection.refresh_from_db()
    assert (connection.version, connection.deleted_at) == (1, None)


def test_the_last_use_is_kept_to_the_minute_and_counts_as_no_change(call, connection):
    before = Head.objects.get().changes

    call("get", "/connections")
    first = AdminToken.objects.get().last_used_at
    call("get", "/connections")

    assert AdminToken.objects.get().last_used_at == first is not None
    assert Head.objects.get().changes == before


def test_a_change_says_by_which_token_it_was_made(call, connection):
    call("post", "/connections/billing/disable")

    event = Event.objects.latest("sequence")
    assert event.sentence == f"Ada disabled Billing, by the admin token {call.token}"
    assert event.actor_id == str(call.token.person.pk)


def test_what_a_token_was_kept_from_is_on_record(program, eve, connection):
    program(eve)("get", "/connections/billing")

    event = Event.objects.latest("sequence")
    assert (event.action, event.actor, event.object) == ("access.denied", "Eve", "Billing")


def test_too_many_calls_with_a_token_are_told_when_to_come_back(call, settings):
    settings.ADMIN_RATE_TOKEN = "3/hour"

    statuses = [call("get", "/environments").status_code for _ in range(6)]
    last = call("get", "/environments")

    assert 200 in statuses
    assert problem(last) == (429, "rate-limited")
    assert int(last["Retry-After"]) > 0


def test_whoever_guesses_has_to_wait(db, monkeypatch):
    monkeypatch.setattr(callers, "MOST_UNKNOWN", 2)

    said = [ask("cha_" + letter * 43) for letter in "ABCD"]

    assert said == [(401, "unauthorized")] * 2 + [(429, "rate-limited")] * 2


def test_a_token_has_its_persons_rights_as_they_are_now(call, connection, bob):
    connection.user_grants.filter(user=call.token.person).delete()

    assert problem(call("get", "/connections/billing")) == (404, "not-found")
    assert Connection.objects.filter(pk=connection.pk).exists()


def test_a_session_of_somebody_else_changes_nothing(call, eve, connection):
    call.client.force_login(eve)

    assert call("get", "/connections/billing").status_code == 200
