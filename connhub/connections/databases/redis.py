"""Redis, Valkey and what speaks RESP2. Its sign-in sends the password itself."""

import re
from collections.abc import Mapping
from typing import Any

from connhub.connections.auth.base import Field
from connhub.connections.reports import StepFailed

from .base import OFF, VERIFIED, BadParameter, Target
from .dialogue import MAX_ANSWER, Dialogue, SpokenDriver
from .links import require_may_tell
from .words import (
    NO_PASSWORD_EITHER,
    NOT_READY,
    REFUSED,
    TOO_MANY,
    UNKNOWN_DATABASE,
    WRONG_PASSWORD,
)

MAX_DATABASE = 2**31 - 1

NOT_REDIS = (
    "What answers there is not a Redis server.",
    "Check host and port: 6379 is usual without TLS. A port with TLS takes nothing else.",
)

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


class Redis(SpokenDriver):
    """Redis, Valkey and what speaks their protocol."""

    slug = "redis"
    label = "Redis"
    default_port = 6379
    does = "Signs in, picks the database and sends PING."
    without_tls = NO_PASSWORD_EITHER
    stranger = NOT_REDIS

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

    def sign_in(self, dialogue: Dialogue, target: Target) -> str:
        if target.password:
            require_may_tell(dialogue.link, target)
            _call(dialogue, "AUTH", *([target.user] if target.user else []), target.password)
        if int(target.database):
            _call(dialogue, "SELECT", target.database)
        return "Signed in." if target.password else "Went on without a password."

    def sample(self, dialogue: Dialogue, target: Target) -> str:
        if _call(dialogue, "PING") != "PONG":
            raise StepFailed(*NOT_REDIS)
        return f"PING answered PONG{_version(dialogue)}."

    def explain(self, error: Exception) -> StepFailed:
        if not isinstance(error, Rejected):
            return super().explain(error)
        found = (ours for theirs, ours in EXPLAINED if re.match(theirs, str(error)))
        return StepFailed(*next(found, REFUSED))

    def dsn(self, parameters: Mapping[str, Any], secrets: Mapping[str, str]) -> str:
        target = self.read(parameters, secrets)
        if target.tls == OFF:
            return target.url("redis")
        return target.url("rediss", **({} if target.tls == VERIFIED else {"ssl_cert_reqs": "none"}))


class Rejected(Exception):
    """The server answered with an error; the text is the server's."""


def _call(dialogue: Dialogue, *words: str) -> str:
    """Send one command by RESP2 and return its answer, one line or one bounded string.

    Raises:
        Rejected: the answer is an error.
        StepFailed: it is no answer that a Redis server would give.
    """
    parts = [word.encode() for word in words]
    sizes = [b"$%d\r\n%b\r\n" % (len(part), part) for part in parts]
    dialogue.send(b"*%d\r\n" % len(parts) + b"".join(sizes))
    line = dialogue.hear()
    kind, rest = line[:1], line[1:]
    if kind == b"-":
        raise Rejected(rest.decode(errors="replace"))
    if kind == b"$" and rest.isdigit() and len(rest) <= len(str(MAX_ANSWER)):
        rest = dialogue.read(int(rest) + 2).removesuffix(b"\r\n")
    elif kind != b"+":
        raise StepFailed(*NOT_REDIS)
    return rest.decode(errors="replace")


def _version(dialogue: Dialogue) -> str:
    """The server's version, if this user may know."""
    try:
        said = _call(dialogue, "INFO", "server")
    except Rejected:
        return ""
    number = re.search(r"^redis_version:([0-9]{1,3}(?:\.[0-9]{1,3}){1,2})", said, re.MULTILINE)
    return f", by version {number[1]}" if number else ""
