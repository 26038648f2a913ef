"""IMAP and POP3 at Twisted's servers."""

import pytest

from connhub.connections.auth import METHODS  # noqa: F401 - the room's own order of imports
from connhub.connections.databases import DRIVERS, BadParameter
from tests.connections.databases.probing import (
    CANARY,
    DISCLOSES,
    UNTRUSTED,
    WRONG_PASSWORD,
    outcome,
    outcomes,
    probe,
    well,
)
from tests.connections.databases.rogues import lines_in_turn, rogue

pytestmark = pytest.mark.django_db
both = pytest.mark.parametrize("slug", ["imap", "pop3"])


@both
@pytest.mark.parametrize("way", ["starttls", "tls", "plain"])
def test_signs_in(slug, way, on_twisted):
    report = probe(slug, **on_twisted(slug, way))

    assert outcomes(report) == well(tls="skipped" if way == "plain" else "ok")


@both
@pytest.mark.parametrize("way", ["starttls", "tls", "plain"])
def test_wrong_password_is_told_and_not_quoted(slug, way, on_twisted):
    report = probe(slug, **on_twisted(slug, way) | {"password": CANARY})

    assert outcome(report) == ("Sign in", "failed", WRONG_PASSWORD)
    assert CANARY not in str(report)


@both
@pytest.mark.parametrize("way", ["starttls", "tls"])
def test_certificate_of_an_unknown_authority_is_refused(slug, way, on_twisted):
    report = probe(slug, **on_twisted(slug, way) | {"tls_ca": ""})

    assert outcome(report) == ("TLS", "failed", UNTRUSTED)


@both
def test_a_server_without_tls_is_told_to_get_some(slug, on_twisted):
    given = on_twisted(slug, "plain") | {"tls": "verify-full", "tls_start": "starttls"}

    report = probe(slug, **given)

    assert outcome(report) == ("TLS", "failed", "The server does not offer TLS.")


IMAP_SAYS = {
    b"CAPABILITY": b"* CAPABILITY IMAP4rev1 %b\r\nc OK\r\n",
    b"AUTHENTICATE": b"+ \r\n",
    b"LOGIN": b"+ \r\n",
}
POP3_SAYS = {b"CAPA": b"+OK\r\nSASL %b\r\n.\r\n", b"AUTH": b"+ \r\n", b"USER": b"+OK\r\n"}


def says(slug, offered):
    greeting = b"* OK ready\r\n" if slug == "imap" else b"+OK ready\r\n"
    answers = dict(IMAP_SAYS if slug == "imap" else POP3_SAYS)
    first = next(iter(answers))
    answers[first] = answers[first] % offered
    return lines_in_turn(greeting, answers)


@pytest.mark.parametrize(
    ("slug", "offered"),
    [("imap", b"AUTH=PLAIN"), ("imap", b"AUTH=LOGIN"), ("imap", b""), ("pop3", b"PLAIN"), ("pop3", b"")],
)  # fmt: skip
def test_no_password_without_tls_for_a_server_that_asks_for_it(slug, offered, allow):
    with rogue(says(slug, offered)) as (port, met):
        allow(port)
        report = probe(slug, port, tls_start="starttls")

    assert outcome(report) == ("Sign in", "failed", DISCLOSES)
    assert met[0].heard in (b"c CAPABILITY\r\n", b"CAPA\r\n")


@both
def test_a_refused_challenge_is_not_followed_by_the_password(slug, allow):
    offered = b"AUTH=CRAM-MD5 AUTH=PLAIN" if slug == "imap" else b"CRAM-MD5 PLAIN"
    no = {b"AUTHENTICATE": b"c NO [AUTHENTICATIONFAILED]\r\n", b"AUTH": b"-ERR no\r\n"}
    talk = says(slug, offered)
    talk.answers.update(no)
    with rogue(talk) as (port, met):
        allow(port)
        report = probe(slug, port)

    assert outcomes(report)[-1] == ("Sign in", "failed")
    assert met[0].heard.endswith(b"CRAM-MD5\r\n")


@pytest.mark.parametrize(
    ("slug", "answer", "said"),
    [
        ("imap", b"c NO [UNAVAILABLE] later\r\n", "The server is starting or shutting down."),
        ("imap", b"c NO [EXPIRED]\r\n", "The user's password has expired."),
        (
            "pop3",
            b"-ERR [IN-USE] locked\r\n",
            "Another program has the mailbox open at the moment.",
        ),
        ("pop3", b"-ERR [SYS/TEMP] later\r\n", "The server is starting or shutting down."),
    ],
)
def test_what_the_server_gives_as_a_reason_is_told(slug, answer, said, allow):
    talk = says(slug, b"AUTH=CRAM-MD5" if slug == "imap" else b"CRAM-MD5")
    talk.answers[b"AUTHENTICATE" if slug == "imap" else b"AUTH"] = answer
    with rogue(talk) as (port, _):
        allow(port)
        report = probe(slug, port)

    assert report.failure.said == said


@both
def test_user_and_password_are_needed(slug):
    with pytest.raises(BadParameter) as refused:
        DRIVERS[slug].read({"host": "mail.example", "user": "flow"}, {})

    assert refused.value.name == "password"


@pytest.mark.parametrize(
    ("slug", "given", "dsn"),
    [
        ("imap", {}, "imaps://a%40b:p%2F@mail.example:993/"),
        ("imap", {"tls_start": "starttls"}, "imap://a%40b:p%2F@mail.example:993/"),
        ("pop3", {}, "pop3s://a%40b:p%2F@mail.example:995/"),
    ],
)
def test_dsn_tells_whether_tls_begins_at_once(slug, given, dsn):
    parameters = {"host": "mail.example", "user": "a@b"} | given

    assert DRIVERS[slug].dsn(parameters, {"password": "p/"}) == dsn
