"""Calls for a named user, over connections that use the credentials of login users."""

import time
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from connhub.accounts import people
from connhub.accounts.models import Environment
from connhub.audit.models import Event
from connhub.connections import lifecycle, login_users
from connhub.connections.auth.base import Granted
from connhub.connections.keeping import keep
from connhub.connections.models import Connection, Credential, Settings, Status
from connhub.sharing import roles
from connhub.usage import projects
from connhub.usage.models import Call
from tests.conftest import CANARY
from tests.factories import UserFactory
from tests.usage.conftest import problem
from tests.usage.test_proxying import raw_request

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("app")]


@pytest.fixture
def personal(ada, reach, integration, eve) -> Connection:
    """To the upstream, for login users; ada and eve have access to the integration."""
    made = reach("personal", secrets={}, login_user=True, access_mode="credentials")
    projects.add_member(integration, eve, by=ada)
    return made


def sign_in(made: Connection, person, key: str) -> Credential:
    return login_users.sign_in(made, {"key_1": key}, by=person)


@transaction.atomic
def hold(made: Connection, person, expires_at=None) -> None:
    """As if the person had signed in at some time."""
    keep(made, Granted({"key_1": "x"}, expires_at), environment=None, user=person)


@pytest.fixture
def called(flow):
    """What comes of a credentials call and a proxied call in somebody's name."""

    def called(email: str | None, environment_flow=None):
        caller = environment_flow or flow
        headers = {} if email is None else {"X-ConnHub-User": email}
        return [
            caller("GET", "personal", "/echo", headers=headers),
            caller.credentials("personal", headers=headers),
        ]

    return called


def key_of(answer) -> str:
    return answer.json()["credentials"]["key_1"]


def test_each_persons_call_uses_their_own_credential(ada, eve, personal, called, upstream):
    sign_in(personal, eve, "of eve")
    sign_in(personal, ada, "of ada")

    of_eve, of_ada = called("eve@acme.example"), called("ADA@acme.example")

    assert [each.status_code for each in of_eve + of_ada] == [200] * 4
    assert [key_of(of_eve[1]), key_of(of_ada[1])] == ["of eve", "of ada"]
    assert (of_eve[1].json()["user"], of_ada[1].json()["user"]) == (eve.email, ada.email)


def test_service_never_sees_the_header(eve, personal, called):
    sign_in(personal, eve, "of eve")

    echoed, _ = called(eve.email)

    assert "x-connhub-user" not in {name.lower() for name, _ in echoed.json()["headers"]}
    assert eve.email not in echoed.text


def test_whoever_is_not_authorized_gets_one_and_the_same_answer(
    ada, eve, root, personal, called, flow
):
    UserFactory(email="gone@acme.example", is_active=False)
    outsider = UserFactory(email="outsider@acme.example")
    hold(personal, outsider)
    hold(personal, eve)
    Credential.objects.filter(user=eve).update(status=Status.RECONNECT_NEEDED)

    names = [None, "", "nobody@acme.example", "gone@acme.example", outsider.email]
    names += [ada.email, eve.email, root.email, "no address", "é@acme.example".encode()]
    answers = [answer for name in names for answer in called(name)]

    assert {problem(answer) for answer in answers} == {(409, "authorize-as-user")}
    said = [answer.json() | {"request_id": ""} for answer in answers]
    assert all(each == said[0] for each in said)
    assert said[0]["authorize_url"] == f"{flow.server.url}/profile/sign-ins/personal/"
    assert said[0]["mend_url"] == f"{flow.server.url}/connections/personal/"


def test_two_names_are_none(flow, eve, ada, personal):
    sign_in(personal, eve, "of eve")
    sign_in(personal, ada, "of ada")
    twice = [f"X-ConnHub-User: {person.email}" for person in (eve, ada)]

    status, body = raw_request(flow, "GET /api/v1/connections/personal/proxy/echo HTTP/1.1", *twice)

    assert status == 409
    assert "authorize-as-user" in body


def test_name_longer_than_any_address_is_a_bad_header(flow, personal):
    answer = flow("GET", "personal", "/echo", headers={"X-ConnHub-User": "a" * 300})

    assert problem(answer) == (400, "bad-header")


def test_authorize_url_names_the_environment_with_settings_of_its_own(
    eve, personal, flow_in, integration, called
):
    production = Environment.objects.get(slug="production")
    Settings.objects.create(connection=personal, environment=production)
    sign_in(personal, eve, "for all")
    in_production = flow_in(integration, production)

    refused = called(eve.email, in_production)[0]

    assert problem(refused) == (409, "authorize-as-user")
    assert refused.json()["authorize_url"].endswith("/personal/?environment=production")
    login_users.sign_in(personal, {"key_1": "for production"}, by=eve, environment=production)
    assert key_of(called(eve.email, in_production)[1]) == "for production"
    assert key_of(called(eve.email)[1]) == "for all"


