"""F4: reconnecting as somebody else stops and asks; nothing is replaced without a clear yes."""

from datetime import timedelta

import pytest
from django.conf import settings as configured
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from connhub.accounts import people
from connhub.audit.models import Event
from connhub.connections import authorize, held_grants
from connhub.connections.models import Authorization, Status
from connhub.connections.tasks import forget_expired_authorizations
from connhub.services.models import AuthMethod
from connhub.sharing import roles
from tests.connections.steps import IDENTITY, actions, again, proceed, secrets

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def acme(acme):
    """The service says whose token it is."""
    acme.config = acme.config | {"identity": IDENTITY}
    acme.save()
    return acme


@pytest.fixture
def arrive(client, oauth_server):
    """Takes a person through the provider's pages as one of its users; where they end up."""

    def arrive(connection, user, browser=client):
        target = oauth_server.authorize(proceed(browser, connection), user=user)
        return browser.get(target.removeprefix(configured.CONNHUB_URL))

    return arrive


@pytest.fixture
def waiting(connected, crm, arrive, oauth_server) -> str:
    """The URL of the question, after ada came back as linus."""
    return arrive(crm, oauth_server.other_user).headers["Location"]


def is_of(credential, user) -> bool:
    return again(credential).account == user


def test_the_account_is_known_from_the_sign_in_and_shown(client, crm, connected):
    assert connected.account == "grace"
    assert "grace" in client.get("/connections/crm/").text


def test_the_id_token_names_the_account_before_the_service_is_asked(
    client, ada, crm, acme, oauth_server, sign_in, settings
):
    where = settings.CONNHUB_URL + "/oauth/callback/acme/"
    registered = oauth_server.register(where, algorithm="RS256")
    app = crm.oauth_app
    app.client_id = registered.client_id
    app.client_secret.put(registered.client_secret)
    app.save()
    crm.scopes = ["openid", "read"]
    crm.save()
    client.force_login(ada)

    sign_in(crm)

    assert crm.credentials.get().account.isdecimal()  # its subject


@pytest.mark.parametrize(
    "asked",
    [
        {"path": "/missing", "field": "user"},
        {"path": "/me", "field": "name"},
        {"path": "/me", "field": "user.0"},
        {"path": "/", "field": "user"},
    ],
)
def test_a_service_that_does_not_say_who_it_is_connects_all_the_same(
    client, ada, crm, acme, sign_in, asked
):
    AuthMethod.objects.filter(pk=acme.pk).update(config=acme.config | {"identity": asked})
    client.force_login(ada)

    sign_in(crm)

    credential = crm.credentials.get()
    assert (credential.status, credential.account) == (Status.CONNECTED, "")


def test_the_same_account_is_replaced_without_a_question(crm, connected, arrive):
    before = secrets(connected)

    answer = arrive(crm, "grace")

    assert answer.headers["Location"] == "/connections/crm/"
    assert secrets(connected) != before


def test_reconnect_says_who_was_connected(client, crm, connected):
    assert "connected as <b>grace</b>" in client.get("/connections/crm/authorize/").text
    assert "grace" not in client.get("/connections/crm/authorize/?environment=staging").text


def test_another_account_replaces_nothing_and_asks(client, crm, connected, waiting):
    attempt = Authorization.objects.get()
    page = client.get(waiting)

    assert waiting == reverse("other_account", args=[attempt.pk])
    assert again(connected).payload_version == connected.payload_version
    assert is_of(connected, "grace")
    for text in ("Connected before as", "grace", "linus", "Keep grace", "Use linus"):
        assert text in page.text
    assert actions(crm)[-1] == "connection.other_account"


def test_a_clear_yes_puts_the_new_account_in_place(client, crm, connected, waiting):
    before = secrets(connected)

    answer = client.post(waiting, {"answer": "yes"})

    changed = Event.objects.about(crm).get(action="connection.account_changed")
    assert answer.headers["Location"] == "/connections/crm/"
    assert is_of(connected, "linus")
    assert secrets(connected) != before
    assert set(secrets(connected)) == {"access_token", "refresh_token"}
    assert again(connected).renewable
    assert again(connected).expires_at > timezone.now() + timedelta(minutes=50)
    assert changed.detail == {"account": "linus", "before": "grace"}
    assert actions(crm)[-2:] == ["connection.account_changed", "connection.connected"]
    assert not Authorization.objects.exists()


