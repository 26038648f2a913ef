import json
import socket
import ssl
import struct
import threading
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pymysql
import pytest
import redis
from psycopg.conninfo import conninfo_to_dict

from connhub.connections.auth import METHODS  # noqa: F401 - the room's own order of imports
from connhub.connections.databases import DRIVERS, BadParameter
from connhub.egress.errors import UNREACHABLE
from connhub.egress.guard import exception_used
from tests.servers.certificates import make_certificate
from tests.servers.process import free_port

CANARY = "cánary/p@ss:wörd%'\\ "
HOST = "127.0.0.1"
GREETED = {"postgresql": "Sign in", "mysql": "Connect", "redis": "Sign in"}
DISCLOSES = "The server asks for the password in a way that would disclose it to others."
TIMED_OUT = "The server did not finish in time."
WRONG_PASSWORD = "The server does not accept this user and password."
UNTRUSTED = "The certificate at the address is not trusted here."

pytestmark = pytest.mark.django_db


class Rogue:
    """A server on loopback that keeps every byte it is sent."""

    def __init__(self, connection):
        self.connection = connection
        self.heard = b""

    def say(self, message):
        self.connection.sendall(message)

    def hear(self, most=65536):
        """One read; empty once the client is gone."""
        try:
            data = self.connection.recv(most)
        except OSError:
            data = b""
        self.heard += data
        return data

    def secure(self, context):
        self.connection = context.wrap_socket(self.connection, server_side=True)


@contextmanager
def rogue(talk):
    """Serve one connection with `talk(rogue)`, then listen until the client hangs up."""
    with socket.create_server((HOST, 0)) as listener:
        listener.settimeout(10)
        met = []

        def serve():
            connection, _ = listener.accept()
            server = Rogue(connection)
            met.append(server)
            try:
                talk(server)
                while server.hear():
                    pass
            except OSError:  # the client hung up, or would not do TLS
                pass
            finally:
                server.connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1], met
        finally:
            thread.join()


def probe(slug, port, *, password=CANARY, timeout_s=5, **parameters):
    given = {"host": HOST, "port": port, "user": "flow", "database": "0", "tls": "off"}
    return DRIVERS[slug].probe(given | parameters, {"password": password}, timeout_s=timeout_s)


def outcome(report):
    """The last step: its name, how it went and what it said."""
    last = report.steps[-1]
    return last.name, last.outcome, last.said


def outcomes(report):
    return [(step.name, step.outcome) for step in report.steps]


def well(tls="ok"):
    return [
        ("Parameters", "ok"),
        ("Connect", "ok"),
        ("TLS", tls),
        ("Sign in", "ok"),
        ("Sample query", "ok"),
    ]


@pytest.fixture
def allow(settings):
    """Let probes reach these ports of loopback."""
    settings.CONNHUB_OWN_ENDPOINTS = []

    def allow(*ports):
        settings.CONNHUB_EGRESS_ALLOW = [f"{HOST}:{port}" for port in ports]

    return allow


@pytest.fixture
def crm(postgresql_server, allow):
    allow(postgresql_server.port)
    return {
        "port": postgresql_server.port,
        "user": postgresql_server.user,
        "database": postgresql_server.database,
        "password": postgresql_server.password,
        "tls": "verify-full",
        "tls_ca": Path(postgresql_server.ca_file).read_text(),
    }


@pytest.fixture
def shop(mariadb_server, allow):
    allow(mariadb_server.port)
    return {
        "port": mariadb_server.port,
        "user": mariadb_server.user,
        "database": mariadb_server.database,
        "password": mariadb_server.password,
    }


@pytest.fixture
def queue(redis_server, allow):
    allow(redis_server.port, redis_server.tls_port)
    return {
        "port": redis_server.tls_port,
        "user": redis_server.user,
        "password": redis_server.password,
        "tls": "verify-full",
        "tls_ca": Path(redis_server.ca_file).read_text(),
    }


@pytest.fixture
def server_tls(tmp_path):
    """A TLS context for rogue servers, whose certificate nobody trusts."""
    files = make_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    return context


# What works


@pytest.mark.parametrize(("tls", "step"), [("verify-full", "ok"), ("off", "skipped")])
def test_postgresql_signs_in(crm, tls, step):
    report = probe("postgresql", **crm | {"tls": tls})

    assert outcomes(report) == well(tls=step)
    assert report.ok


