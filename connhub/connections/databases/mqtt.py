"""MQTT 3.1.1, which brokers of version 5 speak too. Its sign-in sends the password itself."""

import secrets as randomness

from connhub.connections.reports import StepFailed

from .base import OptionalSignIn, Target
from .dialogue import Dialogue, SpokenDriver
from .links import require_may_tell
from .words import NO_PASSWORD_EITHER, NOT_READY, REFUSED, WRONG_PASSWORD

CONNECT, ACKNOWLEDGED = b"\x10", b"\x20\x02"
PING, PONG, DISCONNECT = b"\xc0\x00", b"\xd0\x00", b"\xe0\x00"
LEVEL = b"\x04"  # MQTT 3.1.1
CLEAN, WITH_PASSWORD = 0x02, 0xC0
ALIVE_S = 60

NOT_MQTT = (
    "What answers there is not an MQTT broker.",
    "Check host and port: 8883 is usual with TLS, 1883 without. WebSockets are not supported.",
)
NOT_ALLOWED = (
    "The broker does not let this user in.",
    "Check user and password, and what the broker's access list says.",
)

# By the return code of CONNACK.
EXPLAINED = {3: NOT_READY, 4: WRONG_PASSWORD, 5: NOT_ALLOWED}


class MQTT(OptionalSignIn, SpokenDriver):
    """A broker of messages, as devices use it."""

    slug = "mqtt"
    label = "MQTT"
    default_port = 8883
    does = "Signs in under a client id of its own and sends PINGREQ. No message is sent."
    schemes = ("mqtt", "mqtts")
    without_tls = NO_PASSWORD_EITHER
    stranger = NOT_MQTT

    def sign_in(self, dialogue: Dialogue, target: Target) -> str:
        if target.password:
            require_may_tell(dialogue.link, target)
        dialogue.send(_connect(target))
        if dialogue.read(2) != ACKNOWLEDGED:
            raise StepFailed(*NOT_MQTT)
        code = dialogue.read(2)[1]
        if code:
            raise StepFailed(*EXPLAINED.get(code, REFUSED))
        return "Signed in." if target.user else "Went on without signing in."

    def sample(self, dialogue: Dialogue, target: Target) -> str:
        dialogue.send(PING)
        if dialogue.read(2) != PONG:
            raise StepFailed(*NOT_MQTT)
        dialogue.send(DISCONNECT)
        return "PINGREQ was answered; no message was sent."


def _connect(target: Target) -> bytes:
    """A session that leaves nothing behind, and that ends nobody else's: its id is random."""
    own_id = f"connhub-{randomness.token_hex(6)}"
    told = [own_id, target.user, target.password] if target.user else [own_id]
    flags = CLEAN | (WITH_PASSWORD if target.user else 0)
    head = _text("MQTT") + LEVEL + bytes([flags]) + ALIVE_S.to_bytes(2)
    content = head + b"".join(map(_text, told))
    return CONNECT + _length(len(content)) + content


def _text(text: str) -> bytes:
    data = text.encode()
    return len(data).to_bytes(2) + data


def _length(size: int) -> bytes:
    """Seven bits in a byte, the lowest first (section 2.2.3)."""
    low, more = size & 0x7F, size >> 7
    return bytes([low | 0x80]) + _length(more) if more else bytes([low])
