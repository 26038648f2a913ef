"""Methods that ask the service for a token themselves: made, renewed, changed and given up."""

from base64 import b64encode

import pytest
from django.urls import reverse

from connhub.accounts.models import Environment
from connhub.audit.models import Event
from connhub.connections import editing, lifecycle, own_settings, testing
from connhub.connections.access import ReconnectNeeded
from connhub.connections.connecting import ConnectFailed
from connhub.connections.meanwhile import DeletedMeanwhile, EditedMeanwhile
from connhub.connections.models import Connection, Credential, Status, Telling
from connhub.connections.refresh import ensure_fresh
from tests.conftest import CANARY
from tests.connections.steps import actions, again, expire, secrets
from tests.factories import AuthMethodFactory, ServiceFactory, connect

pytestmark = pytest.mark.django_db


@pytest.fixture
def client_of(oauth_server, settings, allow):
    allow(oauth_server.port)
    return oauth_server.register(settings.CONNHUB_URL + "/", grant="client-credentials")


@pytest.fixture
def robots(oauth_server, client_of):
    """The method of a service whose clients sign in for themselves."""
    service = ServiceFactory(
        base_url=oauth_server.api_url, test={"method": "GET", "path": "/echo", "expect": [200]}
    )
    return AuthMethodFactory(
        service=service,
        kind="oauth2_client_credentials",
        config={"token_url": oauth_server.token_url, "token_auth": "client_secret_basic"},
    )


@pytest.fixture
def robot(ada, robots, client_of):
    return connect(
        ada,
        method=robots,
        link_name="robot",
        parameters={"client_id": client_of.client_id},
        secrets={"client_secret": client_of.client_secret},
        scopes=["read"],
    )


def details(connection, **changes):
    known = {"parameters": connection.settings.get().parameters, "scopes": connection.scopes}
    return lifecycle.Details(name=connection.name, **known | changes)


# --- Client credentials ---------------------------------------------------------------------------


def test_client_credentials_connect_as_they_are_made(robot, client_of, oauth_server):
    credential = robot.credentials.get()

    assert secrets(credential).keys() == {"client_secret", "access_token"}
    assert (robot.status, credential.scopes_granted) == (Status.CONNECTED, ["read"])
    assert credential.renewable and credential.expires_at is not None
    assert [r.grant_type for r in oauth_server.token_requests] == ["client_credentials"]


def test_token_of_client_credentials_works(ada, robot):
    assert testing.test(robot, by=ada).as_json()["ok"] is True


def test_client_credentials_are_renewed_by_asking_again(robot, oauth_server):
    before = expire(robot.credentials.get())

    after = ensure_fresh(before)

    assert secrets(after)["client_secret"] == secrets(robot.credentials.get())["client_secret"]
    assert len(oauth_server.token_requests) == 2
    assert "connection.renewed" in actions(robot)


def test_wrong_client_secret_makes_nothing(ada, robots, client_of):
    with pytest.raises(ConnectFailed) as failure:
        connect(
            ada,
            method=robots,
            parameters={"client_id": client_of.client_id},
            secrets={"client_secret": CANARY},
        )

    assert failure.value.text == "127.0.0.1 did not accept the client id and secret. Check both."
    assert not Connection.objects.exists()


def test_form_says_why_it_did_not_connect(client, ada, robots, client_of):
    client.force_login(ada)
    robots.service.test = {}
    robots.service.save()
    typed = {"name": "Robot", "link_name": "robot", "access_mode": "proxy"}
    own = {"p_client_id": client_of.client_id, "s_client_secret": CANARY}

    page = client.post(reverse("connections:new", args=[robots.service.slug]), typed | own)

    errors = page.context["form"].non_field_errors()
    assert errors == ["127.0.0.1 did not accept the client id and secret. Check both."]
    assert CANARY not in page.text


@pytest.mark.parametrize("works", [True, False])
def test_create_asks_for_one_token_however_the_test_goes(
    client, ada, robots, client_of, oauth_server, works
):
    client.force_login(ada)
    robots.service.test["expect"] = [200 if works else 418]
    robots.service.save()
    typed = {"name": "Robot", "link_name": "robot", "access_mode": "proxy", "anyway": "1"}
    own = {"p_client_id": client_of.client_id, "s_client_secret": client_of.client_secret}

    client.post(reverse("connections:new", args=[robots.service.slug]), typed | own)

    made = Connection.objects.get()
    assert len(oauth_server.token_requests) == 1
    assert secrets(made.credentials.get()).keys() == {"client_secret", "access_token"}
    assert made.status == (Status.CONNECTED if works else Status.FAILING)


