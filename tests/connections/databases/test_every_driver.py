import json
import threading
from datetime import timedelta
from html import unescape

import pytest
from django.utils import timezone

from connhub.connections.auth import METHODS  # noqa: F401 - the room's own order of imports
from connhub.connections.databases import DRIVERS, BadParameter
from connhub.egress.errors import UNREACHABLE
from connhub.services.loader import CATALOGUE, read
from tests.connections.databases.probing import (
    CANARY,
    TIMED_OUT,
    UNTRUSTED,
    WRONG_PASSWORD,
    outcome,
    outcomes,
    probe,
)
from tests.connections.databases.rogues import (
    SSL_REQUEST,
    greeting,
    rogue,
)
from tests.factories import AuthMethodFactory, ServiceFactory
from tests.servers.process import free_port

pytestmark = pytest.mark.django_db
GREETED = {
    "postgresql": "Sign in",
    "mysql": "Connect",
    "redis": "Sign in",
    "smtp": "Connect",
    "sftp": "Host key",
    "ldap": "TLS",
    "imap": "Connect",
    "pop3": "Connect",
    "ftp": "Connect",
    "amqp": "Connect",
    "mqtt": "Sign in",
    "nats": "Connect",
}


def test_the_catalogue_offers_every_driver_and_no_other():
    schema = json.loads((CATALOGUE / "schema.json").read_text())
    offered = schema["$defs"]["service"]["properties"]["driver"]["enum"]
    used = {entry.service["driver"] for entry in read()} - {""}

    assert set(offered) == set(DRIVERS) == used


@pytest.mark.parametrize("slug", DRIVERS)
def test_each_driver_says_what_its_test_does(slug, client, root):
    service = ServiceFactory(slug=slug, driver=slug, base_url="")
    AuthMethodFactory(service=service, kind="database", label="Sign-in", config={})
    client.force_login(root)

    pages = [f"/services/{slug}/", f"/connections/new/{slug}/"]
    shown = [unescape(client.get(page).text) for page in pages]

    assert [DRIVERS[slug].does in page for page in shown] == [True, True]


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


def test_unchecked_tls_is_a_choice_only_where_the_operator_allows_it(settings):
    offered = []
    for allowed in (False, True):
        settings.CONNHUB_TLS_UNVERIFIED_ALLOWED = allowed
        tls = next(item for item in DRIVERS["mysql"].fields if item.name == "tls")
        offered.append([value for value, _ in tls.choices])

    assert offered == [["verify-full", "off"], ["verify-full", "require", "off"]]


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
        ("smtp", "What answers there is not an SMTP server."),
        ("sftp", "What answers there is not an SSH server."),
        ("ldap", "What answers there is not an LDAP server."),
        ("imap", "What answers there is not an IMAP server."),
        ("pop3", "What answers there is not a POP3 server."),
        ("ftp", "What answers there is not an FTP server."),
        ("amqp", "What answers there is not an AMQP 0-9-1 server."),
        ("mqtt", "What answers there is not an MQTT broker."),
        ("nats", "What answers there is not a NATS server."),
    ],
)
def test_a_server_of_another_kind_is_told(slug, said, allow):
    with rogue(lambda server: server.say(b"HELO-2.0-Sample_9.2\r\n" * 20)) as (port, _):
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
    ("slug", "start"),
    [
        ("postgresql", b"E\0\0\7\xff"),
        ("mysql", b"\xff\0\0\0"),
        ("redis", b"+"),
        ("smtp", b"220-"),
        ("sftp", b"SSH-2.0-"),
        ("ldap", b"0\x84\0\0\xff\0"),
        ("imap", b"* "),
        ("pop3", b"+"),
        ("ftp", b"220-"),
        ("amqp", b"\x01\0\0\0\0\xff\0"),
        ("nats", b"INFO {"),
    ],
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


def test_certificates_of_unknown_authorities_are_refused(crm, queue, allow):
    allow(crm["port"], queue["port"])

    reports = [
        probe("postgresql", **crm | {"tls_ca": ""}),
        probe("redis", **queue | {"tls_ca": ""}),
    ]

    assert [outcome(report) for report in reports] == [("TLS", "failed", UNTRUSTED)] * 2


def test_the_end_of_a_verified_certificate_is_noted(queue, mail, allow, settings):
    settings.CONNHUB_TLS_UNVERIFIED_ALLOWED = True
    allow(queue["port"], mail["port"])

    seen = [probe("redis", **queue), probe("smtp", **mail)]
    unchecked = probe("redis", **queue | {"tls": "require"})

    left = [report.certificate_ends_at - timezone.now() for report in seen]
    assert all(timedelta(hours=20) < each <= timedelta(days=1) for each in left)
    assert unchecked.certificate_ends_at is None


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
