"""PostgreSQL, through libpq. The password itself never goes to a server, TLS or not."""

import contextlib
import re
import select
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from psycopg import pq
from psycopg.conninfo import make_conninfo
from psycopg.pq import Conninfo, ConnStatus, ExecStatus, PollingStatus
from psycopg.pq.abc import PGconn

from connhub.connections.reports import StepFailed, Trail
from connhub.egress import guard, tcp
from connhub.egress.timing import even_timing

from .base import OFF, UNVERIFIED, VERIFIED, Driver, Target
from .links import left_s
from .words import (
    CHECK_AUTHORITY,
    CLOSED,
    CONNECTED,
    DISCLOSES,
    NO_TLS,
    NOT_FROM_HERE,
    NOT_READY,
    TIMED_OUT,
    TLS_REQUIRED,
    TOO_MANY,
    UNKNOWN_DATABASE,
    WITHOUT_TLS,
    WRONG_PASSWORD,
)

# How libpq is told to sign in. SCRAM proves the password to a server that knows it, and shows it
# to nobody. MD5 can be guessed by who listens, so that it takes a server whose name is checked.
SIGN_IN = {
    VERIFIED: {"sslmode": "verify-full", "require_auth": "scram-sha-256,md5"},
    UNVERIFIED: {
        "sslmode": "require",
        "require_auth": "scram-sha-256",
        "channel_binding": "require",
    },
    OFF: {"sslmode": "disable", "require_auth": "scram-sha-256"},
}

CONNECTING = frozenset({ConnStatus.STARTED, ConnStatus.MADE, ConnStatus.NEEDED})
SECURING = frozenset({ConnStatus.SSL_STARTUP, ConnStatus.MADE})
SIGNING_IN = frozenset(ConnStatus) - {ConnStatus.OK, ConnStatus.BAD}

# What libpq and servers say, in the C locale, and what ConnHub makes of it. The first one counts.
EXPLAINED: tuple[tuple[str, tuple[str, str]], ...] = (
    (r"password authentication failed|role .* does not exist", WRONG_PASSWORD),
    (r"does not support SSL", NO_TLS),
    (r"no pg_hba\.conf entry .*no encryption|(SSL|TLS) (.* )?(is )?required", TLS_REQUIRED),
    (r"pg_hba\.conf|not permitted to log in|not allowed to connect", NOT_FROM_HERE),
    (r"database .* does not exist", UNKNOWN_DATABASE),
    (
        r"permission denied for database",
        ("This user may not use this database.", "Ask its administrator for the right to connect."),
    ),
    (r"too many (clients|connections)|connection slots", TOO_MANY),
    (r"starting up|shutting down|recovery mode|not accepting connections", NOT_READY),
    (
        r"does not match host name",
        (
            "The certificate at the address is for another name.",
            "Give the host name that the server's certificate was issued for.",
        ),
    ),
    (
        r"certificate verify failed|certificate has expired",
        ("The certificate at the address is not trusted here.", CHECK_AUTHORITY),
    ),
    (
        r"channel binding",
        (
            "The server can't prove that nobody sits in between.",
            "Choose TLS with a checked certificate.",
        ),
    ),
    (r"authentication method requirement", DISCLOSES),
    (
        r"invalid response|expected authentication request|protocol",
        (
            "What answers there is not a PostgreSQL server.",
            "Check host and port; PostgreSQL's usual port is 5432.",
        ),
    ),
    (r"closed the connection|SSL SYSCALL|reset by peer", CLOSED),
    (r"SSL error", ("TLS with the server could not be set up.", CHECK_AUTHORITY)),
)
REFUSED = (
    "The server refused to sign this user in.",
    "The server's log says why.",
)


class PostgreSQL(Driver):
    """PostgreSQL and what speaks its protocol."""

    slug = "postgresql"
    label = "PostgreSQL"
    does = "Signs in to the database and asks for SELECT 1."
    default_port = 5432
    without_tls = "only with SCRAM passwords; data can be read on the way"

    def try_out(self, target: Target, trail: Trail, ends_at: float) -> None:
        trail.begin("Connect", CONNECTED)
        with contextlib.ExitStack() as held:
            authorities = held.enter_context(_authorities_file(target))
            with even_timing():
                opening = held.enter_context(_opened(target, authorities, ends_at))
            if target.tls == OFF:
                trail.skip("TLS", WITHOUT_TLS)
            else:
                trail.begin("TLS", target.tls_said)
                opening.go_on_while(SECURING)
            trail.begin("Sign in")
            opening.go_on_while(SIGNING_IN)
            trail.say(f"Signed in to PostgreSQL{_version(opening.connection)}.")
            trail.begin("Sample query", "SELECT 1 answered 1.")
            _select_one(opening.connection, ends_at)

    def dsn(self, parameters: Mapping[str, Any], secrets: Mapping[str, str]) -> str:
        target = self.read(parameters, secrets)
        return target.url("postgresql", sslmode=SIGN_IN[target.tls]["sslmode"])


