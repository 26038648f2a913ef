"""Calls over connections that get their token by a request of their own."""

import pytest

from connhub.usage import registration
from tests.factories import AuthMethodFactory, ServiceFactory, connect
from tests.servers.app import running_app
from tests.usage.conftest import Flow
from tests.usage.test_renewal import expire

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("app")]


@pytest.fixture
def robot(ada, integration, oauth_server, settings):
    settings.CONNHUB_OWN_ENDPOINTS = []
    settings.CONNHUB_EGRESS_ALLOW = [f"127.0.0.1:{oauth_server.port}"]
    registered = oauth_server.register("https://connhub.example/", grant="client-credentials")
    method = AuthMethodFactory(
        service=ServiceFactory(base_url=oauth_server.api_url),
        kind="oauth2_client_credentials",
        config={"token_url": oauth_server.token_url, "token_auth": "client_secret_post"},
    )
    made = connect(
        ada,
        method=method,
        link_name="robot",
        parameters={"client_id": registered.client_id},
        secrets={"client_secret": registered.client_secret},
        scopes=["read"],
        access_mode="credentials",
    )
    registration.register(integration, [made], by=ada)
    return made


@pytest.fixture
def calling(flow, oauth_server, robot):
    """A flow, at a ConnHub that may reach the authorization server."""
    with running_app(CONNHUB_EGRESS_ALLOW=f"127.0.0.1:{oauth_server.port}") as server:
        yield Flow(server, flow.key, flow.token)


def test_calls_carry_the_token_and_renew_it(robot, calling, oauth_server):
    first = calling("GET", "robot", "/echo")
    expire(robot, seconds=-5)
    second = calling("GET", "robot", "/echo")

    assert [first.status_code, second.status_code] == [200, 200]
    assert [r.grant_type for r in oauth_server.token_requests] == ["client_credentials"] * 2


def test_flow_may_fetch_the_token_but_not_the_client_secret(robot, calling):
    handed = calling.credentials("robot").json()["credentials"]

    assert handed.keys() == {"access_token"}


@pytest.mark.parametrize(
    ("given", "sent"), [({}, "2026-01-01"), ({"acme-version": "2027-01-01"}, "2027-01-01")]
)
def test_headers_that_the_service_always_wants_are_sent_unless_the_flow_brings_them(
    reach, flow, given, sent
):
    reach(kind="bearer", config={"headers": {"Acme-Version": "2026-01-01"}})

    arrived = flow("GET", "crm", "/echo", headers=given).json()["headers"]

    assert [value for name, value in arrived if name.lower() == "acme-version"] == [sent]


def test_signed_jwt_is_itself_the_token_of_a_call(reach, flow):
    key = "5e" * 32
    config = {
        "exchange": False,
        "algorithm": "HS256",
        "lifetime_s": 300,
        "key_encoding": "hex",
        "issuer_label": "Issuer",
        "apply": {"in": "header", "name": "Authorization", "prefix": "Ghost "},
    }
    reach(
        kind="jwt_bearer",
        config=config,
        secrets={"private_key": key},
        parameters={"issuer": "connhub"},
    )

    arrived = dict(flow("GET", "crm", "/echo").json()["headers"])

    scheme, shown = arrived["Authorization"].split(" ")
    assert (scheme, set(shown)) == ("Ghost", {"*"})


@pytest.fixture
def signer(ada, integration, assertion_server, settings):
    """A connection that gets its tokens for JWTs that it signs."""
    settings.CONNHUB_OWN_ENDPOINTS = []
    settings.CONNHUB_EGRESS_ALLOW = [f"127.0.0.1:{assertion_server.port}"]
    app = assertion_server.register(algorithm="ES256")
    method = AuthMethodFactory(
        service=ServiceFactory(base_url=assertion_server.api_url),
        kind="jwt_bearer",
        config={
            "token_url": assertion_server.token_url,
            "issuer_label": "Client id",
            "algorithm": "ES256",
            "lifetime_s": 300,
        },
    )
    made = connect(
        ada,
        method=method,
        link_name="signer",
        parameters={"issuer": app.client_id},
        secrets={"private_key": app.private_key},
        scopes=["read"],
        access_mode="credentials",
    )
    registration.register(integration, [made], by=ada)
    return made


def test_calls_carry_a_token_that_a_signed_jwt_brings_and_renews(signer, flow, assertion_server):
    with running_app(CONNHUB_EGRESS_ALLOW=f"127.0.0.1:{assertion_server.port}") as server:
        call = Flow(server, flow.key, flow.token)
        first = call("GET", "signer", "/me")
        expire(signer, seconds=-5)
        second = call("GET", "signer", "/me")
        handed = call.credentials("signer").json()["credentials"]

    assert [first.status_code, second.status_code] == [200, 200]
    assert first.json()["scope"] == "read"
    assert [r["status"] for r in assertion_server.token_requests] == [200, 200]
    assert handed.keys() == {"access_token"}