def test_mysql_signs_in(shop):
    report = probe("mysql", **shop)

    assert outcomes(report) == well(tls="skipped")


def test_redis_signs_in_over_tls(queue):
    report = probe("redis", **queue)

    assert outcomes(report) == well()


def test_redis_signs_in_without_tls_where_the_operator_allows_the_address(queue, redis_server):
    report = probe("redis", **queue | {"port": redis_server.port, "tls": "off"})

    assert outcomes(report) == well(tls="skipped")


def test_postgresql_signs_in_over_unchecked_tls_if_the_operator_allows_it(crm, settings):
    settings.CONNHUB_TLS_UNVERIFIED_ALLOWED = True

    report = probe("postgresql", **crm | {"tls": "require", "tls_ca": ""})

    assert outcomes(report) == well()


def test_environment_and_files_change_nothing_for_postgresql(crm, monkeypatch, tmp_path):
    services = tmp_path / "services"
    services.write_text("[elsewhere]\nhost=elsewhere.example\nsslmode=disable\noptions=-c x=1\n")
    meant_to_break = {
        "PGSERVICE": "elsewhere",
        "PGSERVICEFILE": str(services),
        "PGHOST": "/tmp",
        "PGHOSTADDR": "127.0.0.2",
        "PGOPTIONS": "-c no_such_setting=1",
        "PGREQUIREAUTH": "password",
        "PGSSLMODE": "disable",
        "PGSSLCERT": str(tmp_path / "missing.crt"),
        "PGSSLMAXPROTOCOLVERSION": "TLSv1",
        "PGTARGETSESSIONATTRS": "standby",
    }
    for name, value in meant_to_break.items():
        monkeypatch.setenv(name, value)

    report = probe("postgresql", **crm)

    assert outcomes(report) == well()


# What a flow gets


def test_postgresql_arguments_and_dsn_sign_a_client_in(crm, postgresql_server):
    parameters = {"host": HOST} | crm
    driver, secrets = DRIVERS["postgresql"], {"password": crm["password"]}
    ca = {"sslrootcert": postgresql_server.ca_file}

    with psycopg.connect(**driver.arguments(parameters, secrets) | ca) as by_arguments:
        user = by_arguments.execute("SELECT current_user").fetchone()
    with psycopg.connect(driver.dsn(parameters, secrets), **ca) as by_dsn:
        database = by_dsn.execute("SELECT current_database()").fetchone()

    assert (user, database) == ((crm["user"],), (crm["database"],))


def test_mysql_arguments_sign_a_client_in(shop):
    arguments = DRIVERS["mysql"].arguments(
        {"host": HOST, "tls": "off"} | shop, {"password": shop["password"]}
    )

    with pymysql.connect(**arguments) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT DATABASE()")
        assert cursor.fetchone() == (shop["database"],)


def test_redis_arguments_and_dsn_sign_a_client_in(queue, redis_server):
    driver, secrets = DRIVERS["redis"], {"password": queue["password"]}
    parameters = {"host": HOST} | queue

    with redis.Redis(**driver.arguments(parameters, secrets)) as by_arguments:
        first = by_arguments.ping()
    dsn = driver.dsn(parameters, secrets)
    with redis.Redis.from_url(dsn, ssl_ca_certs=redis_server.ca_file) as by_dsn:
        second = by_dsn.ping()

    assert (first, second) == (True, True)


def test_dsn_keeps_every_character_in_its_place():
    parameters = {"host": "2606:4700::1111", "user": "a:b@c/d", "database": "x?y#z"}

    dsn = DRIVERS["postgresql"].dsn(parameters, {"password": CANARY})

    assert conninfo_to_dict(dsn) == {
        "host": "2606:4700::1111",
        "port": "5432",
        "user": "a:b@c/d",
        "password": CANARY,
        "dbname": "x?y#z",
        "sslmode": "verify-full",
    }


# What a person got wrong


def test_wrong_password(crm, shop, queue, allow, redis_server):
    allow(crm["port"], shop["port"], queue["port"])

    reports = [
        probe("postgresql", **crm | {"password": CANARY}),
        probe("mysql", **shop | {"password": CANARY}),
        probe("redis", **queue | {"password": CANARY}),
    ]

    assert [outcome(report) for report in reports] == [("Sign in", "failed", WRONG_PASSWORD)] * 3
    assert [CANARY in json.dumps(r.as_json(), ensure_ascii=False) for r in reports] == [False] * 3