@pytest.mark.parametrize("answer", [{"answer": "no"}, {}, {"answer": "YES"}])
def test_anything_else_destroys_the_grant_and_tells_the_provider(
    client, crm, connected, waiting, answer
):
    before = secrets(connected)

    client.post(waiting, answer)

    assert secrets(connected) == before
    assert is_of(connected, "grace")
    assert not Authorization.objects.exists()
    assert actions(crm)[-2:] == [
        "connection.other_account_declined",
        "connection.revoked_at_provider",
    ]
    assert Event.objects.about(crm)[0].detail["said"] == "revoked"


@pytest.mark.parametrize("first", ["yes", "no"])
def test_the_question_is_answered_once(client, waiting, first):
    client.post(waiting, {"answer": first})

    assert client.post(waiting, {"answer": "yes"}).status_code == 404


def test_nobody_else_and_no_other_session_can_answer(ada, bob, crm, connected, waiting):
    roles.grant(crm, bob, by=ada)
    for person in (ada, bob):
        other = Client()
        other.force_login(person)
        assert other.get(waiting).status_code == 404
        assert other.post(waiting, {"answer": "yes"}).status_code == 404

    assert is_of(connected, "grace")


def test_it_waits_for_ten_minutes_and_is_given_back_then(client, crm, connected, waiting):
    left = Authorization.objects.get().expires_at - timezone.now()
    Authorization.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

    late = client.post(waiting, {"answer": "yes"})
    forget_expired_authorizations.call_local()

    assert timedelta(minutes=9) < left <= timedelta(minutes=10)
    assert late.status_code == 404
    assert is_of(connected, "grace")
    assert not Authorization.objects.exists()
    assert actions(crm)[-1] == "connection.revoked_at_provider"


def test_who_may_no_longer_connect_changes_nothing(client, crm, connected, waiting):
    crm.user_grants.all().delete()

    assert client.post(waiting, {"answer": "yes"}).status_code == 409
    assert is_of(connected, "grace")


def test_no_grant_is_kept_or_sent_where_the_address_moved_meanwhile(
    client, crm, connected, waiting
):
    crm.settings.update(base_url="https://elsewhere.example.com")

    kept = client.post(waiting, {"answer": "yes"})
    client.post(waiting, {"answer": "no"})

    assert kept.status_code == 409
    assert is_of(connected, "grace")
    assert actions(crm)[-1] == "connection.other_account_declined"


def test_a_person_who_leaves_takes_the_waiting_grant_along(root, ada, crm, waiting):
    roles.grant(crm, root, by=ada)
    people.deactivate(ada, by=root)

    assert not Authorization.objects.exists()
    assert "connection.revoked_at_provider" in actions(crm)


def test_what_waits_is_sealed_and_no_answer_of_the_provider_finds_it(ada, crm, waiting):
    attempt = Authorization.objects.get()
    token = attempt.grant.open().reveal()["secrets"]["access_token"]

    assert token.encode() not in attempt.grant.ciphertext
    assert not attempt.verifier
    with pytest.raises(authorize.AuthorizationFailed):
        authorize.finish("acme", {"state": [attempt.state_digest]}, by=ada, session_key="")
    assert Authorization.objects.exists()


def test_a_changed_connection_waits_with_the_grant(client, ada, crm, connected, oauth_server):
    url = authorize.start(
        crm, by=ada, session_key=client.session.session_key, pending={"scopes": ["read", "write"]}
    )
    target = oauth_server.authorize(url, user=oauth_server.other_user)
    waiting = client.get(target.removeprefix(configured.CONNHUB_URL)).headers["Location"]

    crm.refresh_from_db()
    unchanged = crm.scopes
    client.post(waiting, {"answer": "yes"})

    crm.refresh_from_db()
    assert (unchanged, crm.scopes) == (["read"], ["read", "write"])


def test_what_was_answered_meanwhile_is_refused(client, ada, connected, waiting):
    attempt, key = Authorization.objects.get(), client.session.session_key
    held_grants.accept(attempt, by=ada, session_key=key)

    for answer in (held_grants.accept, held_grants.decline):
        with pytest.raises(held_grants.NotWaiting):
            answer(attempt, by=ada, session_key=key)
