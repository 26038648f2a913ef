"""SMTP submission. No server without a checked certificate gets the password."""

from collections.abc import Mapping
from typing import Any

from connhub.connections.reports import StepFailed

from .base import OFF, VERIFIED, OptionalSignIn, Target, at_once, on_request
from .dialogue import Dialogue
from .mail import NOT_SPOKEN, MailDriver
from .replies import hear_reply
from .words import NO_TLS, NOT_FROM_HERE, NOT_READY, REFUSED, TLS_REQUIRED, WRONG_PASSWORD

READY, SIGNED_IN, DONE, CONTINUE = 220, 235, 250, 334

NOT_SMTP = (
    "What answers there is not an SMTP server.",
    "Check host and port: 587 is usual where TLS is asked for, 465 where it begins at once.",
)

# By the reply code, of RFC 5321 and RFC 4954.
EXPLAINED = {
    421: NOT_READY,
    454: NOT_READY,
    504: NOT_SPOKEN,
    530: TLS_REQUIRED,
    534: (
        "The server wants a stronger way to sign in.",
        "Many mail services want an app password: make one there and use it here.",
    ),
    535: WRONG_PASSWORD,
    538: TLS_REQUIRED,
    554: NOT_FROM_HERE,
}


class SMTP(OptionalSignIn, MailDriver):
    """A mail server that takes mail to be sent on."""

    slug = "smtp"
    label = "SMTP"
    default_port = 587
    does = "Signs in and sends NOOP. No mail is sent."
    tls_starts = (on_request("STARTTLS", 587), at_once(465))
    stranger = NOT_SMTP
    auth_command = "AUTH"

    def greet(self, dialogue: Dialogue) -> None:
        _require(READY, dialogue)

    def start_tls(self, dialogue: Dialogue) -> None:
        if "STARTTLS" not in _extensions(dialogue):
            raise StepFailed(*NO_TLS)
        dialogue.say("STARTTLS")
        code, _ = hear_reply(dialogue)
        if code != READY:
            raise StepFailed(*NO_TLS)

    def sign_in(self, dialogue: Dialogue, target: Target) -> str:
        offered = _extensions(dialogue).get("AUTH", [])
        if not target.user:
            return "Went on without signing in."
        self.authenticate(dialogue, target, offered)
        _require(SIGNED_IN, dialogue)
        return "Signed in."

    def challenge(self, dialogue: Dialogue) -> bytes:
        return _require(CONTINUE, dialogue)[0]

    def sample(self, dialogue: Dialogue, target: Target) -> str:
        dialogue.say("NOOP")
        _require(DONE, dialogue)
        return "NOOP was answered; no mail was sent."

    def dsn(self, parameters: Mapping[str, Any], secrets: Mapping[str, str]) -> str:
        """In the form that Nodemailer takes, which other libraries take too, bar the options."""
        target = self.read(parameters, secrets)
        unchecked = {} if target.tls in {VERIFIED, OFF} else {"tls.rejectUnauthorized": "false"}
        if target.tls_at_once:
            return target.url("smtps", **unchecked)
        start = {"ignoreTLS" if target.tls == OFF else "requireTLS": "true"}
        return target.url("smtp", **start | unchecked)


def _extensions(dialogue: Dialogue) -> dict[str, list[str]]:
    """What the server can do, by keyword. ConnHub names itself by its address: nobody asks."""
    address = dialogue.link.getsockname()[0]
    dialogue.say(f"EHLO [IPv6:{address}]" if ":" in address else f"EHLO [{address}]")
    lines = _require(DONE, dialogue)[1:]
    words = [
        line.decode(errors="replace").upper().replace("AUTH=", "AUTH ").split() for line in lines
    ]
    found: dict[str, list[str]] = {}
    for keyword, *more in filter(None, words):
        found.setdefault(keyword, []).extend(more)
    return found


def _require(code: int, dialogue: Dialogue) -> list[bytes]:
    said, lines = hear_reply(dialogue)
    if said == code:
        return lines
    raise StepFailed(*NOT_SMTP if said < 200 else EXPLAINED.get(said, REFUSED))