def test_unknown_database(crm, queue, allow):
    allow(crm["port"], queue["port"])

    said = {
        probe("postgresql", **crm | {"database": "nowhere"}).failure.said,
        probe("redis", **queue | {"database": "99"}).failure.said,
    }

    assert said == {"There is no such database at the server."}


def test_unknown_database_at_mysql_is_one_that_the_user_may_not_use(shop):
    report = probe("mysql", **shop | {"database": "nowhere"})

    assert outcome(report) == ("Sign in", "failed", "This user may not use this database.")


@pytest.mark.parametrize("slug", DRIVERS)
@pytest.mark.parametrize(
    "host",
    ["db1,db2", "/var/run/postgresql", "flow@db", "db/x", "127.1", "db host", "db\0", "@abstract"],
)
def test_hosts_that_are_not_one_host_are_refused(slug, host):
    report = probe(slug, 5432, host=host)

    assert outcomes(report) == [("Parameters", "failed")]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", "0"),
        ("port", "65536"),
        ("port", "5432,5433"),
        ("user", ""),
        ("user", "flow\0"),
        ("user", "x" * 256),
        ("database", "a\nb"),
        ("tls", "require"),
        ("tls", "prefer"),
        ("tls_ca", "/etc/passwd"),
        ("tls_ca", "-----BEGIN PRIVATE KEY-----"),
        ("password", ""),
        ("password", "secret\0"),
    ],
)
def test_bad_parameters_are_named_and_not_quoted(name, value):
    given = {"host": "db.example", "user": "flow", "database": "crm", "password": "x", name: value}

    with pytest.raises(BadParameter) as refused:
        DRIVERS["postgresql"].read(given, given)

    assert refused.value.name == name
    assert not value or value not in str(refused.value)


def test_redis_wants_a_number_for_the_database_and_no_user_without_password():
    bad = [({"database": "one"}, "x"), ({"user": "flow"}, "")]
    names = []
    for parameters, password in bad:
        with pytest.raises(BadParameter) as refused:
            DRIVERS["redis"].read({"host": "db.example"} | parameters, {"password": password})
        names.append(refused.value.name)

    assert names == ["database", "password"]


def test_unchecked_tls_is_a_choice_only_where_the_operator_allows_it(settings):
    offered = []
    for allowed in (False, True):
        settings.CONNHUB_TLS_UNVERIFIED_ALLOWED = allowed
        tls = next(item for item in DRIVERS["mysql"].fields if item.name == "tls")
        offered.append([value for value, _ in tls.choices])

    assert offered == [["verify-full", "off"], ["verify-full", "require", "off"]]


# What is not what it should be


@pytest.mark.parametrize("slug", DRIVERS)
def test_closed_forbidden_and_unknown_addresses_read_alike(slug, allow):
    closed = free_port()
    allow(closed)

    reports = [
        probe(slug, closed),
        probe(slug, free_port()),
        probe(slug, 5432, host="169.254.169.254"),
        probe(slug, 5432, host="no-such-host.invalid"),
    ]

    assert [outcome(report) for report in reports] == [("Connect", "failed", UNREACHABLE)] * 4


@pytest.mark.parametrize(
    ("slug", "said"),
    [
        ("postgresql", "What answers there is not a PostgreSQL server."),
        ("mysql", "What answers there is not a MySQL or MariaDB server."),
        ("redis", "What answers there is not a Redis server."),
    ],
)
def test_a_server_of_another_kind_is_told(slug, said, allow):
    with rogue(lambda server: server.say(b"SSH-2.0-OpenSSH_9.2\r\n" * 20)) as (port, _):
        allow(port)
        report = probe(slug, port)

    assert outcome(report) == (GREETED[slug], "failed", said)


@pytest.mark.parametrize("slug", DRIVERS)
def test_a_server_that_hangs_meets_the_deadline(slug, allow):
    with rogue(lambda server: None) as (port, _):
        allow(port)
        report = probe(slug, port, timeout_s=0.3)

    assert outcome(report) == (GREETED[slug], "failed", TIMED_OUT)


@pytest.mark.parametrize(
    ("slug", "start"), [("postgresql", b"E\0\0\7\xff"), ("mysql", b"\xff\0\0\0"), ("redis", b"+")]
)
def test_a_server_that_trickles_meets_the_deadline(slug, start, allow):
    stop = threading.Event()

    def trickle(server):
        server.say(start)
        while not stop.wait(0.02):
            server.say(b"x")

    with rogue(trickle) as (port, _):
        allow(port)
        report = probe(slug, port, timeout_s=0.3)
        stop.set()

    assert outcome(report) == (GREETED[slug], "failed", TIMED_OUT)


