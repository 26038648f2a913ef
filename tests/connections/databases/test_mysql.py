import struct

import pytest

from connhub.connections.auth import METHODS  # noqa: F401 - the room's own order of imports
from tests.connections.databases.probing import (
    CANARY,
    DISCLOSES,
    TIMED_OUT,
    WRONG_PASSWORD,
    outcome,
    outcomes,
    probe,
    well,
)
from tests.connections.databases.rogues import (
    CLEAR,
    DIALOG,
    FULL_SIGN_IN,
    OLD,
    SHA256,
    greeting,
    mysql_wants,
    packet,
    rogue,
)

pytestmark = pytest.mark.django_db


def test_mysql_signs_in(shop):
    report = probe("mysql", **shop)

    assert outcomes(report) == well(tls="skipped")


def test_unknown_database_at_mysql_is_one_that_the_user_may_not_use(shop):
    report = probe("mysql", **shop | {"database": "nowhere"})

    assert outcome(report) == ("Sign in", "failed", "This user may not use this database.")


def test_a_server_without_tls_is_told_to_get_some(shop):
    report = probe("mysql", **shop | {"tls": "verify-full"})

    assert outcome(report) == ("TLS", "failed", "The server does not offer TLS.")


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


def test_mysql_reads_no_more_than_it_needs(allow):
    with rogue(lambda server: server.say(b"\xff\xff\xff\0" + b"x" * 2**16)) as (port, _):
        allow(port)
        report = probe("mysql", port)

    assert report.failure.said == "What answers there is not a MySQL or MariaDB server."
