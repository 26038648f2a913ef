import pytest

from connhub.connections.auth import METHODS  # noqa: F401 - the room's own order of imports
from connhub.connections.databases import DRIVERS, BadParameter
from tests.connections.databases.probing import (
    CANARY,
    UNTRUSTED,
    WRONG_PASSWORD,
    outcome,
    outcomes,
    probe,
    well,
)
from tests.connections.databases.rogues import rogue

GO_ON = bytes.fromhex("300c 020101 7807 0a0100 0400 0400")
UNWILLING = bytes.fromhex("300c 020101 7807 0a0102 0400 0400")
pytestmark = pytest.mark.django_db


@pytest.fixture
def on_request(directory, ldap_server):
    return directory | {"port": ldap_server.starttls_port, "tls_start": "starttls"}


def test_signs_in_over_tls_at_once(directory):
    report = probe("ldap", **directory)

    assert outcomes(report) == well()


def test_signs_in_over_tls_when_asked_for(on_request):
    report = probe("ldap", **on_request)

    assert outcomes(report) == well()


def test_wrong_password_and_unknown_user_read_alike(directory):
    reports = [
        probe("ldap", **directory | {"password": CANARY}),
        probe("ldap", **directory | {"user": "cn=nobody,dc=example,dc=com"}),
    ]

    assert [outcome(report) for report in reports] == [("Sign in", "failed", WRONG_PASSWORD)] * 2
    assert CANARY not in str(reports[0])


def test_dsn_holds_no_password():
    dsn = DRIVERS["ldap"].dsn(
        {"host": "2606:4700::1111", "user": "cn=flow"}, {"password": "secret"}
    )

    assert dsn == "ldaps://[2606:4700::1111]:636"


@pytest.mark.parametrize("tls", ["off", "require"])
def test_there_is_no_way_around_a_checked_certificate(tls, settings):
    settings.CONNHUB_TLS_UNVERIFIED_ALLOWED = True
    given = {"host": "ldap.example", "user": "cn=flow", "tls": tls}

    with pytest.raises(BadParameter) as refused:
        DRIVERS["ldap"].read(given, {"password": "secret"})

    assert refused.value.name == "tls"


def test_certificate_of_an_unknown_authority_is_refused(directory, on_request):
    reports = [probe("ldap", **given | {"tls_ca": ""}) for given in (directory, on_request)]

    assert [outcome(report) for report in reports] == [("TLS", "failed", UNTRUSTED)] * 2


@pytest.mark.parametrize("start", ["at-once", "starttls"])
def test_no_password_for_a_server_with_an_untrusted_certificate(start, allow, server_tls):
    def talk(server):
        if start == "starttls":
            server.hear()
            server.say(GO_ON)
        server.secure(server_tls)

    with rogue(talk) as (port, met):
        allow(port)
        report = probe("ldap", port, tls_start=start)

    assert outcome(report) == ("TLS", "failed", UNTRUSTED)
    assert CANARY.encode() not in met[0].heard


def test_does_not_go_on_without_tls(allow):
    with rogue(lambda server: server.hear() and server.say(UNWILLING)) as (port, met):
        allow(port)
        report = probe("ldap", port)

    assert outcome(report) == ("TLS", "failed", "The server does not offer TLS.")
    assert met[0].heard == bytes.fromhex("301d 020101 7718 8016") + b"1.3.6.1.4.1.1466.20037"


@pytest.mark.parametrize(
    "answer",
    [
        b"0\x84\x7f\xff\xff\xff",
        b"0\x80",
        b"0\xff" + b"\xff" * 127,
        b"0\x02\x02\x7f",
        bytes.fromhex("3005 020101 6500"),
        bytes.fromhex("300a 020101 6405 0400 0400 00") * 30,
        bytes.fromhex("3009 020101 7804 0a7f 0000"),
    ],
)
def test_reads_no_answers_but_sound_and_short_ones(answer, allow):
    with rogue(lambda server: server.hear() and server.say(answer)) as (port, _):
        allow(port)
        report = probe("ldap", port)

    assert outcome(report) == ("TLS", "failed", "What answers there is not an LDAP server.")
