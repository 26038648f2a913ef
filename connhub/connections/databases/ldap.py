"""LDAP: StartTLS or LDAPS, then a simple bind. Its sign-in sends the password itself."""

import contextlib
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BufferedRWPair
from typing import Any

from connhub.connections.auth.base import Field
from connhub.connections.reports import StepFailed, Trail
from connhub.egress import tcp
from connhub.egress.timing import even_timing

from .base import (
    AT_ONCE,
    CLOSED,
    CONNECTED,
    NO_TLS,
    NOT_READY,
    STARTTLS,
    TIMED_OUT,
    VERIFIED,
    WRONG_PASSWORD,
    Driver,
    Target,
    cut_off,
    left_s,
    tls_refused,
)

MAX_MESSAGE = 2**16  # bytes
MAX_MESSAGES = 20  # before the one that ends an answer

# BER tags, and those of RFC 4511's operations.
INTEGER, OCTETS, ENUMERATED, SEQUENCE = 0x02, 0x04, 0x0A, 0x30
BIND, BOUND, SEARCH, FOUND, SEARCHED = 0x60, 0x61, 0x63, 0x64, 0x65
EXTENDED, EXTENDED_DONE, UNBIND = 0x77, 0x78, 0x42
SIMPLE, REQUEST_NAME, PRESENT = 0x80, 0x80, 0x87
START_TLS = b"1.3.6.1.4.1.1466.20037"

NOT_LDAP = (
    "What answers there is not an LDAP server.",
    "Check host and port: 389 is usual with StartTLS, 636 where TLS begins at once.",
)
REFUSED = ("The server refused this.", "The server's log says why.")
WRONG_NAME = (
    "The server can't read the user as a name.",
    "Give a distinguished name, such as cn=reader,dc=example,dc=com.",
)
STRONGER = (
    "The server lets nobody, or not this user, sign in with name and password.",
    "Ask its administrator to allow simple binds over TLS for this user.",
)

# By the result code, RFC 4511 appendix A.
EXPLAINED = {
    8: STRONGER,
    13: STRONGER,
    32: WRONG_PASSWORD,
    34: WRONG_NAME,
    48: STRONGER,
    49: WRONG_PASSWORD,
    50: (
        "The server does not let this user read its own entry.",
        "Ask its administrator for the right to read the entry without a name.",
    ),
    51: NOT_READY,
    52: NOT_READY,
}


class LDAP(Driver):
    """A directory, such as OpenLDAP or Active Directory."""

    slug = "ldap"
    label = "LDAP"
    default_port = 636
    default_start = AT_ONCE

    @property
    def start_choices(self) -> tuple[tuple[str, str], ...]:
        return (
            (AT_ONCE, "At once, as on port 636 (LDAPS)"),
            (STARTTLS, "When asked for, as on port 389 (StartTLS)"),
        )

    def tls_choices(self) -> tuple[tuple[str, str], ...]:
        """A bind sends the password itself: no other server may have it."""
        return ((VERIFIED, "TLS, certificate checked"),)

    def sign_in_fields(self) -> tuple[Field, ...]:
        return (
            Field(
                "user",
                "User",
                help="The distinguished name that signs in.",
                placeholder="cn=reader,dc=example,dc=com",
            ),
            Field("password", "Password", secret=True),
        )

    def try_out(self, target: Target, trail: Trail, ends_at: float) -> None:
        trail.begin("Connect", CONNECTED)
        with even_timing():
            link = tcp.open_socket(target.host, target.port, timeout=left_s(ends_at))
        with link, cut_off(link, ends_at), _explained(ends_at):
            trail.begin("TLS", target.tls_said)
            if not target.tls_at_once:
                _start_tls(link)
            context = target.tls_context()
            with (
                context.wrap_socket(link, server_hostname=target.host) as safe,
                safe.makefile("rwb") as stream,
            ):
                session = Session(stream)
                trail.begin("Sign in", "Signed in.")
                session.bind(target.user, target.password)
                trail.begin("Sample query", "The server's own entry was read.")
                session.read_root()

    def dsn(self, parameters: Mapping[str, Any], secrets: Mapping[str, str]) -> str:
        """The server's address alone: an LDAP URL has no place for a password (RFC 4516)."""
        target = self.read(parameters, secrets)
        host = f"[{target.host}]" if ":" in target.host else target.host
        return f"{'ldaps' if target.tls_at_once else 'ldap'}://{host}:{target.port}"

    def arguments(
        self, parameters: Mapping[str, Any], secrets: Mapping[str, str]
    ) -> dict[str, Any]:
        """For `ldap3.Connection`, all but its `server`; that is `dsn` with a `Tls` which checks."""
        target = self.read(parameters, secrets)
        return {
            "user": target.user,
            "password": target.password,
            "auto_bind": "DEFAULT" if target.tls_at_once else "TLS_BEFORE_BIND",
        }