def _sign_in(target: Target) -> dict[str, str]:
    return {
        "host": target.host,
        "port": str(target.port),
        "dbname": target.database,
        "user": target.user,
        "password": target.password,
        "gssencmode": "disable",
        **SIGN_IN[target.tls],
    }


@contextlib.contextmanager
def _authorities_file(target: Target) -> Iterator[str]:
    """libpq takes certificates from files alone, and its `system` is not the machine's.

    Where none are to be checked, the file must not even exist.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "authorities.pem")
        if target.tls == VERIFIED:
            path.write_text(target.authorities)
        yield str(path)


@dataclass
class Opening:
    """A connection that is being opened, step by step and without ever blocking."""

    connection: PGconn
    ends_at: float
    state: PollingStatus = PollingStatus.WRITING  # what libpq wants to be waited for

    def go_on_while(self, during: frozenset[ConnStatus]) -> None:
        """Go on as long as the status is one of these.

        Raises:
            StepFailed: libpq gave up, or there is no time left.
        """
        while self.connection.status in during:
            _wait(self.connection, self.ends_at, writing=self.state == PollingStatus.WRITING)
            self.state = PollingStatus(self.connection.connect_poll())
        if self.connection.status == ConnStatus.BAD:
            raise StepFailed(*_explain(self.connection.error_message))


@contextlib.contextmanager
def _opened(target: Target, authorities: str, ends_at: float) -> Iterator[Opening]:
    """A connection to the checked address, on which nothing has been agreed yet."""
    address = tcp.pin(target.host, target.port)
    conninfo = make_conninfo(
        **_unmoved()
        | _sign_in(target)
        | {"hostaddr": str(address), "sslrootcert": authorities, "application_name": "ConnHub"}
    )
    connection = pq.PGconn.connect_start(conninfo.encode())
    try:
        yield _reached(Opening(connection, ends_at), target)
    finally:
        connection.finish()


def _reached(opening: Opening, target: Target) -> Opening:
    try:
        opening.go_on_while(CONNECTING)
    except StepFailed:
        raise guard.refusal(target.host, target.port, "closed") from None
    return opening


def _unmoved() -> dict[str, str]:
    """libpq's own default of all that the environment, a service or a file could set instead."""
    defaults = {
        option.keyword.decode(): (option.compiled or b"").decode()
        for option in Conninfo.get_defaults()
        if option.envvar
    }
    # A service fills in only what is not given; an empty name would be looked up and not found.
    del defaults["service"]
    nowhere = dict.fromkeys(("passfile", "sslcrl"), "/dev/null")
    versions = dict.fromkeys(("min_protocol_version", "max_protocol_version"), "3.0")
    return defaults | nowhere | versions | {"sslcertmode": "disable", "client_encoding": "UTF8"}


def _wait(connection: PGconn, ends_at: float, *, writing: bool = False) -> None:
    poll = select.poll()  # select.select takes no descriptor over 1023
    poll.register(connection.socket, select.POLLOUT if writing else select.POLLIN)
    if not poll.poll(left_s(ends_at) * 1000):
        raise StepFailed(*TIMED_OUT)


def _select_one(connection: PGconn, ends_at: float) -> None:
    connection.send_query(b"SELECT 1")
    while connection.is_busy():
        _wait(connection, ends_at)
        connection.consume_input()
    result = connection.get_result()
    if result is None or result.status != ExecStatus.TUPLES_OK or result.get_value(0, 0) != b"1":
        raise StepFailed("The server did not answer SELECT 1 with 1.", REFUSED[1])


def _explain(message: bytes) -> tuple[str, str]:
    """Our words for libpq's. The original may hold anything that a server chooses to say."""
    text = message.decode(errors="replace")
    found = (ours for theirs, ours in EXPLAINED if re.search(theirs, text))
    return next(found, REFUSED)


def _version(connection: PGconn) -> str:
    said = connection.parameter_status(b"server_version") or b""
    number = re.match(rb"[0-9]{1,3}(\.[0-9]{1,3})?", said)
    return f" {number[0].decode()}" if number else ""