def test_connection_of_another_environment_is_not_connected_for_anybody(
    ada, eve, reach, integration, flow
):
    staging = Environment.objects.get(slug="staging")
    reach("personal", secrets={}, login_user=True, environment=staging)

    for name in (eve.email, "nobody@acme.example"):
        answer = flow("GET", "personal", "/echo", headers={"X-ConnHub-User": name})
        assert problem(answer) == (409, "not-connected")


def removed(made, ada, eve, root, integration):
    login_users.sign_out(made.credentials.get(user=eve), by=eve)


def removed_by_admin(made, ada, eve, root, integration):
    login_users.sign_out(made.credentials.get(user=eve), by=ada)


def membership_ended(made, ada, eve, root, integration):
    projects.remove_member(integration, eve, by=ada)


def deactivated(made, ada, eve, root, integration):
    people.deactivate(eve, by=root)


def deleted(made, ada, eve, root, integration):
    people.delete(eve, by=root)


@pytest.mark.parametrize(
    "ends", [removed, removed_by_admin, membership_ended, deactivated, deleted]
)
def test_very_next_call_in_the_persons_name_fails(
    ada, eve, root, personal, called, integration, ends
):
    sign_in(personal, eve, "of eve")
    sign_in(personal, ada, "of ada")
    assert [each.status_code for each in called(eve.email)] == [200, 200]

    ends(personal, ada, eve, root, integration)

    assert {problem(answer) for answer in called("eve@acme.example")} == {
        (409, "authorize-as-user")
    }
    assert [each.status_code for each in called(ada.email)] == [200, 200]


def test_revoked_connection_says_so_whoever_is_named(ada, eve, personal, called):
    sign_in(personal, eve, "of eve")
    lifecycle.revoke(personal, by=ada)

    answers = called(eve.email) + called("nobody@acme.example") + called(None)

    assert {problem(answer) for answer in answers} == {(409, "connection-revoked")}


def test_signing_in_again_takes_effect_with_the_next_call(eve, personal, called):
    sign_in(personal, eve, "old")
    assert key_of(called(eve.email)[1]) == "old"

    sign_in(personal, eve, "new")

    assert key_of(called(eve.email)[1]) == "new"


def test_token_that_ended_and_cannot_be_renewed_is_the_users_to_give_again(eve, personal, called):
    ended_at = timezone.now() - timedelta(seconds=5)
    hold(personal, eve, ended_at)

    assert {problem(answer) for answer in called(eve.email)} == {(409, "authorize-as-user")}


def test_user_named_elsewhere_changes_nothing_and_is_noted(ada, eve, reach, flow):
    reach("crm")

    answer = flow("GET", "crm", "/echo", headers={"X-ConnHub-User": "whoever@acme.example"})

    assert answer.status_code == 200
    assert logged_users(flow, 1) == ["whoever@acme.example"]


def test_call_log_says_for_whom(eve, personal, flow, called):
    sign_in(personal, eve, "of eve")

    called(eve.email)
    called(None)

    assert logged_users(flow, 4) == [eve.email, eve.email, "", ""]


def logged_users(flow, count: int) -> list[str]:
    """The log is written half a second behind."""
    for _ in range(100):
        found = list(Call.objects.filter(key=flow.key.pk).order_by("pk"))
        if len(found) >= count:
            return [call.user for call in found]
        time.sleep(0.05)
    raise AssertionError("The calls are not in the log.")


def test_first_use_and_every_fetch_of_each_persons_credential_are_on_record(
    ada, eve, personal, called
):
    sign_in(personal, eve, "of eve")
    sign_in(personal, ada, "of ada")

    for person in (eve, eve, ada):
        called(person.email)

    noted = Event.objects.about(personal).order_by("sequence")
    first = noted.filter(action="credential.first_used").values_list("detail", flat=True)
    read = noted.filter(action="credential.read").values_list("detail", flat=True)
    assert [each["user"] for each in first] == [eve.email, ada.email]
    assert [each["user"] for each in read] == [eve.email, eve.email, ada.email]


def test_listing_says_which_connections_want_a_user(flow, reach, personal):
    reach("crm")

    rows = flow.send("GET", f"{flow.server.url}/api/v1/connections").json()["connections"]

    said = {row["link_name"]: (row["login_user"], row["status"]) for row in rows}
    assert said == {"crm": (False, "connected"), "personal": (True, "connected")}


def test_person_who_administers_the_connection_alone_is_nobody_to_other_integrations(
    ada, eve, bob, personal, called
):
    roles.grant(personal, bob, by=ada)
    sign_in(personal, bob, "of bob")

    assert {problem(answer) for answer in called(bob.email)} == {(409, "authorize-as-user")}


def test_nothing_of_it_shows_a_secret(eve, personal, flow):
    sign_in(personal, eve, CANARY)

    answer = flow("GET", "personal", "/echo", headers={"X-ConnHub-User": eve.email})

    assert answer.status_code == 200
    assert CANARY not in answer.text
    assert CANARY not in flow.server.log
