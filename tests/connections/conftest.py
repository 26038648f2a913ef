"""A service that signs in with OAuth at a real server, one that takes an API key, and the way there."""

from collections.abc import Callable, Iterator

import pytest

from connhub.connections.models import Connection, Credential
from tests.connections.steps import way_back
from tests.connections.token_endpoint import TokenEndpoint, running_token_endpoint
from tests.factories import AuthMethodFactory, ServiceFactory, connect


@pytest.fixture
def allow(settings) -> Callable[..., None]:
    """Let ConnHub reach these ports of loopback; its own addresses stay out of the way."""
    settings.CONNHUB_OWN_ENDPOINTS = []

    def allow(*ports: int) -> None:
        settings.CONNHUB_EGRESS_ALLOW = [f"127.0.0.1:{port}" for port in ports]

    return allow


@pytest.fixture
def acme(db, oauth_server, allow):
    """The service Acme, whose people sign in at the authorization server."""
    allow(oauth_server.port)
    service = ServiceFactory(
        slug="acme",
        name="Acme",
        base_url=oauth_server.api_url,
        test={"method": "GET", "path": "/me"},
    )
    return AuthMethodFactory(
        service=service,
        kind="oauth2_code",
        label="OAuth 2.0",
        config={
            "authorize_url": oauth_server.authorize_url,
            "token_url": oauth_server.token_url,
            "revoke_url": oauth_server.revoke_url,
            "issuer": oauth_server.issuer,
            "token_auth": "client_secret_basic",
        },
        scopes=[{"name": "read", "label": "Read", "default": True}, {"name": "write"}],
    )


@pytest.fixture
def registered(oauth_server, settings):
    """ConnHub's client at the authorization server."""
    return oauth_server.register(settings.CONNHUB_URL + "/oauth/callback/acme/")


@pytest.fixture
def crm(ada, acme, registered) -> Connection:
    """Not connected yet; ada administers it."""
    return connect(
        ada,
        method=acme,
        name="CRM",
        link_name="crm",
        secrets={},
        scopes=["read"],
        client_id=registered.client_id,
        client_secret=registered.client_secret,
    )


@pytest.fixture
def sign_in(client, oauth_server):
    """Takes a person through Proceed and the provider's pages; gives the answer of the callback."""

    def sign_in(connection: Connection, *, allow: bool = True, query: str = ""):
        return client.get(way_back(client, oauth_server, connection, allow=allow, query=query))

    return sign_in


@pytest.fixture
def connected(client, ada, crm, sign_in) -> Credential:
    """The credential of `crm` after ada signed in at the provider."""
    client.force_login(ada)
    sign_in(crm)
    return crm.credentials.get()


@pytest.fixture
def token_endpoint(allow) -> Iterator[TokenEndpoint]:
    """A token endpoint that answers whatever the test wants."""
    with running_token_endpoint() as endpoint:
        allow(endpoint.port)
        yield endpoint


@pytest.fixture
def photos(db, oauth1_server, allow, settings) -> Callable[..., Connection]:
    """Makes a connection, not signed in yet, to the OAuth 1.0a provider."""
    allow(oauth1_server.port)

    def photos(by, *, secret: str = "", denial: str = "error", **config) -> Connection:
        service = ServiceFactory(
            slug="photos",
            name="Photos",
            base_url=oauth1_server.api_url,
            test={"method": "GET", "path": "/me?fields=a%20b&fields="},
        )
        method = AuthMethodFactory(
            service=service, kind="oauth1", label="OAuth 1.0a", config=oauth1_server.config | config
        )
        registered = oauth1_server.register(
            settings.CONNHUB_URL + "/oauth/callback/photos/",
            signing=config.get("signature_method", "HMAC-SHA1"),
            denial=denial,
            hashes_bodies=config.get("body_hash", False),
        )
        return connect(
            by,
            method=method,
            name="Photos",
            link_name="photos",
            secrets={},
            client_id=registered.client_id,
            client_secret=secret or registered.client_secret,
        )

    return photos
