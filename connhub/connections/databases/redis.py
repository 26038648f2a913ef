"""Redis, Valkey and what speaks RESP2. Its sign-in sends the password itself."""

import contextlib
import re
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BufferedRWPair
from ipaddress import ip_address
from typing import Any

from connhub.connections.auth.base import Field
from connhub.connections.reports import StepFailed, Trail
from connhub.egress import tcp
from connhub.egress.allowed import allowed_by
from connhub.egress.timing import even_timing

from .base import (
    CLOSED,
    CONNECTED,
    NOT_READY,
    OFF,
    TIMED_OUT,
    TOO_MANY,
    UNKNOWN_DATABASE,
    VERIFIED,
    WITHOUT_TLS,
    WRONG_PASSWORD,
    BadParameter,
    Driver,
    Target,
    cut_off,
    left_s,
    tls_refused,
)

MAX_LINE = 1024  # bytes
MAX_BULK = 2**16  # bytes
MAX_DATABASE = 2**31 - 1

NEEDS_TLS = (
    "The password was not sent: Redis takes it in clear, and this server's certificate is unchecked.",
    "Choose TLS with a checked certificate, or ask whoever runs ConnHub to allow this host and port.",
)
NOT_REDIS = (
    "What answers there is not a Redis server.",
    "Check host and port: 6379 is usual without TLS. A port with TLS takes nothing else.",
)
REFUSED = ("The server refused this.", "The server's log says why.")

# How errors begin, or what they contain, and what ConnHub makes of it. The first one counts.
EXPLAINED: tuple[tuple[str, tuple[str, str]], ...] = (
    (r"WRONGPASS|ERR invalid password", WRONG_PASSWORD),
    (
        r"ERR .*without any password configured",
        ("The server has no password set.", "Clear the password, or set one at the server."),
    ),
    (r"NOAUTH", ("The server wants a password.", "Give the user and the password.")),
    (
        r"NOPERM",
        ("This user may not run what the test runs.", "Allow the user the command PING."),
    ),
    (
        r"DENIED",
        (
            "The server runs in protected mode and lets in nobody from outside.",
            "Ask its administrator to set a password and end protected mode.",
        ),
    ),
    (r"ERR max number of clients", TOO_MANY),
    (r"ERR (DB index|invalid DB)|ERR SELECT", UNKNOWN_DATABASE),
    (r"LOADING|MASTERDOWN|BUSY", NOT_READY),
)


class Redis(Driver):
    """Redis, Valkey and what speaks their protocol."""

    slug = "redis"
    label = "Redis"
    default_port = 6379
    without_tls = "no password either, unless this address is allowed it"

    def sign_in_fields(self) -> tuple[Field, ...]:
        return (
            Field("database", "Database number", kind="number", default="0"),
            Field("user", "User", help="Empty for the default user.", required=False),
            Field("password", "Password", secret=True, required=False),
        )

    def read(self, parameters: Mapping[str, Any], secrets: Mapping[str, str]) -> Target:
        target = super().read(parameters, secrets)
        if target.user and not target.password:
            raise BadParameter("password", "A user needs a password.")
        number = target.database
        if not (number.isascii() and number.isdigit() and int(number) <= MAX_DATABASE):
            raise BadParameter("database", "Database number must be 0 or more.")
        return target

    def try_out(self, target: Target, trail: Trail, ends_at: float) -> None:
        trail.begin("Connect", CONNECTED)
        with even_timing():
            link = tcp.open_socket(target.host, target.port, timeout=left_s(ends_at))
        with (
            link,
            cut_off(link, ends_at),
            _explained(ends_at),
            _secured(link, target, trail) as safe,
            safe.makefile("rwb") as stream,
        ):
            trail.begin(
                "Sign in", "Signed in." if target.password else "Went on without a password."
            )
            session = Session(stream)
            _sign_in(session, target, may_tell=_may_tell(safe, target))
            trail.begin("Sample query")
            _ping(session)
            trail.say(f"PING answered PONG{_version(session)}.")

    def dsn(self, parameters: Mapping[str, Any], secrets: Mapping[str, str]) -> str:
        target = self.read(parameters, secrets)
        if target.tls == OFF:
            return target.url("redis")
        return target.url("rediss", **({} if target.tls == VERIFIED else {"ssl_cert_reqs": "none"}))

    def arguments(
        self, parameters: Mapping[str, Any], secrets: Mapping[str, str]
    ) -> dict[str, Any]:
        """For `redis.Redis`."""
        target = self.read(parameters, secrets)
        checked = target.tls == VERIFIED
        tls = {
            "ssl": True,
            "ssl_cert_reqs": "required" if checked else "none",
            "ssl_check_hostname": checked,
            "ssl_ca_data": target.tls_ca or None,
        }
        return {
            "host": target.host,
            "port": target.port,
            "db": int(target.database),
            "username": target.user or None,
            "password": target.password or None,
        } | ({} if target.tls == OFF else tls)