def test_unsaved_client_credentials_are_tested_with_a_token_of_their_own(robots, client_of):
    values = {"client_id": client_of.client_id, "client_secret": client_of.client_secret}

    good = testing.run(robots.service, robots, values, scopes=["read"])
    bad = testing.run(robots.service, robots, values | {"client_secret": CANARY})

    assert [(step.name, step.outcome) for step in good.steps[-3:]] == [
        ("Authentication", "ok"),
        ("Granted scopes", "ok"),
        ("Sample call", "ok"),
    ]
    assert (bad.steps[-1].name, bad.steps[-1].outcome) == ("Authentication", "failed")
    assert bad.steps[-1].hint


def test_a_token_taken_away_is_asked_for_again_by_an_update_alone(ada, robot, oauth_server):
    Credential.objects.update(status=Status.RECONNECT_NEEDED)
    before = secrets(robot.credentials.get())

    editing.edit(robot, details(robot), by=ada)

    robot.refresh_from_db()
    after = secrets(robot.credentials.get())
    assert (robot.status, len(oauth_server.token_requests)) == (Status.CONNECTED, 2)
    assert after["client_secret"] == before["client_secret"]
    assert after["access_token"] != before["access_token"]


def test_changed_secret_has_to_bring_a_token(ada, robot):
    before = secrets(robot.credentials.get())

    with pytest.raises(ConnectFailed):
        editing.edit(robot, details(robot, secrets={"client_secret": CANARY}), by=ada)

    assert secrets(robot.credentials.get()) == before


def test_changed_scopes_bring_a_new_token(ada, robot):
    editing.edit(robot, details(robot, scopes=["write"]), by=ada)

    robot.refresh_from_db()
    assert (robot.scopes, robot.credentials.get().scopes_granted) == (["write"], ["write"])


def test_other_client_id_wants_its_secret(ada, robot):
    with pytest.raises(editing.SecretAskedAgain):
        editing.edit(robot, details(robot, parameters={"client_id": "other"}), by=ada)


def test_renaming_asks_for_no_token(ada, robot, oauth_server):
    editing.edit(robot, details(robot, description="Nightly"), by=ada)

    assert len(oauth_server.token_requests) == 1


# --- Two-step sign-in -----------------------------------------------------------------------------


@pytest.fixture
def desk(token_endpoint):
    """The method of a service that gives a session token for a user name and password."""
    token_endpoint.body = {"data": [{"id": "s3ssion"}], "ttl": 900}
    config = {
        "fields": [
            {"name": "username", "label": "User name", "secret": False},
            {"name": "password", "label": "Password"},
        ],
        "login": {
            "method": "POST",
            "url": f"http://127.0.0.1:{token_endpoint.port}/login/{{tenant}}",
            "format": "json",
            "body": {"user": "{username}", "password": "{password}", "from": "connhub"},
            "token_path": "data.0.id",
            "expires_in_path": "ttl",
        },
        "apply": {"in": "header", "name": "X-Session"},
    }
    service = ServiceFactory(parameters=[{"name": "tenant", "label": "Tenant", "pattern": "^.+$"}])
    return AuthMethodFactory(service=service, kind="two_step", config=config)


@pytest.fixture
def sign_in_at(ada, desk):
    def sign_in_at(**login):
        desk.config["login"] |= login
        desk.save()
        return connect(
            ada,
            method=desk,
            parameters={"tenant": "acme", "username": "grace"},
            secrets={"password": CANARY},
        )

    return sign_in_at


def test_sign_in_request_brings_the_session_token(sign_in_at, token_endpoint):
    credential = sign_in_at().credentials.get()

    (asked,) = token_endpoint.asked
    assert asked.path == "/login/acme"
    assert asked.json == {"user": "grace", "password": CANARY, "from": "connhub"}
    assert secrets(credential) == {"password": CANARY, "access_token": "s3ssion"}
    assert 880 < (credential.expires_at - credential.connected_at).total_seconds() <= 900


def test_sign_in_request_as_a_form(sign_in_at, token_endpoint):
    sign_in_at(format="form")

    (asked,) = token_endpoint.asked
    assert asked.form == {"user": "grace", "password": CANARY, "from": "connhub"}


