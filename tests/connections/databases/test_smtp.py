import pytest

from connhub.connections.auth import METHODS  # noqa: F401 - the room's own order of imports
from connhub.connections.databases import DRIVERS, BadParameter
from tests.connections.databases.probing import (
    CANARY,
    DISCLOSES,
    TIMED_OUT,
    UNTRUSTED,
    WRONG_PASSWORD,
    outcome,
    outcomes,
    probe,
    well,
)
from tests.connections.databases.rogues import rogue, smtp_offers
from tests.connections.databases.smtp_server import BEYOND_ASCII

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("prefix", ["", BEYOND_ASCII])
def test_signs_in_over_tls_when_asked_for(mail, prefix):
    report = probe("smtp", **mail | {"password": prefix + mail["password"]})

    assert outcomes(report) == well()


def test_signs_in_over_tls_at_once(mail, smtp_server):
    report = probe("smtp", **mail | {"port": smtp_server.tls_port, "tls_start": "at-once"})

    assert outcomes(report) == well()


@pytest.mark.parametrize("prefix", ["", BEYOND_ASCII])
def test_signs_in_without_tls_by_answering_a_challenge(mail, smtp_server, prefix):
    given = {"port": smtp_server.plain_port, "tls": "off", "password": prefix + mail["password"]}

    report = probe("smtp", **mail | given)

    assert outcomes(report) == well(tls="skipped")


def test_goes_without_signing_in_where_none_has_to(mail):
    report = probe("smtp", **mail | {"user": "", "password": ""})

    assert report.ok
    assert report.steps[-2].said == "Went on without signing in."


@pytest.mark.parametrize(
    ("given", "dsn"),
    [
        ({}, "smtp://a%40b:p%2F@mail.example:587/?requireTLS=true"),
        ({"tls": "off"}, "smtp://a%40b:p%2F@mail.example:587/?ignoreTLS=true"),
        ({"tls_start": "at-once", "port": "465"}, "smtps://a%40b:p%2F@mail.example:465/"),
    ],
)
def test_dsn_tells_how_tls_begins(given, dsn):
    parameters = {"host": "mail.example", "user": "a@b"} | given

    assert DRIVERS["smtp"].dsn(parameters, {"password": "p/"}) == dsn


def test_wrong_password_is_told_and_not_quoted(mail, smtp_server):
    without_tls = {"port": smtp_server.plain_port, "tls": "off"}

    reports = [
        probe("smtp", **mail | {"password": CANARY}),
        probe("smtp", **mail | without_tls | {"password": CANARY}),
    ]

    assert [outcome(report) for report in reports] == [("Sign in", "failed", WRONG_PASSWORD)] * 2
    assert [CANARY in str(report) for report in reports] == [False] * 2


@pytest.mark.parametrize(
    ("user", "password", "name"), [("flow", "", "password"), ("", "secret", "user")]
)
def test_user_and_password_go_together(user, password, name):
    with pytest.raises(BadParameter) as refused:
        DRIVERS["smtp"].read({"host": "mail.example", "user": user}, {"password": password})

    assert refused.value.name == name


def test_certificate_of_an_unknown_authority_is_refused(mail, smtp_server):
    at_once = {"port": smtp_server.tls_port, "tls_start": "at-once"}

    reports = [probe("smtp", **mail | {"tls_ca": ""} | more) for more in ({}, at_once)]

    assert [outcome(report) for report in reports] == [("TLS", "failed", UNTRUSTED)] * 2


def test_tls_at_once_where_the_server_speaks_first_is_told(mail):
    report = probe("smtp", **mail | {"tls_start": "at-once"})

    assert outcomes(report)[-1] == ("TLS", "failed")


def test_tls_when_asked_for_where_it_has_begun_meets_the_deadline(mail, smtp_server):
    report = probe("smtp", **mail | {"port": smtp_server.tls_port}, timeout_s=0.3)

    assert outcome(report) == ("Connect", "failed", TIMED_OUT)


@pytest.mark.parametrize("offered", [b"AUTH PLAIN", b"AUTH LOGIN", b"AUTH=LOGIN PLAIN"])
def test_no_password_without_tls_for_a_server_that_asks_for_it(offered, allow):
    with rogue(smtp_offers(offered)) as (port, met):
        allow(port)
        report = probe("smtp", port)

    assert outcome(report) == ("Sign in", "failed", DISCLOSES)
    assert met[0].heard == b"EHLO [127.0.0.1]\r\n"


@pytest.mark.parametrize("start", ["starttls", "at-once"])
def test_no_password_over_unchecked_tls(start, allow, settings, server_tls):
    settings.CONNHUB_TLS_UNVERIFIED_ALLOWED = True
    talk = smtp_offers(
        b"STARTTLS", b"AUTH PLAIN LOGIN", context=server_tls, at_once=start == "at-once"
    )
    with rogue(talk) as (port, met):
        allow(port)
        report = probe("smtp", port, tls="require", tls_start=start)

    assert outcomes(report)[-1] == ("Sign in", "failed")
    assert b"AUTH" not in met[0].heard


def test_does_not_go_on_without_tls(allow):
    with rogue(smtp_offers(b"AUTH PLAIN")) as (port, met):
        allow(port)
        report = probe("smtp", port, tls="verify-full")

    assert outcome(report) == ("TLS", "failed", "The server does not offer TLS.")
    assert met[0].heard == b"EHLO [127.0.0.1]\r\n"


def test_a_refused_challenge_is_not_followed_by_the_password(allow):
    talk = smtp_offers(b"AUTH CRAM-MD5 PLAIN LOGIN", then=b"504 Not today; send AUTH PLAIN\r\n")
    with rogue(talk) as (port, met):
        allow(port)
        report = probe("smtp", port)

    assert outcomes(report)[-1] == ("Sign in", "failed")
    assert met[0].heard[met[0].asked_at :] == b"AUTH CRAM-MD5\r\n"


@pytest.mark.parametrize("challenge", [b"334 !\r\n", b"334 " + b"x" * 9000 + b"\r\n"])
def test_a_challenge_that_is_none_is_told(challenge, allow):
    with rogue(smtp_offers(b"AUTH CRAM-MD5", then=challenge)) as (port, _):
        allow(port)
        report = probe("smtp", port)

    assert report.failure.said == "What answers there is not an SMTP server."


def test_reads_no_more_lines_than_it_needs(allow):
    with rogue(lambda server: server.say(b"220-Welcome\r\n" * 300)) as (port, _):
        allow(port)
        report = probe("smtp", port)

    assert report.failure.said == "What answers there is not an SMTP server."
