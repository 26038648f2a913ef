"""Signed JWTs believed by an authorization server that is not ours: services and connections are
made in ConnHub's own forms, and the server says what it thinks of what ConnHub sends."""

from datetime import timedelta

import pytest
import requests
import time_machine
from django.conf import settings as django_settings
from django.urls import reverse
from django.utils import timezone

from connhub.connections.access import ReconnectNeeded
from connhub.connections.models import Connection, Status
from connhub.connections.refresh import ensure_fresh
from connhub.services.models import Service
from tests.connections.steps import again, expire, proceed, secrets
from tests.servers.assertion_server import key_pair
from tests.services.test_views import DETAILS, PLACE, TYPED

pytestmark = pytest.mark.django_db

REFUSED = "127.0.0.1 did not accept the signed JWT. Check the key and what you entered."
NOT_ACCEPTED = "127.0.0.1 did not accept the client id and secret. Check both."
JWT, CLIENT, CODE = "jwt_bearer", "oauth2_client_credentials", "oauth2_code"


@pytest.fixture
def signed_in(client, ada, allow, assertion_server):
    allow(assertion_server.port)
    client.force_login(ada)
    return client


@pytest.fixture
def define(signed_in, assertion_server):
    """Makes the service Acme in its form; what it calls is the server's API."""

    def define(kind, **typed) -> Service:
        form = DETAILS | TYPED[kind] | PLACE | {"base_url": assertion_server.api_url}
        form |= {"token_url": assertion_server.token_url, "scopes": "*read Read"} | typed
        if kind != JWT:
            form |= {"token_auth": "private_key_jwt"}
        if kind == CODE:
            form |= {"authorize_url": assertion_server.authorize_url}
        answer = signed_in.post(f"{reverse('services:new')}?type={kind}", form)
        assert answer.status_code == 303, answer.context["form"].errors
        return Service.objects.get(slug="acme")

    return define


@pytest.fixture
def enter(signed_in):
    """Makes a connection to Acme in its form: the answer."""

    def enter(**typed):
        details = {"name": "CRM", "link_name": "crm", "access_mode": "proxy", "environment": ""}
        return signed_in.post("/connections/new/acme/", details | {"scopes": ["read"]} | typed)

    return enter


def as_issuer(app, **more) -> dict[str, str]:
    return {"p_issuer": app.client_id, "s_private_key": app.private_key} | more


def as_client(app, **more) -> dict[str, str]:
    return {"p_client_id": app.client_id, "s_client_secret": app.private_key} | more


def made() -> Connection:
    return Connection.objects.get(link_name="crm")


def failure_of(answer) -> str:
    return answer.context["report"].failure.said