def test_sign_in_request_with_basic_authentication(sign_in_at, token_endpoint):
    sign_in_at(format="basic", body={"username": "{username}", "password": "{password}"})

    (asked,) = token_endpoint.asked
    pair = b64encode(f"grace:{CANARY}".encode()).decode()
    assert (asked.headers["Authorization"], asked.body) == (f"Basic {pair}", b"")


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (401, {}, "127.0.0.1 did not accept the sign-in. Check what you entered."),
        (422, {}, "127.0.0.1 refused (http_422)."),
        (200, {}, "127.0.0.1 answered without a session token. Check what you entered."),
        (200, {"data": [{"id": "a\nb"}]}, None),
        (200, b"<html>", "127.0.0.1 answered with something that is not JSON."),
        (503, {}, "127.0.0.1 is unavailable at the moment (503)."),
    ],
)
def test_sign_in_that_brings_nothing_makes_nothing(sign_in_at, token_endpoint, status, body, says):
    token_endpoint.status, token_endpoint.body = status, body

    with pytest.raises(ConnectFailed) as failure:
        sign_in_at()

    no_token = "127.0.0.1 answered without a session token. Check what you entered."
    assert failure.value.text == (says or no_token)
    assert not Connection.objects.exists()


def test_session_is_renewed_by_signing_in_again(sign_in_at, token_endpoint):
    credential = expire(sign_in_at().credentials.get())
    token_endpoint.body = {"data": [{"id": "n3xt"}], "ttl": 900}

    after = ensure_fresh(credential)

    assert secrets(after) == {"password": CANARY, "access_token": "n3xt"}


def test_session_that_the_service_ended_is_renewed_though_nobody_knew_its_lifetime(
    sign_in_at, token_endpoint
):
    token_endpoint.body = {"data": [{"id": "s3ssion"}]}
    credential = sign_in_at().credentials.get()
    token_endpoint.body = {"data": [{"id": "n3xt"}]}

    after = ensure_fresh(credential, force_version=credential.payload_version)

    assert (credential.expires_at, secrets(after)["access_token"]) == (None, "n3xt")


def test_password_that_no_longer_works_needs_a_person(sign_in_at, token_endpoint):
    credential = expire(sign_in_at().credentials.get())
    token_endpoint.status = 401

    with pytest.raises(ReconnectNeeded):
        ensure_fresh(credential)

    assert again(credential).status == Status.RECONNECT_NEEDED


# --- A token that is not kept ---------------------------------------------------------------------


@pytest.fixture
def meanwhile(monkeypatch):
    """Lets something happen after the service gave its token and before that is stored."""

    def meanwhile(module, happens):
        ask = module.obtain

        def slowly(*args):
            granted = ask(*args)
            happens()
            return granted

        monkeypatch.setattr(module, "obtain", slowly)

    return meanwhile


@pytest.fixture
def revocable(robots, oauth_server):
    robots.config["revoke_url"] = oauth_server.revoke_url
    robots.save()


def reconnecting(robot, ada, client_of):
    new = {"client_secret": client_of.client_secret}
    return editing, lambda: editing.reconnect(robot, new, by=ada)


def editing_scopes(robot, ada, client_of):
    return editing, lambda: editing.edit(robot, details(robot, scopes=["write"]), by=ada)


def giving_own(robot, ada, client_of):
    staging = Environment.objects.get(slug="staging")
    new = {
        "parameters": {"client_id": client_of.client_id},
        "secrets": {"client_secret": client_of.client_secret},
    }
    return own_settings, lambda: own_settings.give(robot, staging, **new, by=ada)


@pytest.mark.parametrize("change", [reconnecting, editing_scopes, giving_own])
def test_a_token_that_came_too_late_to_be_kept_is_given_back(
    ada, revocable, robot, client_of, meanwhile, change, django_capture_on_commit_callbacks
):
    module, do = change(robot, ada, client_of)
    meanwhile(module, lambda: lifecycle.delete(robot, by=ada, later=True))

    with pytest.raises(DeletedMeanwhile), django_capture_on_commit_callbacks(execute=True):
        do()

    told = Event.objects.get(action="connection.revoked_at_provider")
    assert (told.actor, told.object, told.detail) == ("ConnHub", "Billing", {"said": "revoked"})


def test_a_token_that_was_kept_is_not_given_back(
    ada, revocable, robot, client_of, django_capture_on_commit_callbacks
):
    _, do = reconnecting(robot, ada, client_of)

    with django_capture_on_commit_callbacks(execute=True):
        do()

    assert not Event.objects.filter(action="connection.revoked_at_provider").exists()


def test_a_token_that_somebody_else_was_given_too_is_left_alone(
    ada, robots, token_endpoint, meanwhile
):
    robots.config |= {"token_url": token_endpoint.url, "revoke_url": token_endpoint.url}
    robots.save()
    typed = {"parameters": {"client_id": "robot"}, "secrets": {"client_secret": "s3cret"}}
    robot = connect(ada, method=robots, link_name="robot", **typed)
    meanwhile(editing, lambda: lifecycle.rename(robot, to="Faster", by=ada))

    with pytest.raises(EditedMeanwhile):
        editing.reconnect(robot, typed["secrets"], by=ada, seen=robot.version)

    assert not Telling.objects.exists()
