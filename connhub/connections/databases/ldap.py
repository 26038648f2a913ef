"""LDAP: StartTLS or LDAPS, then a simple bind. Its sign-in sends the password itself."""

from collections.abc import Mapping
from typing import Any

from connhub.connections.auth.base import Field
from connhub.connections.reports import StepFailed

from .base import VERIFIED, Target, at_once, on_request
from .dialogue import Dialogue, SpokenDriver
from .words import NO_TLS, NOT_READY, REFUSED, WRONG_PASSWORD

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


class LDAP(SpokenDriver):
    """A directory, such as OpenLDAP or Active Directory."""

    slug = "ldap"
    label = "LDAP"
    default_port = 636
    does = "Signs in by a simple bind and reads the directory's own entry."
    tls_starts = (at_once(636), on_request("StartTLS", 389))
    stranger = NOT_LDAP

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

    def start_tls(self, dialogue: Dialogue) -> None:
        try:
            _ask(dialogue, EXTENDED, _ber(REQUEST_NAME, START_TLS), until=EXTENDED_DONE)
        except Refusal:
            raise StepFailed(*NO_TLS) from None

    def sign_in(self, dialogue: Dialogue, target: Target) -> str:
        version, name = _ber(INTEGER, b"\x03"), _ber(OCTETS, target.user.encode())
        password = _ber(SIMPLE, target.password.encode())
        _ask(dialogue, BIND, version + name + password, until=BOUND)
        return "Signed in."

    def sample(self, dialogue: Dialogue, target: Target) -> str:
        _read_root(dialogue)
        return "The server's own entry was read."

    def dsn(self, parameters: Mapping[str, Any], secrets: Mapping[str, str]) -> str:
        """The server's address alone: an LDAP URL has no place for a password (RFC 4516)."""
        target = self.read(parameters, secrets)
        host = f"[{target.host}]" if ":" in target.host else target.host
        return f"{'ldaps' if target.tls_at_once else 'ldap'}://{host}:{target.port}"


def _read_root(dialogue: Dialogue) -> None:
    """Search for the server's own entry, which every server has (RFC 4512, section 5.1)."""
    base_object, never_aliases = _ber(ENUMERATED, b"\0"), _ber(ENUMERATED, b"\0")
    one_entry, ten_seconds = _ber(INTEGER, b"\x01"), _ber(INTEGER, b"\x0a")
    types_only, anything = b"\x01\x01\xff", _ber(PRESENT, b"objectClass")
    no_attributes = _ber(SEQUENCE, _ber(OCTETS, b"1.1"))
    scope = _ber(OCTETS, b"") + base_object + never_aliases
    limits = one_entry + ten_seconds + types_only
    _ask(dialogue, SEARCH, scope + limits + anything + no_attributes, until=SEARCHED)


def _ask(dialogue: Dialogue, operation: int, content: bytes, *, until: int) -> None:
    """Send a request of RFC 4511, and read answers until the last one, which has to say success.

    There is but one at a time, so that all can have the same number.
    """
    dialogue.send(_ber(SEQUENCE, _ber(INTEGER, b"\x01") + _ber(operation, content)))
    for _ in range(MAX_MESSAGES):
        kind, answer = _answer(dialogue)
        if kind == until:
            return _require_success(answer)
        if kind != FOUND:
            break
    raise StepFailed(*NOT_LDAP)


def _answer(dialogue: Dialogue) -> tuple[int, bytes]:
    head = dialogue.read(2)
    if head[0] != SEQUENCE:
        raise StepFailed(*NOT_LDAP)
    more = _more_length(head[1])
    size = int.from_bytes(dialogue.read(more)) if more else head[1]
    _, _, rest = _parsed(dialogue.read(size))  # its number is that of the request
    kind, answer, _ = _parsed(rest)
    return kind, answer


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
