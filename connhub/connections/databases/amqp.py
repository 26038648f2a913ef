"""AMQP 0-9-1, as RabbitMQ speaks it. Its sign-in sends the password itself."""

import struct

from connhub.connections.auth.base import Field
from connhub.connections.reports import StepFailed

from .base import Target
from .dialogue import Dialogue, SpokenDriver
from .links import require_may_tell
from .words import NO_PASSWORD_EITHER, NOT_READY, REFUSED, WRONG_PASSWORD

HEADER = b"AMQP\0\0\x09\x01"
METHOD, END = 1, b"\xce"
# Class and method, of the specification's chapters 1.4 and 1.5.
START, START_OK, TUNE, TUNE_OK = (10, 10), (10, 11), (10, 30), (10, 31)
OPEN, OPENED, CLOSE = (10, 40), (10, 41), (10, 50)
OPEN_CHANNEL, CHANNEL_OPENED = (20, 10), (20, 11)
SUCCESS = 200

NOT_AMQP = (
    "What answers there is not an AMQP 0-9-1 server.",
    "Check host and port: 5671 is usual with TLS, 5672 without.",
)
NOT_SPOKEN = (
    "The server does not let users sign in with a password.",
    "Ask its administrator to allow the mechanism PLAIN.",
)
NO_VHOST = (
    "There is no such virtual host at the server, or this user may not use it.",
    "Check its name; the usual one is a single slash.",
)

# By the reply code of connection.close.
EXPLAINED = {320: NOT_READY, 402: NO_VHOST, 403: WRONG_PASSWORD, 530: NO_VHOST}


class AMQP(SpokenDriver):
    """RabbitMQ, LavinMQ and what speaks their protocol."""

    slug = "amqp"
    label = "AMQP (RabbitMQ)"
    default_port = 5671
    does = "Signs in to the virtual host and opens a channel. No message is sent."
    schemes = ("amqp", "amqps")
    without_tls = NO_PASSWORD_EITHER
    stranger = NOT_AMQP

    def sign_in_fields(self) -> tuple[Field, ...]:
        return (
            Field("database", "Virtual host", default="/"),
            Field("user", "User"),
            Field("password", "Password", secret=True),
        )

    def greet(self, dialogue: Dialogue) -> None:
        dialogue.send(HEADER)
        dialogue.greeting = _hear(dialogue, START)

    def sign_in(self, dialogue: Dialogue, target: Target) -> str:
        if b"PLAIN" not in _mechanisms(dialogue.greeting):
            raise StepFailed(*NOT_SPOKEN)
        require_may_tell(dialogue.link, target)
        proof = f"\0{target.user}\0{target.password}".encode()
        said = _long(_capabilities()) + _short(b"PLAIN") + _long(proof) + _short(b"en_US")
        _send(dialogue, START_OK, said)
        channels, frame_size, _ = struct.unpack(">HIH", _hear(dialogue, TUNE)[:8])
        _send(dialogue, TUNE_OK, struct.pack(">HIH", channels, frame_size, 0))
        _send(dialogue, OPEN, _short(target.database.encode()) + _short(b"") + b"\0")
        _hear(dialogue, OPENED)
        return "Signed in to the virtual host."

    def sample(self, dialogue: Dialogue, target: Target) -> str:
        _send(dialogue, OPEN_CHANNEL, _short(b""), channel=1)
        _hear(dialogue, CHANNEL_OPENED)
        _send(dialogue, CLOSE, struct.pack(">H", SUCCESS) + _short(b"") + b"\0\0\0\0")
        return "A channel was opened; no message was sent."


def _send(dialogue: Dialogue, number: tuple[int, int], arguments: bytes, channel: int = 0) -> None:
    payload = struct.pack(">HH", *number) + arguments
    dialogue.send(struct.pack(">BHI", METHOD, channel, len(payload)) + payload + END)


def _hear(dialogue: Dialogue, number: tuple[int, int]) -> bytes:
    """The arguments of the method that has to come next. Raises: StepFailed, for any other."""
    kind, _, size = struct.unpack(">BHI", dialogue.read(7))
    if kind != METHOD or size < 4:
        raise StepFailed(*NOT_AMQP)
    payload = dialogue.read(size + 1)
    found, arguments = struct.unpack(">HH", payload[:4]), payload[4:-1]
    if found == CLOSE:
        raise StepFailed(*EXPLAINED.get(int.from_bytes(arguments[:2]), REFUSED))
    if found != number or payload[-1:] != END:
        raise StepFailed(*NOT_AMQP)
    return arguments


def _mechanisms(start: bytes) -> list[bytes]:
    """The ways to sign in of connection.start: after the version and the server's properties."""
    properties = int.from_bytes(start[2:6])
    rest = start[6 + properties :]
    return rest[4 : 4 + int.from_bytes(rest[:4])].split()


def _capabilities() -> bytes:
    """A table that asks for a reason where the sign-in fails, as RabbitMQ offers it."""
    told = _short(b"authentication_failure_close") + b"t\x01"
    return _short(b"capabilities") + b"F" + _long(told)


def _short(text: bytes) -> bytes:
    return bytes([len(text)]) + text


def _long(text: bytes) -> bytes:
    return len(text).to_bytes(4) + text
