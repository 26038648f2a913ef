"""Tokens that end while flows use them: renewed on the way, once for all."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import requests
from django.utils import timezone
from oauthlib.oauth2 import WebApplicationClient

from connhub.audit.log import record
from connhub.connections.auth.base import Granted
from connhub.connections.models import Credential
from connhub.usage import registration
from tests.factories import AuthMethodFactory, ServiceFactory, connect
from tests.servers.app import running_app
from tests.usage.conftest import Flow, problem, replace_secret

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("app")]

BACK = "https://connhub.example/oauth/callback/acme/"


@pytest.fixture
def client_at(oauth_server):
    return oauth_server.register(BACK)


@pytest.fixture
def grant(oauth_server, client_at):
    """Tokens that a person consented to at the authorization server."""
    verifier = "v" * 64
    url = (
        f"{oauth_server.authorize_url}?response_type=code&client_id={client_at.client_id}"
        f"&redirect_uri={BACK}&scope=read&state=s"
        f"&code_challenge={challenge(verifier)}&code_challenge_method=S256"
    )
    code = oauth_server.authorize(url).partition("code=")[2].partition("&")[0]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": BACK}
    answer = requests.post(
        oauth_server.token_url,
        data=form | {"code_verifier": verifier},
        auth=tuple(client_at),
        timeout=20,
    ).json()
    oauth_server.reset()
    return {name: answer[name] for name in ("access_token", "refresh_token")}


def challenge(verifier: str) -> str:
    return WebApplicationClient("").create_code_challenge(verifier, "S256")


@pytest.fixture
def crm(ada, integration, oauth_server, client_at, grant):
    """A connection to the authorization server's own API, with a token for another hour."""
    method = AuthMethodFactory(
        service=ServiceFactory(base_url=oauth_server.api_url),
        kind="oauth2_code",
        config={"token_url": oauth_server.token_url, "authorize_url": oauth_server.authorize_url},
    )
    made = connect(
        ada,
        method=method,
        link_name="crm",
        secrets={},
        scopes=["read"],
        client_id=client_at.client_id,
        client_secret=client_at.client_secret,
        access_mode="credentials",
    )
    registration.register(integration, [made], by=ada)
    replace_secret(made, Granted(grant, timezone.now() + timedelta(hours=1), renewable=True))
    return made


@pytest.fixture
def flows(flow, oauth_server, crm):
    """The same flow, at two processes of ConnHub that may reach the authorization server."""
    allow = f"127.0.0.1:{oauth_server.port}"
    with (
        running_app(CONNHUB_EGRESS_ALLOW=allow) as one,
        running_app(CONNHUB_EGRESS_ALLOW=allow) as two,
    ):
        yield [Flow(server, flow.key, flow.token) for server in (one, two)]


def expire(made, **left):
    made.credentials.update(expires_at=timezone.now() + timedelta(**left))
    record("test.changed", on=made)


@pytest.mark.parametrize("left", [{"seconds": 5}, {"seconds": -5}], ids=["soon", "already"])
def test_ending_token_is_renewed_once_for_many_calls_at_two_processes(
    crm, flows, oauth_server, left
):
    expire(crm, **left)

    with ThreadPoolExecutor(12) as threads:
        answers = list(threads.map(lambda n: flows[n % 2]("GET", "crm", "/me"), range(12)))

    assert [answer.status_code for answer in answers] == [200] * 12
    assert [r.grant_type for r in oauth_server.token_requests] == ["refresh_token"]


def test_credentials_call_hands_out_a_renewed_token(crm, flows, grant, oauth_server):
    expire(crm, seconds=5)

    handed = flows[0].credentials("crm").json()

    assert handed["credentials"].keys() == {"access_token"}
    assert handed["credentials"]["access_token"] != grant["access_token"]
    assert handed["expires_at"] > timezone.now().isoformat()


def test_token_that_the_service_refuses_is_renewed_for_later_calls_once_a_minute(
    crm, flows, oauth_server
):
    first = crm.credentials.get()
    tokens = {"access_token": "ended-before-its-time", "refresh_token": refresh_token(first)}
    replace_secret(crm, Granted(tokens, first.expires_at, renewable=True))

    refused = flows[0]("GET", "crm", "/me")
    later = [until(200, flows[n % 2]) for n in range(4)]

    assert refused.status_code == 401
    assert later == [200] * 4
    assert [r.grant_type for r in oauth_server.token_requests] == ["refresh_token"]


def refresh_token(credential: Credential) -> str:
    return credential.payload.open().reveal()["refresh_token"]


def until(status, flow):
    for _ in range(60):
        if flow("GET", "crm", "/me").status_code == status:
            return status
        time.sleep(0.1)
    return None


def test_dead_grant_says_that_a_person_is_needed(crm, flows, oauth_server):
    oauth_server.revoke_all()
    expire(crm, seconds=-5)

    answers = [flow("GET", "crm", "/me") for flow in flows]

    assert [problem(answer) for answer in answers] == [(409, "reconnect-needed")] * 2


def test_provider_that_is_down_stops_only_calls_whose_token_has_ended(crm, flows, oauth_server):
    oauth_server.fail_next("500", times=10)
    expire(crm, seconds=30)
    while_good = flows[0]("GET", "crm", "/me")
    expire(crm, seconds=-5)
    ended = flows[0]("GET", "crm", "/me")

    assert while_good.status_code == 200
    assert problem(ended) == (503, "renewal-failed")


def test_ended_token_that_cannot_be_renewed_needs_a_person(crm, flows):
    crm.credentials.update(renewable=False)
    expire(crm, seconds=-5)

    assert problem(flows[0]("GET", "crm", "/me")) == (409, "reconnect-needed")
