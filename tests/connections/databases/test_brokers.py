"""AMQP at this machine's RabbitMQ, MQTT at Mosquitto, NATS at its own server."""

from pathlib import Path

import pytest

from connhub.connections.auth import METHODS  # noqa: F401 - the room's own order of imports
from connhub.connections.databases import DRIVERS, BadParameter
from tests.connections.databases.brokers import RABBITMQ_PORT
from tests.connections.databases.probing import (
    CANARY,
    UNTRUSTED,
    WRONG_PASSWORD,
    outcome,
    outcomes,
    probe,
    well,
)
from tests.connections.databases.rogues import lines_in_turn, rogue
from tests.connections.databases.test_ftp import UNSENT

pytestmark = pytest.mark.django_db
# connection.start of AMQP: version 0-9, no properties, PLAIN, en_US.
START = b"\0\x0a\0\x0a\0\x09\0\0\0\0\0\0\0\x05PLAIN\0\0\0\x05en_US"
every = pytest.mark.parametrize("slug", ["amqp", "mqtt", "nats"])


@pytest.fixture
def at_broker(request, allow):
    """What a driver is given for its server, with TLS."""

    def given(slug):
        if slug == "amqp":
            return request.getfixturevalue("rabbitmq")
        if slug == "mqtt":
            server = request.getfixturevalue("mosquitto_server")
        else:
            server = request.getfixturevalue("nats_servers").by_user
        allow(server.plain_port, server.tls_port)
        start = {"tls_start": "starttls"} if slug == "nats" else {}
        return start | {
            "port": server.tls_port,
            "user": server.user,
            "password": server.password,
            "tls": "verify-full",
            "tls_ca": Path(server.ca_file).read_text(),
        }

    return given


@pytest.fixture
def plain_port(request):
    def port(slug):
        if slug == "amqp":
            return RABBITMQ_PORT
        if slug == "mqtt":
            return request.getfixturevalue("mosquitto_server").plain_port
        return request.getfixturevalue("nats_servers").by_user.plain_port

    return port


@every
def test_signs_in_over_tls(slug, at_broker):
    report = probe(slug, **at_broker(slug))

    assert outcomes(report) == well()


@every
def test_signs_in_without_tls_where_the_operator_allows_the_address(slug, at_broker, plain_port):
    report = probe(slug, **at_broker(slug) | {"port": plain_port(slug), "tls": "off"})

    assert outcomes(report) == well(tls="skipped")


@every
def test_wrong_password_is_told_and_not_quoted(slug, at_broker):
    report = probe(slug, **at_broker(slug) | {"password": CANARY})

    wanted = "The broker does not let this user in." if slug == "mqtt" else WRONG_PASSWORD
    assert outcome(report) == ("Sign in", "failed", wanted)
    assert CANARY not in str(report)


@every
def test_certificate_of_an_unknown_authority_is_refused(slug, at_broker):
    report = probe(slug, **at_broker(slug) | {"tls_ca": ""})

    assert outcome(report) == ("TLS", "failed", UNTRUSTED)


@every
def test_a_port_without_tls_gets_none(slug, at_broker, plain_port):
    report = probe(slug, **at_broker(slug) | {"port": plain_port(slug)}, timeout_s=2)

    assert outcomes(report)[-1] == ("TLS", "failed")


def test_nats_that_wants_tls_gets_no_password_in_clear(at_broker):
    report = probe("nats", **at_broker("nats") | {"tls": "off"})

    assert outcome(report) == ("Sign in", "failed", "The server takes no sign-in without TLS.")


def test_nats_takes_a_token_instead_of_a_user(nats_servers, allow):
    allow(nats_servers.token_port)
    given = {"user": "", "password": "", "port": nats_servers.token_port}

    reports = [probe("nats", token=token, **given) for token in (nats_servers.token, CANARY, "")]

    assert [outcomes(report)[-1][1] for report in reports] == ["ok", "failed", "failed"]
    assert CANARY not in str(reports)


def test_unknown_virtual_host_is_told(at_broker):
    report = probe("amqp", **at_broker("amqp") | {"database": "nowhere"})

    assert report.failure.said == (
        "There is no such virtual host at the server, or this user may not use it."
    )


