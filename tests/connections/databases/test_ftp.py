"""FTP and FTPS at Twisted's server."""

import pytest

from connhub.connections.auth import METHODS  # noqa: F401 - the room's own order of imports
from connhub.connections.databases import DRIVERS
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

pytestmark = pytest.mark.django_db
UNSENT = "The password was not sent: it would go in clear, or to a server whose certificate is unchecked."


@pytest.mark.parametrize("way", ["starttls", "tls", "plain"])
def test_signs_in(way, on_twisted):
    report = probe("ftp", **on_twisted("ftp", way))

    assert outcomes(report) == well(tls="skipped" if way == "plain" else "ok")
    assert report.steps[-2].said == "Signed in."


@pytest.mark.parametrize("way", ["starttls", "tls", "plain"])
def test_goes_anonymously_without_a_user(way, on_twisted):
    report = probe("ftp", **on_twisted("ftp", way) | {"user": "", "password": ""})

    assert report.ok
    assert report.steps[-2].said == "Signed in as anonymous."


def test_wrong_password_is_told_and_not_quoted(on_twisted):
    report = probe("ftp", **on_twisted("ftp", "tls") | {"password": CANARY})

    assert outcome(report) == ("Sign in", "failed", WRONG_PASSWORD)
    assert CANARY not in str(report)


def test_a_server_that_wants_tls_is_told_so_before_the_password_goes_out(on_twisted):
    report = probe("ftp", **on_twisted("ftp", "starttls") | {"tls": "off"})

    assert outcome(report) == ("Sign in", "failed", "The server takes no sign-in without TLS.")


@pytest.mark.parametrize("way", ["starttls", "tls"])
def test_certificate_of_an_unknown_authority_is_refused(way, on_twisted):
    report = probe("ftp", **on_twisted("ftp", way) | {"tls_ca": ""})

    assert outcome(report) == ("TLS", "failed", UNTRUSTED)


def test_a_server_without_tls_is_told_to_get_some(on_twisted):
    report = probe("ftp", **on_twisted("ftp", "plain") | {"tls": "verify-full"})

    assert outcome(report) == ("TLS", "failed", "The server does not offer TLS.")


def test_no_password_in_clear_for_a_server_that_nobody_vouches_for(
    allow, allowance_ends_on_connecting
):
    talk = lines_in_turn(b"220-Hello\r\n220 ready\r\n", {b"USER": b"331 Password\r\n"})
    with rogue(talk) as (port, met):
        allow(port)
        report = probe("ftp", port)

    assert outcome(report) == ("Sign in", "failed", UNSENT)
    assert met[0].heard == b"USER flow\r\n"


@pytest.mark.parametrize(
    ("given", "dsn"),
    [
        ({}, "ftpes://a%40b:p%2F@files.example:21/"),
        ({"tls_start": "at-once", "port": "990"}, "ftps://a%40b:p%2F@files.example:990/"),
        ({"tls": "off"}, "ftp://a%40b:p%2F@files.example:21/"),
    ],
)
def test_dsn_tells_how_tls_begins(given, dsn):
    parameters = {"host": "files.example", "user": "a@b"} | given

    assert DRIVERS["ftp"].dsn(parameters, {"password": "p/"}) == dsn
