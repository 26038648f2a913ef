"""NATS. Its sign-in sends the password or the token itself."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from connhub.connections.auth.base import Field
from connhub.connections.reports import StepFailed

from .base import AT_ONCE, OFF, STARTTLS, BadParameter, OptionalSignIn, Target
from .dialogue import MAX_ANSWER, Dialogue, SpokenDriver
from .links import require_may_tell
from .words import (
    NO_PASSWORD_EITHER,
    NO_TLS,
    REFUSED,
    TLS_REQUIRED,
    TOO_MANY,
    WRONG_PASSWORD,
)

NOT_NATS = (
    "What answers there is not a NATS server.",
    "Check host and port; the usual port for clients is 4222.",
)

# What errors contain, and what ConnHub makes of it.
EXPLAINED = (
    (b"authorization", WRONG_PASSWORD),
    (b"authentication", WRONG_PASSWORD),
    (b"maximum connections", TOO_MANY),
)


class NATS(OptionalSignIn, SpokenDriver):
    """A server that passes messages on."""

    slug = "nats"
    label = "NATS"
    default_port = 4222
    does = "Signs in and sends PING. No message is sent."
    without_tls = NO_PASSWORD_EITHER
    tls_starts = (
        (STARTTLS, "After the server's greeting, as is usual"),
        (AT_ONCE, "At once (handshake first)"),
    )
    without_user = "Empty with a token, or where none has to sign in."
    stranger = NOT_NATS

    def sign_in_fields(self) -> tuple[Field, ...]:
        return (
            *super().sign_in_fields(),
            Field("token", "Token", help="Instead of a user.", secret=True, required=False),
        )

    def read(self, parameters: Mapping[str, Any], secrets: Mapping[str, str]) -> Target:
        target = super().read(parameters, secrets)
        if target.user and target.more["token"]:
            raise BadParameter("token", "Give either a user or a token.")
        return target

    def greet(self, dialogue: Dialogue) -> None:
        line = dialogue.hear(most=MAX_ANSWER)  # it names the servers of a cluster
        if not line.startswith(b"INFO {"):
            raise StepFailed(*NOT_NATS)
        dialogue.greeting = line[5:]

    def start_tls(self, dialogue: Dialogue) -> None:
        """Nothing needs to be asked: the greeting says whether the server goes on with TLS."""
        told = json.loads(dialogue.greeting)
        if not (told.get("tls_required") or told.get("tls_available")):
            raise StepFailed(*NO_TLS)

    def sign_in(self, dialogue: Dialogue, target: Target) -> str:
        token = target.more["token"]
        if target.tls == OFF and json.loads(dialogue.greeting).get("tls_required"):
            raise StepFailed(*TLS_REQUIRED)
        if target.password or token:
            require_may_tell(dialogue.link, target)
        options: dict[str, Any] = {"verbose": True, "pedantic": False, "lang": "python"}
        options |= {"name": "ConnHub", "version": "1", "tls_required": target.tls != OFF}
        options |= {"user": target.user, "pass": target.password} if target.user else {}
        options |= {"auth_token": token} if token else {}
        dialogue.say(f"CONNECT {json.dumps(options)}")
        _require(b"+OK", dialogue)
        return "Signed in." if target.user or token else "Went on without signing in."

    def sample(self, dialogue: Dialogue, target: Target) -> str:
        dialogue.say("PING")
        _require(b"PONG", dialogue)
        return "PING was answered; no message was sent."

    def dsn(self, parameters: Mapping[str, Any], secrets: Mapping[str, str]) -> str:
        """The scheme `tls` asks for TLS, whichever way it begins."""
        target = self.read(parameters, secrets)
        who = replace(target, user=target.user or target.more["token"])
        return who.url("nats" if target.tls == OFF else "tls").rstrip("/")


def _require(answer: bytes, dialogue: Dialogue) -> None:
    line = dialogue.hear()
    while line == b"PING" or line.startswith(b"INFO "):  # whenever the server likes
        line = dialogue.hear(most=MAX_ANSWER)
    if line == answer:
        return
    if not line.startswith(b"-ERR"):
        raise StepFailed(*NOT_NATS)
    found = (ours for theirs, ours in EXPLAINED if theirs in line.lower())
    raise StepFailed(*next(found, REFUSED))
