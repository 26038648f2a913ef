"""POP3 (RFC 1939). No server without a checked certificate gets the password."""

import re

from connhub.connections.reports import StepFailed

from .base import Target, at_once, on_request
from .dialogue import Dialogue
from .mail import MailDriver
from .words import NO_TLS, NOT_READY, REFUSED, WRONG_PASSWORD, Words

NOT_POP3 = (
    "What answers there is not a POP3 server.",
    "Check host and port: 995 is usual where TLS begins at once, 110 where it is asked for.",
)

# By the response code, RFC 2449 and RFC 3206.
EXPLAINED = {
    b"IN-USE": (
        "Another program has the mailbox open at the moment.",
        "Try again when it is done; most servers let in one at a time.",
    ),
    b"LOGIN-DELAY": NOT_READY,
    b"SYS/TEMP": NOT_READY,
}


class POP3(MailDriver):
    """A mail server from which mail is fetched."""

    slug = "pop3"
    label = "POP3"
    default_port = 995
    does = "Signs in and asks how many mails there are. No mail is read or deleted."
    schemes = ("pop3", "pop3s")
    tls_starts = (at_once(995), on_request("STLS", 110))
    stranger = NOT_POP3
    auth_command = "AUTH"

    def greet(self, dialogue: Dialogue) -> None:
        if not dialogue.hear().startswith(b"+OK"):
            raise StepFailed(*NOT_POP3)

    def start_tls(self, dialogue: Dialogue) -> None:
        dialogue.say("STLS")
        _require_ok(dialogue, NO_TLS)

    def sign_in(self, dialogue: Dialogue, target: Target) -> str:
        self.authenticate(dialogue, target, _mechanisms(dialogue), self.login)
        _require_ok(dialogue, WRONG_PASSWORD)
        return "Signed in."

    def login(self, dialogue: Dialogue, target: Target) -> None:
        dialogue.say(f"USER {target.user}")
        _require_ok(dialogue, WRONG_PASSWORD)
        dialogue.say(f"PASS {target.password}")

    def challenge(self, dialogue: Dialogue) -> bytes:
        line = dialogue.hear()
        if line.startswith(b"+ ") or line == b"+":
            return line[1:].strip()
        raise _refusal(line, REFUSED)

    def sample(self, dialogue: Dialogue, target: Target) -> str:
        dialogue.say("STAT")
        _require_ok(dialogue, REFUSED)
        return "STAT was answered; no mail was read."


def _mechanisms(dialogue: Dialogue) -> list[str]:
    """The server's SASL mechanisms; none where it can't tell."""
    dialogue.say("CAPA")
    if not dialogue.hear().startswith(b"+OK"):
        return []
    offered: list[str] = []
    while (line := dialogue.hear()) != b".":
        keyword, *words = line.decode(errors="replace").upper().split() or [""]
        offered += words if keyword == "SASL" else []
    return offered


def _require_ok(dialogue: Dialogue, otherwise: Words) -> None:
    line = dialogue.hear()
    if not line.startswith(b"+OK"):
        raise _refusal(line, otherwise)


def _refusal(line: bytes, otherwise: Words) -> StepFailed:
    found = re.match(rb"-ERR(?: \[([A-Z/-]+)\])?", line)
    return StepFailed(*EXPLAINED.get(found[1], otherwise) if found else NOT_POP3)
