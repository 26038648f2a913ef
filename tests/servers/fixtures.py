"""The servers as fixtures, each started when first asked for and stopped at the end of the session.

`oauth_server`, `oauth1_server` and `upstream` start every test with their settings, faults and counters reset.
"""

from collections.abc import Iterator

import pytest

from tests.servers.app import AppServer, running_app
from tests.servers.assertion_server import AssertionServer, assertions
from tests.servers.mailbox import Mailbox
from tests.servers.mailbox import mailbox as running_mailbox
from tests.servers.mariadb import MariaDBServer, mariadb, require_mariadb
from tests.servers.oauth1_server import OAuth1Server, oauth1
from tests.servers.oauth_server import OAuthServer, oauth, require_oauth
from tests.servers.postgresql import PostgreSQLServer, postgresql, require_postgresql
from tests.servers.redis import RedisServer, redis, require_redis
from tests.servers.upstream import Upstream, running_upstream


@pytest.fixture(scope="session")
def oauth_server_process() -> Iterator[OAuthServer]:
    """The authorization server, for fixtures that outlive a test."""
    require_oauth()
    with oauth() as server:
        yield server


@pytest.fixture
def oauth_server(oauth_server_process: OAuthServer) -> OAuthServer:
    """An authorization server that is not ours, without faults and with an empty request log."""
    oauth_server_process.reset()
    return oauth_server_process


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgreSQLServer]:
    """A PostgreSQL cluster of the tests' own, with SCRAM and TLS."""
    require_postgresql()
    with postgresql() as server:
        yield server


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[MariaDBServer]:
    """A database and a user on this machine's MariaDB."""
    require_mariadb()
    with mariadb() as server:
        yield server


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """A Redis of the tests' own, with an ACL user and TLS."""
    require_redis()
    with redis() as server:
        yield server


@pytest.fixture(scope="session")
def upstream_process() -> Iterator[Upstream]:
    """The HTTP API for proxy tests, for fixtures that outlive a test."""
    with running_upstream() as upstream:
        yield upstream


@pytest.fixture
def upstream(upstream_process: Upstream) -> Upstream:
    """An HTTP API for proxy tests, counting connections from zero."""
    upstream_process.reset()
    return upstream_process


@pytest.fixture(scope="session")
def app_process(django_db_setup: None, upstream_process: Upstream) -> Iterator[AppServer]:
    """ConnHub in one process, for fixtures that outlive a test."""
    with running_app(CONNHUB_EGRESS_ALLOW=f"127.0.0.1:{upstream_process.port}") as server:
        yield server


@pytest.fixture
def app_server(transactional_db: None, app_process: AppServer) -> AppServer:
    """ConnHub in a process of its own, on the database of the test."""
    return app_process


@pytest.fixture(scope="session")
def oauth1_server_process() -> Iterator[OAuth1Server]:
    """The OAuth 1.0a provider, for fixtures that outlive a test."""
    with oauth1() as server:
        yield server


@pytest.fixture
def oauth1_server(oauth1_server_process: OAuth1Server) -> OAuth1Server:
    """An OAuth 1.0a provider that is not ours, with an empty request log."""
    oauth1_server_process.reset()
    return oauth1_server_process


@pytest.fixture(scope="session")
def assertion_server_process() -> Iterator[AssertionServer]:
    """The authorization server that believes signed JWTs, for fixtures that outlive a test."""
    with assertions() as server:
        yield server


@pytest.fixture
def assertion_server(assertion_server_process: AssertionServer) -> AssertionServer:
    """An authorization server that believes signed JWTs, with an empty request log."""
    assertion_server_process.reset()
    return assertion_server_process


@pytest.fixture
def mailbox(settings) -> Iterator[Mailbox]:
    """A real mail server, which ConnHub sends its letters to."""
    with running_mailbox() as box:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", box.port
        yield box