def calls(credential, server) -> int:
    token = secrets(credential)["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    return requests.get(f"{server.api_url}/me", headers=headers, timeout=10).status_code


# --- A JWT in exchange for a token (RFC 7523 section 2.1) ---------------------------------------------


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_jwt_is_exchanged_for_a_token_that_works(define, enter, assertion_server, algorithm):
    define(JWT, issuer_label="Client id", algorithm=algorithm)

    answer = enter(**as_issuer(assertion_server.register(algorithm=algorithm)))

    credential = made().credentials.get()
    assert (answer.status_code, answer.url) == (303, "/connections/crm/")
    assert (credential.status, credential.scopes_granted) == (Status.CONNECTED, ["read"])
    assert calls(credential, assertion_server) == 200


def test_jwt_for_a_person_is_believed_if_the_server_knows_them(define, enter, assertion_server):
    define(JWT, issuer_label="Client id", subject_label="User")
    app = assertion_server.register()

    unknown = enter(**as_issuer(app, p_subject="nobody"))
    known = enter(**as_issuer(app, p_subject="grace"))

    assert failure_of(unknown) == REFUSED
    assert known.status_code == 303


def test_token_is_renewed_with_a_new_jwt(define, enter, assertion_server):
    define(JWT, issuer_label="Client id")
    enter(**as_issuer(assertion_server.register()))
    credential = expire(made().credentials.get())
    before = secrets(credential)["access_token"]

    after = ensure_fresh(credential)

    assert secrets(after)["access_token"] != before
    assert calls(after, assertion_server) == 200
    assert {r["status"] for r in assertion_server.token_requests} == {200}


@pytest.mark.parametrize("audience", ["https://elsewhere.example", "{tenant}"])
def test_jwt_meant_for_another_is_refused(define, enter, assertion_server, audience):
    define(JWT, issuer_label="Client id", audience=audience)
    more = {"p_tenant": "https://acme.example"} if "{" in audience else {}

    answer = enter(**as_issuer(assertion_server.register(), **more))

    assert failure_of(answer) == REFUSED
    assert not Connection.objects.exists()


def test_jwt_may_name_the_issuer_as_its_audience(define, enter, assertion_server):
    define(JWT, issuer_label="Client id", audience=assertion_server.base_url)

    assert enter(**as_issuer(assertion_server.register())).status_code == 303


def test_jwt_that_has_ended_is_refused(define, enter, assertion_server):
    define(JWT, issuer_label="Client id")
    app = assertion_server.register()

    with time_machine.travel(timezone.now() - timedelta(seconds=400)):
        answer = enter(**as_issuer(app))

    assert failure_of(answer) == REFUSED


def test_jwt_signed_with_another_key_is_refused(define, enter, assertion_server):
    define(JWT, issuer_label="Client id")
    app = assertion_server.register()

    answer = enter(**as_issuer(app, s_private_key=key_pair("RS256")[0]))

    assert failure_of(answer) == REFUSED


def test_jwt_counts_once(define, enter, assertion_server):
    define(JWT, issuer_label="Client id")
    enter(**as_issuer(assertion_server.register()))
    sent = assertion_server.token_requests[-1]["form"]

    again = requests.post(assertion_server.token_url, data=sent, timeout=10)

    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")


def test_jwt_that_is_no_longer_believed_needs_a_person(define, enter, assertion_server):
    service = define(JWT, issuer_label="Client id")
    enter(**as_issuer(assertion_server.register()))
    credential = expire(made().credentials.get())
    method = service.auth_methods.get()
    method.config["audience"] = "https://elsewhere.example"
    method.save()

    with pytest.raises(ReconnectNeeded):
        ensure_fresh(again(credential))

    assert again(credential).status == Status.RECONNECT_NEEDED


# --- A client that proves itself (RFC 7523 section 2.2), for itself -------------------------------------


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_client_proves_itself_and_gets_a_token_that_works(
    define, enter, assertion_server, algorithm
):
    define(CLIENT, algorithm=algorithm)

    answer = enter(**as_client(assertion_server.register(algorithm=algorithm)))

    assert answer.status_code == 303
    assert calls(made().credentials.get(), assertion_server) == 200
    form = assertion_server.token_requests[-1]["form"]
    assert form["grant_type"] == "client_credentials" and "client_secret" not in form


def test_proof_with_another_key_is_refused(define, enter, assertion_server):
    define(CLIENT)
    app = assertion_server.register()

    answer = enter(**as_client(app, s_client_secret=key_pair("RS256")[0]))

    assert failure_of(answer) == NOT_ACCEPTED


def test_proof_with_another_algorithm_is_refused(define, enter, assertion_server):
    define(CLIENT, algorithm="PS256")

    answer = enter(**as_client(assertion_server.register()))

    assert failure_of(answer) == NOT_ACCEPTED


def test_proof_meant_for_another_address_is_refused(define, enter, assertion_server):
    define(CLIENT, token_url=assertion_server.other_token_url)

    answer = enter(**as_client(assertion_server.register()))

    assert failure_of(answer) == NOT_ACCEPTED


def test_proof_that_has_ended_is_refused(define, enter, assertion_server):
    define(CLIENT)
    app = assertion_server.register()

    with time_machine.travel(timezone.now() - timedelta(seconds=200)):
        answer = enter(**as_client(app))

    assert failure_of(answer) == NOT_ACCEPTED


def test_proof_counts_once(define, enter, assertion_server):
    define(CLIENT)
    enter(**as_client(assertion_server.register()))
    sent = assertion_server.token_requests[-1]["form"]

    again = requests.post(assertion_server.token_url, data=sent, timeout=10)

    assert (again.status_code, again.json()["error"]) == (400, "invalid_client")


# --- A client that proves itself, for a person -----------------------------------------------------------


@pytest.fixture
def crm(define, enter, assertion_server):
    """A connection that nobody has signed in for yet, and its client there."""
    define(CODE)
    app = assertion_server.register(django_settings.CONNHUB_URL + "/oauth/callback/acme/")
    answer = enter(client_id=app.client_id, client_secret=app.private_key)
    assert answer.status_code == 303
    return made()


@pytest.fixture
def sign_in(signed_in, assertion_server):
    def sign_in(connection):
        back = assertion_server.authorize(proceed(signed_in, connection))
        return signed_in.get(back.removeprefix(django_settings.CONNHUB_URL))

    return sign_in


def test_code_is_exchanged_with_proof_and_pkce(crm, sign_in, assertion_server):
    sign_in(crm)

    credential = crm.credentials.get()
    form = assertion_server.token_requests[-1]["form"]
    assert (credential.status, credential.renewable) == (Status.CONNECTED, True)
    assert calls(credential, assertion_server) == 200
    assert form.keys() >= {"code", "code_verifier", "client_assertion"}
    assert "client_secret" not in form


def test_token_is_refreshed_with_a_new_proof(crm, sign_in, assertion_server):
    sign_in(crm)

    after = ensure_fresh(expire(crm.credentials.get()))

    first, second = assertion_server.token_requests
    assert calls(after, assertion_server) == 200
    assert second["form"]["grant_type"] == "refresh_token"
    assert first["form"]["client_assertion"] != second["form"]["client_assertion"]


def test_code_without_the_right_key_connects_nothing(crm, sign_in, assertion_server):
    crm.oauth_app.client_secret.put(key_pair("RS256")[0])
    crm.oauth_app.save()

    sign_in(crm)

    assert assertion_server.token_requests[-1]["status"] == 400
    assert not crm.credentials.filter(status=Status.CONNECTED).exists()
