"""IMAP4rev1 (RFC 3501). No server without a checked certificate gets the password."""

import re

from connhub.connections.reports import StepFailed

from .base import Target, at_once, on_request
from .dialogue import Dialogue
from .mail import MailDriver
from .words import NO_TLS, NOT_READY, REFUSED, TLS_REQUIRED, WRONG_PASSWORD

TAG = "c"  # of every command: there is but one at a time

NOT_IMAP = (
    "What answers there is not an IMAP server.",
    "Check host and port: 993 is usual where TLS begins at once, 143 where it is asked for.",
)
NO_INBOX = ("This user has no inbox at the server.", REFUSED[1])

# By the response code, RFC 5530.
EXPLAINED = {
    b"PRIVACYREQUIRED": TLS_REQUIRED,
    b"UNAVAILABLE": NOT_READY,
    b"EXPIRED": (
        "The user's password has expired.",
        "Sign in at the mail service and choose another one.",
    ),
}


class IMAP(MailDriver):
    """A mail server that keeps mailboxes."""

    slug = "imap"
    label = "IMAP"
    default_port = 993
    does = "Signs in and looks whether the inbox is there. No mail is read."
    schemes = ("imap", "imaps")
    tls_starts = (at_once(993), on_request("STARTTLS", 143))
    stranger = NOT_IMAP
    auth_command = f"{TAG} AUTHENTICATE"

    def greet(self, dialogue: Dialogue) -> None:
        if not dialogue.hear().upper().startswith(b"* OK"):
            raise StepFailed(*NOT_IMAP)

    def start_tls(self, dialogue: Dialogue) -> None:
        if "STARTTLS" not in _capabilities(dialogue):
            raise StepFailed(*NO_TLS)
        dialogue.say(f"{TAG} STARTTLS")
        _require_ok(dialogue, NO_TLS)

    def sign_in(self, dialogue: Dialogue, target: Target) -> str:
        can = _capabilities(dialogue)
        offered = [name.removeprefix("AUTH=") for name in can if name.startswith("AUTH=")]
        self.authenticate(dialogue, target, offered, None if "LOGINDISABLED" in can else self.login)
        _require_ok(dialogue, WRONG_PASSWORD)
        return "Signed in."

    def login(self, dialogue: Dialogue, target: Target) -> None:
        """User and password as literals, which may hold any character."""
        user, password = target.user.encode(), target.password.encode()
        dialogue.say(f"{TAG} LOGIN {{{len(user)}}}")
        self.challenge(dialogue)
        dialogue.send(user + b" {%d}\r\n" % len(password))
        self.challenge(dialogue)
        dialogue.send(password + b"\r\n")

    def challenge(self, dialogue: Dialogue) -> bytes:
        line = _hear_answer(dialogue)
        if line.startswith(b"+"):
            return line[1:].strip()
        raise _refusal(line, REFUSED)

    def sample(self, dialogue: Dialogue, target: Target) -> str:
        dialogue.say(f"{TAG} STATUS INBOX (MESSAGES)")
        _require_ok(dialogue, NO_INBOX)
        return "The inbox is there; no mail was read."


def _capabilities(dialogue: Dialogue) -> set[str]:
    dialogue.say(f"{TAG} CAPABILITY")
    said: list[bytes] = []
    _require_ok(dialogue, NOT_IMAP, heard=said)
    told = [line.upper().split()[2:] for line in said if line.upper().startswith(b"* CAPABILITY ")]
    return {word.decode(errors="replace") for words in told for word in words}


def _require_ok(
    dialogue: Dialogue, otherwise: tuple[str, str], heard: list[bytes] | None = None
) -> None:
    """Hear the end of an answer, which has to say success; lines before it go to `heard`."""
    line = _hear_answer(dialogue, heard)
    if not line.upper().startswith(f"{TAG} OK".upper().encode()):
        raise _refusal(line, otherwise)


def _hear_answer(dialogue: Dialogue, heard: list[bytes] | None = None) -> bytes:
    """The next line that is more than information (RFC 3501, section 7)."""
    line = dialogue.hear()
    while line.startswith(b"* "):
        if heard is not None:
            heard.append(line)
        line = dialogue.hear()
    return line


def _refusal(line: bytes, otherwise: tuple[str, str]) -> StepFailed:
    found = re.match(rb"c (?:NO|BAD)(?: \[([A-Z-]+)\]?)?", line, re.IGNORECASE)
    return StepFailed(*EXPLAINED.get(found[1], otherwise) if found else NOT_IMAP)
