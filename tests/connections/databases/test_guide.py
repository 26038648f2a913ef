"""Every snippet that the guide can show for what is not called over HTTP is run, at a real server."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import product
from pathlib import Path

import pytest

from connhub.accounts import environments
from connhub.connections.databases import DRIVERS
from connhub.connections.databases.base import OFF, VERIFIED, OptionalSignIn
from connhub.connections.guide import guide_to
from connhub.connections.guide.openings import DRIVERS as OPENINGS
from connhub.connections.guide.openings import Server, opening
from connhub.usage import keys, registration
from tests.connections.databases.secure_mariadb import secure_mariadb
from tests.connections.guide.running import Code, outputs
from tests.factories import AuthMethodFactory, ServiceFactory, connect
from tests.servers.app import running_app

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("app")]

# What each writes at the end.
ANSWERED = {
    "postgresql": "(1,)",
    "mysql": "(1,)",
    "redis": "True",
    "smtp": "(250, ",
    "imap": "('OK', ",
    "pop3": "(",
    "ftp": "/",
    "sftp": "[",
    "ldap": "True",
}
SECRETS = {"password", "private_key", "token"}


def servers(slug: str) -> Iterator[Server]:
    """All that a connection of the driver can be, as far as the guide tells it apart."""
    driver = DRIVERS[slug]
    names = {item.name for item in driver.fields}
    modes = [mode for mode, _ in driver.tls_choices()] if "tls" in names else [VERIFIED]
    starts = [start for start, _ in driver.tls_starts] or [Server().tls_start]
    users = (True, False) if isinstance(driver, OptionalSignIn) else (True,)
    authorities = (True, False) if "tls_ca" in names else (False,)
    for each in product(modes, starts, users, authorities):
        yield Server(*each)


def texts(slug: str) -> set[str]:
    """The code of all openings that the guide can show for the driver."""
    return {opening(slug, server).code for server in servers(slug)}


@pytest.fixture
def reached(request) -> Callable[[str, Server], Mapping[str, str]]:
    """What reaches a running server of the driver, that is like this."""

    def reached(slug: str, server: Server) -> Mapping[str, str]:
        way = "plain" if server.tls == OFF else "tls" if server.begins_at_once else "starttls"
        given = AT[slug](request.getfixturevalue, way)
        return {"host": "127.0.0.1"} | {name: str(value) for name, value in given.items()}

    return reached


def at_secure_mariadb(fixture, way):
    server = fixture("secure_mariadb_server")
    return vars(server) | {"tls_ca": Path(server.ca_file).read_text()}


def at_redis(fixture, way):
    server = fixture("redis_server")
    given = fixture("queue") | {"database": "0"}
    return given | {"port": server.port if way == "plain" else server.tls_port}


def at_smtp(fixture, way):
    server = fixture("smtp_server")
    port = {"plain": server.plain_port, "tls": server.tls_port, "starttls": server.starttls_port}
    return fixture("mail") | {"port": port[way]}


def at_ldap(fixture, way):
    server = fixture("ldap_server")
    port = server.tls_port if way == "tls" else server.starttls_port
    return fixture("directory") | {"port": port}


def at_mailbox(protocol, fixture, way):
    return fixture("on_twisted")(protocol, way) | {
        "password": fixture("twisted_server").ascii_password
    }


AT = {
    "postgresql": lambda fixture, way: fixture("crm"),
    "mysql": at_secure_mariadb,
    "redis": at_redis,
    "smtp": at_smtp,
    "imap": partial(at_mailbox, "imap"),
    "pop3": partial(at_mailbox, "pop3"),
    "ftp": lambda fixture, way: fixture("on_twisted")("ftp", way),
    "sftp": lambda fixture, way: fixture("files"),
    "ldap": at_ldap,
}


@pytest.fixture(scope="session")
def secure_mariadb_server():
    with secure_mariadb() as server:
        yield server


@pytest.fixture(scope="session")
def lenient_app(django_db_setup):
    """ConnHub whose operator lets connections go without checking certificates."""
    with running_app(CONNHUB_TLS_UNVERIFIED_ALLOWED="true") as server:
        yield server


@pytest.fixture
def made(ada, integration, transactional_db, lenient_app, settings):
    """Makes a registered connection to a server, with only what it tells of itself."""
    settings.CONNHUB_URL = lenient_app.url

    def made(slug: str, server: Server, given: Mapping[str, str]):
        names = {item.name for item in DRIVERS[slug].fields}
        values = {name: value for name, value in given.items() if name in names}
        values |= {"tls": server.tls, "tls_start": server.tls_start}
        if not server.has_own_authority:
            values.pop("tls_ca", None)
        if not server.has_user:
            values = {n: v for n, v in values.items() if n not in ("user", "password")}
        service = ServiceFactory(driver=slug, base_url="")
        connection = connect(
            ada,
            method=AuthMethodFactory(service=service, kind="database", config={}),
            link_name=f"{slug}_{service.pk}",
            parameters={n: v for n, v in values.items() if n not in SECRETS},
            secrets={n: v for n, v in values.items() if n in SECRETS},
            access_mode="credentials",
        )
        registration.register(integration, [connection], by=ada)
        return connection

    return made


@pytest.mark.parametrize("slug", DRIVERS)
def test_every_way_to_connect_works(ada, integration, made, reached, tmp_path, settings, slug):
    settings.CONNHUB_TLS_UNVERIFIED_ALLOWED = True
    environment = environments.lowest()
    _, token = keys.issue(integration, environment, name="flow", by=ada)
    codes, shown = [], set()
    for server in servers(slug):
        given = reached(slug, server) if slug in AT else ELSEWHERE
        guide = guide_to(made(slug, server, given), environment, ada)
        assert guide.calls == []
        env = {"CONNHUB_KEY": token}
        if given.get("tls_ca") and not server.has_own_authority:
            env["SSL_CERT_FILE"] = authority(given, tmp_path)
        codes += [Code(each.name, each.code, env) for each in guide.fetching]
        shown |= {text for text in texts(slug) if text in guide.fetching[1].code}

    said = outputs(codes, tmp_path)

    assert shown == texts(slug)
    assert {text for text in said if not right(slug, text)} == set()


def test_a_connection_that_hands_nothing_out_has_no_snippet(ada, made):
    connection = made("postgresql", Server(), ELSEWHERE)
    connection.access_mode = "proxy"

    guide = guide_to(connection, environments.lowest(), ada)

    assert (guide.calls, guide.fetching) == ([], [])


# For drivers whose code is the same for any library: nothing is connected to.
ELSEWHERE = {
    "host": "server.example",
    "user": "flow",
    "password": "p",
    "database": "d",
    "tls_ca": "",
}


def authority(given: Mapping[str, str], folder: Path) -> str:
    """A file with what signed the server's certificate, as if it were one of the machine's."""
    path = folder / "machine.pem"
    path.write_text(given["tls_ca"])
    return str(path)


def right(slug: str, said: str) -> bool:
    """The answer of the server, or (of curl, JavaScript, and for any library) what was fetched."""
    is_of_server = slug in OPENINGS and ANSWERED[slug] in said
    return is_of_server or "dsn" in said


def test_every_driver_with_an_opening_has_a_server_here():
    assert set(OPENINGS) == set(AT) == set(ANSWERED)