def test_brokers_that_want_nobody_to_sign_in_are_not_asked_to(allow):
    def nats(server):
        lines_in_turn(
            b'INFO {"server_id":"x"}\r\n', {b"CONNECT": b"+OK\r\n", b"PING": b"PONG\r\n"}
        )(server)

    def mqtt(server):
        server.hear()
        server.say(b"\x20\x02\0\0")
        server.hear()
        server.say(b"\xd0\0")

    reports = []
    for slug, talk in (("nats", nats), ("mqtt", mqtt)):
        with rogue(talk) as (port, _):
            allow(port)
            reports.append(probe(slug, port, user="", password=""))

    assert [report.steps[-2].said for report in reports] == ["Went on without signing in."] * 2


@every
@pytest.mark.parametrize("tls", ["off", "require"])
def test_no_password_for_a_server_that_nobody_vouches_for(
    slug, tls, allow, settings, server_tls, allowance_ends_on_connecting
):
    settings.CONNHUB_TLS_UNVERIFIED_ALLOWED = True

    def talk(server):
        if slug == "nats":
            server.say(b'INFO {"tls_available":true}\r\n')
        if tls == "require":
            server.secure(server_tls)
        if slug == "amqp":
            server.hear()
            server.say(amqp_frame(START))

    with rogue(talk) as (port, met):
        allow(port)
        report = probe(slug, port, tls=tls, tls_start="starttls" if slug == "nats" else "")

    assert outcome(report) == ("Sign in", "failed", UNSENT)
    assert met[0].heard == (b"AMQP\0\0\x09\x01" if slug == "amqp" else b"")


def amqp_frame(payload, end=b"\xce", kind=1):
    return bytes([kind, 0, 0]) + len(payload).to_bytes(4) + payload + end


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"AMQP\0\0\x09\x01", "What answers there is not an AMQP 0-9-1 server."),
        (b"\x01\0\0\xff\xff\xff\xff", "What answers there is not an AMQP 0-9-1 server."),
        (amqp_frame(START, end=b"x"), "What answers there is not an AMQP 0-9-1 server."),
        (amqp_frame(START, kind=8), "What answers there is not an AMQP 0-9-1 server."),
        (amqp_frame(b"\0\x0a\0\x1e"), "What answers there is not an AMQP 0-9-1 server."),
        (amqp_frame(START[:4]), "The server does not let users sign in with a password."),
        (
            amqp_frame(START.replace(b"PLAIN", b"OTHER")),
            "The server does not let users sign in with a password.",
        ),
    ],
)
def test_an_amqp_server_of_another_version_or_none_is_told(answer, said, allow):
    with rogue(lambda server: server.say(answer)) as (port, _):
        allow(port)
        report = probe("amqp", port)

    assert report.failure.said == said


@pytest.mark.parametrize(
    ("given", "secrets", "name"),
    [
        ({"user": "flow"}, {}, "password"),
        ({}, {"password": "x"}, "user"),
        ({"user": "flow"}, {"password": "x", "token": "y"}, "token"),
    ],
)
def test_nats_wants_a_user_with_a_password_or_a_token(given, secrets, name):
    with pytest.raises(BadParameter) as refused:
        DRIVERS["nats"].read({"host": "nats.example"} | given, secrets)

    assert refused.value.name == name


@pytest.mark.parametrize(
    ("slug", "given", "secrets", "dsn"),
    [
        ("amqp", {}, {}, "amqps://a%40b:p%2F@bus.example:5671/%2F"),
        ("amqp", {"database": "crm"}, {}, "amqps://a%40b:p%2F@bus.example:5671/crm"),
        ("amqp", {"tls": "off"}, {}, "amqp://a%40b:p%2F@bus.example:5671/%2F"),
        ("mqtt", {}, {}, "mqtts://a%40b:p%2F@bus.example:8883/"),
        ("mqtt", {"tls": "off", "user": ""}, {"password": ""}, "mqtt://bus.example:8883/"),
        ("nats", {}, {}, "tls://a%40b:p%2F@bus.example:4222"),
        ("nats", {"tls": "off"}, {}, "nats://a%40b:p%2F@bus.example:4222"),
        ("nats", {"user": ""}, {"password": "", "token": "t/"}, "tls://t%2F@bus.example:4222"),
    ],
)
def test_dsn_keeps_every_character_in_its_place(slug, given, secrets, dsn):
    parameters = {"host": "bus.example", "user": "a@b"} | given

    assert DRIVERS[slug].dsn(parameters, {"password": "p/"} | secrets) == dsn