@dataclass
class Session:
    """Sends requests of RFC 4511 one at a time, and reads answers of bounded size."""

    stream: BufferedRWPair
    sent: int = 0

    def start_tls(self) -> None:
        self._ask(EXTENDED, _ber(REQUEST_NAME, START_TLS), until=EXTENDED_DONE)

    def bind(self, user: str, password: str) -> None:
        version = _ber(INTEGER, b"\x03")
        name = _ber(OCTETS, user.encode())
        self._ask(BIND, version + name + _ber(SIMPLE, password.encode()), until=BOUND)

    def read_root(self) -> None:
        """Search for the server's own entry, which every server has (RFC 4512, section 5.1)."""
        base_object, never_aliases = _ber(ENUMERATED, b"\0"), _ber(ENUMERATED, b"\0")
        one_entry, ten_seconds = _ber(INTEGER, b"\x01"), _ber(INTEGER, b"\x0a")
        types_only, anything = b"\x01\x01\xff", _ber(PRESENT, b"objectClass")
        no_attributes = _ber(SEQUENCE, _ber(OCTETS, b"1.1"))
        scope = _ber(OCTETS, b"") + base_object + never_aliases
        limits = one_entry + ten_seconds + types_only
        self._ask(SEARCH, scope + limits + anything + no_attributes, until=SEARCHED)

    def _ask(self, operation: int, content: bytes, *, until: int) -> None:
        """Send a request and read answers until the last one, which has to say success."""
        self.sent += 1
        number = _ber(INTEGER, bytes([self.sent]))
        self.stream.write(_ber(SEQUENCE, number + _ber(operation, content)))
        self.stream.flush()
        for _ in range(MAX_MESSAGES):
            kind, answer = self._answer()
            if kind == until:
                return _require_success(answer)
            if kind != FOUND:
                break
        raise StepFailed(*NOT_LDAP)

    def _answer(self) -> tuple[int, bytes]:
        head = self._read(2)
        if head[0] != SEQUENCE:
            raise StepFailed(*NOT_LDAP)
        more = _more_length(head[1])
        size = int.from_bytes(self._read(more)) if more else head[1]
        if size > MAX_MESSAGE:
            raise StepFailed(*NOT_LDAP)
        _, _, rest = _parsed(self._read(size))  # the number, which can only be that of the request
        kind, answer, _ = _parsed(rest)
        return kind, answer

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:  # without a buffer, a read may bring less
            part = self.stream.read(size - len(data))
            if not part:
                raise ConnectionResetError
            data += part
        return data


def _start_tls(link: socket.socket) -> None:
    """Ask for TLS, and read not one byte further than the answer."""
    with link.makefile("rwb", buffering=0) as raw:
        try:
            Session(raw).start_tls()  # type: ignore[arg-type]
        except Refusal:
            raise StepFailed(*NO_TLS) from None


class Refusal(StepFailed):
    """The server answered with a result code other than success."""


def _require_success(answer: bytes) -> None:
    kind, code, _ = _parsed(answer)
    if kind != ENUMERATED:
        raise StepFailed(*NOT_LDAP)
    if any(code):
        raise Refusal(*EXPLAINED.get(int.from_bytes(code), REFUSED))


def _ber(tag: int, content: bytes) -> bytes:
    """A tag, the content's size in bytes and the content, by X.690."""
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    return bytes([tag, 0x84]) + size.to_bytes(4) + content


def _more_length(first: int) -> int:
    """How many bytes tell the length after the first one; LDAP has no indefinite lengths."""
    if first < 0x80:
        return 0
    if not 0x80 < first <= 0x84:
        raise StepFailed(*NOT_LDAP)
    return first & 0x7F


def _parsed(data: bytes) -> tuple[int, bytes, bytes]:
    """The first element's tag and content, and what follows it."""
    if len(data) < 2:
        raise StepFailed(*NOT_LDAP)
    more = _more_length(data[1])
    start = 2 + more
    size = int.from_bytes(data[2:start]) if more else data[1]
    if len(data) < start + size:
        raise StepFailed(*NOT_LDAP)
    return data[0], data[start : start + size], data[start + size :]


@contextlib.contextmanager
def _explained(ends_at: float) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if time.monotonic() >= ends_at:
            raise StepFailed(*TIMED_OUT) from None
        raise (
            tls_refused(error) if isinstance(error, ssl.SSLError) else StepFailed(*CLOSED)
        ) from None