def test_a_server_without_tls_is_told_to_get_some(shop):
    report = probe("mysql", **shop | {"tls": "verify-full"})

    assert outcome(report) == ("TLS", "failed", "The server does not offer TLS.")


def test_certificates_of_unknown_authorities_are_refused(crm, queue, allow):
    allow(crm["port"], queue["port"])

    reports = [
        probe("postgresql", **crm | {"tls_ca": ""}),
        probe("redis", **queue | {"tls_ca": ""}),
    ]

    assert [outcome(report) for report in reports] == [("TLS", "failed", UNTRUSTED)] * 2


# Servers that are after the password


def postgresql_wants(code, rest=b""):
    """A PostgreSQL server that asks for another kind of sign-in than SCRAM."""

    def talk(server):
        server.hear()
        server.say(b"R" + struct.pack("!II", 8 + len(rest), code) + rest)

    return talk


@pytest.mark.parametrize(
    "talk",
    [postgresql_wants(3), postgresql_wants(5, b"salt"), postgresql_wants(7)],
    ids=["clear password", "MD5", "GSSAPI"],
)
def test_postgresql_keeps_the_password_from_a_server_that_asks_for_it(talk, allow):
    with rogue(talk) as (port, met):
        allow(port)
        report = probe("postgresql", port)

    assert outcome(report) == ("Sign in", "failed", DISCLOSES)
    start_up = met[0].heard[: struct.unpack("!I", met[0].heard[:4])[0]]
    assert (start_up, CANARY.encode() in start_up) == (met[0].heard, False)


def test_postgresql_does_not_go_on_without_tls(allow):
    def no_tls(server):
        server.hear()
        server.say(b"N")

    with rogue(no_tls) as (port, met):
        allow(port)
        report = probe("postgresql", port, tls="verify-full")

    assert outcome(report) == ("TLS", "failed", "The server does not offer TLS.")
    assert met[0].heard == struct.pack("!II", 8, 80877103)  # SSLRequest


CLIENT_SSL = 0x0800
SSL_REQUEST = 36  # bytes, after which TLS begins
PLUGIN_AUTH = 0x00080000


def packet(number, payload):
    return len(payload).to_bytes(3, "little") + bytes([number]) + payload


def greeting(plugin, *, tls=False):
    """Protocol::HandshakeV10 of MySQL."""
    can = 0x0000A20F | PLUGIN_AUTH | (CLIENT_SSL if tls else 0)
    salt = b"12345678", b"901234567890\0"
    return packet(
        0,
        b"\x0a8.4.3\0" + struct.pack("<I", 7) + salt[0] + b"\0" + struct.pack("<H", can & 0xFFFF)
        + b"\x2d\2\0" + struct.pack("<HB", can >> 16, 21) + b"\0" * 10 + salt[1]
        + plugin + b"\0",
    )  # fmt: skip


def mysql_wants(plugin, demand, context=None):
    """A MySQL server that greets with one plugin and answers the sign-in with `demand`."""

    def talk(server):
        server.say(greeting(plugin, tls=context is not None))
        server.hear(SSL_REQUEST if context else 65536)
        if context:
            server.secure(context)
            server.hear()
        server.asked_at = len(server.heard)
        server.say(packet(3 if context else 2, demand))

    return talk


CLEAR = b"\xfemysql_clear_password\0"
DIALOG = b"\xfedialog\0\2Password: "
SHA256 = b"\xfesha256_password\x0012345678901234567890\0"
OLD = b"\xfemysql_old_password\x0012345678\0"
FULL_SIGN_IN = b"\x01\x04"


@pytest.mark.parametrize(
    ("plugin", "demand"),
    [
        (b"mysql_native_password", CLEAR),
        (b"mysql_native_password", DIALOG),
        (b"mysql_native_password", SHA256),
        (b"mysql_native_password", OLD),
        (b"mysql_clear_password", CLEAR),
        (b"caching_sha2_password", FULL_SIGN_IN),
    ],
)
@pytest.mark.parametrize("over", ["nothing", "unchecked TLS"])
def test_mysql_keeps_the_password_from_a_server_that_asks_for_it(
    plugin, demand, over, allow, settings, server_tls
):
    settings.CONNHUB_TLS_UNVERIFIED_ALLOWED = True
    tls, context = ("off", None) if over == "nothing" else ("require", server_tls)
    with rogue(mysql_wants(plugin, demand, context)) as (port, met):
        allow(port)
        report = probe("mysql", port, tls=tls)

    assert outcome(report) == ("Sign in", "failed", DISCLOSES)
    assert met[0].heard[met[0].asked_at :] == b""
    assert CANARY.encode() not in met[0].heard