class Rejected(Exception):
    """The server answered with an error; the text is the server's."""


@dataclass
class Session:
    """Calls commands by RESP2, and reads answers of one line or one bounded string."""

    stream: BufferedRWPair

    def call(self, *words: str) -> str:
        """Send one command and return its answer.

        Raises:
            Rejected: the answer is an error.
            StepFailed: it is no answer that a Redis server would give.
        """
        parts = [word.encode() for word in words]
        sizes = [b"$%d\r\n%b\r\n" % (len(part), part) for part in parts]
        self.stream.write(b"*%d\r\n" % len(parts) + b"".join(sizes))
        self.stream.flush()
        return self._answer().decode(errors="replace")

    def _answer(self) -> bytes:
        line = self.stream.readline(MAX_LINE)
        if len(line) == MAX_LINE:
            raise StepFailed(*NOT_REDIS)
        line = _whole(line)
        kind, rest = line[:1], line[1:]
        if kind == b"-":
            raise Rejected(rest.decode(errors="replace"))
        if kind == b"$" and rest.isdigit() and int(rest) <= MAX_BULK:
            return _whole(self.stream.read(int(rest) + 2))
        if kind != b"+":
            raise StepFailed(*NOT_REDIS)
        return rest


def _whole(answer: bytes) -> bytes:
    """What was read up to the end of a line, without it; anything less was cut off."""
    if not answer.endswith(b"\r\n"):
        raise ConnectionResetError
    return answer[:-2]


@contextlib.contextmanager
def _secured(link: socket.socket, target: Target, trail: Trail) -> Iterator[socket.socket]:
    """The connection as the connection's settings want it, with TLS or without."""
    if target.tls == OFF:
        trail.skip("TLS", WITHOUT_TLS)
        yield link
        return
    trail.begin("TLS", target.tls_said)
    with target.tls_context().wrap_socket(link, server_hostname=target.host) as safe:
        yield safe


def _may_tell(link: socket.socket, target: Target) -> bool:
    """Whether this server may be sent the password, judged by the address that it really has."""
    if target.tls == VERIFIED:
        return True
    return allowed_by(target.host, target.port, ip_address(link.getpeername()[0])) is not None


def _sign_in(session: Session, target: Target, *, may_tell: bool) -> None:
    if target.password and not may_tell:
        raise StepFailed(*NEEDS_TLS)
    if target.password:
        session.call("AUTH", *([target.user] if target.user else []), target.password)
    if int(target.database):
        session.call("SELECT", target.database)


def _ping(session: Session) -> None:
    if session.call("PING") != "PONG":
        raise StepFailed(*NOT_REDIS)


def _version(session: Session) -> str:
    """The server's version, if this user may know."""
    try:
        said = session.call("INFO", "server")
    except Rejected:
        return ""
    number = re.search(r"^redis_version:([0-9]{1,3}(?:\.[0-9]{1,3}){1,2})", said, re.MULTILINE)
    return f", by version {number[1]}" if number else ""


@contextlib.contextmanager
def _explained(ends_at: float) -> Iterator[None]:
    try:
        yield
    except Rejected as error:
        raise _explain(str(error)) from None
    except OSError as error:
        if time.monotonic() >= ends_at:
            raise StepFailed(*TIMED_OUT) from None
        raise (
            tls_refused(error) if isinstance(error, ssl.SSLError) else StepFailed(*CLOSED)
        ) from None


def _explain(text: str) -> StepFailed:
    found = (ours for theirs, ours in EXPLAINED if re.match(theirs, text))
    return StepFailed(*next(found, REFUSED))