@pytest.mark.parametrize("tls", ["off", "require"])
def test_mysql_sends_nothing_to_a_server_that_greets_with_sha256_password(tls, allow, settings):
    settings.CONNHUB_TLS_UNVERIFIED_ALLOWED = True
    with rogue(lambda server: server.say(greeting(b"sha256_password", tls=True))) as (port, met):
        allow(port)
        report = probe("mysql", port, tls=tls)

    assert outcome(report) == ("Connect", "failed", DISCLOSES)
    assert met[0].heard == b""


def test_mysql_answers_the_challenge_of_caching_sha2_password_without_tls(allow):
    def lets_in(server):
        mysql_wants(b"caching_sha2_password", b"\x01\x03")(server)
        server.say(packet(3, b"\0\0\0\2\0\0\0"))

    with rogue(lets_in) as (port, met):
        allow(port)
        report = probe("mysql", port, timeout_s=0.3)

    assert report.failure.said == TIMED_OUT  # signed in, and waits for the first command's answer
    assert b"SET NAMES utf8mb4" in met[0].heard
    assert CANARY.encode() not in met[0].heard


def test_mysql_tells_tls_from_sign_in(allow, settings, server_tls):
    settings.CONNHUB_TLS_UNVERIFIED_ALLOWED = True
    denied = b"\xff" + struct.pack("<H", 1045) + b"#28000Access denied: " + CANARY.encode()
    with rogue(mysql_wants(b"mysql_native_password", denied, server_tls)) as (port, _):
        allow(port)
        report = probe("mysql", port, tls="require")

    assert outcomes(report)[-2:] == [("TLS", "ok"), ("Sign in", "failed")]
    assert (report.failure.said, CANARY in str(report)) == (WRONG_PASSWORD, False)


@pytest.mark.parametrize("slug", ["mysql", "redis"])
def test_no_password_for_a_server_with_an_untrusted_certificate(slug, allow, server_tls):
    def talk(server):
        if slug == "mysql":
            server.say(greeting(b"caching_sha2_password", tls=True))
            server.hear(SSL_REQUEST)
        server.secure(server_tls)

    with rogue(talk) as (port, met):
        allow(port)
        report = probe(slug, port, tls="verify-full")

    assert outcome(report) == ("TLS", "failed", UNTRUSTED)
    assert CANARY.encode() not in met[0].heard


@pytest.fixture
def allowance_ends_on_connecting(settings):
    """The address is reached, and is none that the operator has allowed to take passwords."""

    def end(**kwargs):
        settings.CONNHUB_EGRESS_ALLOW = []

    exception_used.connect(end)
    yield
    exception_used.disconnect(end)


@pytest.mark.parametrize("tls", ["off", "require"])
def test_redis_keeps_the_password_from_a_server_it_does_not_know(
    tls, allow, settings, server_tls, allowance_ends_on_connecting
):
    settings.CONNHUB_TLS_UNVERIFIED_ALLOWED = True

    def talk(server):
        if tls == "require":
            server.secure(server_tls)

    with rogue(talk) as (port, met):
        allow(port)
        report = probe("redis", port, tls=tls)

    assert outcomes(report)[-1] == ("Sign in", "failed")
    assert report.failure.said.startswith("The password was not sent")
    assert met[0].heard == b""


@pytest.mark.parametrize(
    "answer", [b"$99999999999\r\n", b"*1\r\n+OK\r\n", b"+" + b"x" * 5000, b"$-1\r\n"]
)
def test_redis_reads_no_answers_but_short_ones(answer, allow):
    with rogue(lambda server: server.hear() and server.say(answer)) as (port, _):
        allow(port)
        report = probe("redis", port)

    assert report.failure.said == "What answers there is not a Redis server."


def test_mysql_reads_no_more_than_it_needs(allow):
    with rogue(lambda server: server.say(b"\xff\xff\xff\0" + b"x" * 2**16)) as (port, _):
        allow(port)
        report = probe("mysql", port)

    assert report.failure.said == "What answers there is not a MySQL or MariaDB server."
