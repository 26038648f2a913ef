"""FTP and FTPS (RFC 959, RFC 4217). Its sign-in sends the password itself."""

from collections.abc import Mapping
from typing import Any

from connhub.connections.reports import StepFailed

from .base import OFF, OptionalSignIn, Target, at_once, on_request
from .dialogue import Dialogue, SpokenDriver
from .links import require_may_tell
from .replies import hear_reply
from .words import (
    NO_PASSWORD_EITHER,
    NO_TLS,
    NOT_READY,
    REFUSED,
    TLS_REQUIRED,
    TOO_MANY,
    WRONG_PASSWORD,
)

READY, SIGNED_IN, SECURE, FOLDER, NEEDS_PASSWORD, REJECTED = 220, 230, 234, 257, 331, 530
ANONYMOUS = "anonymous"

NOT_FTP = (
    "What answers there is not an FTP server.",
    "Check host and port: 21 is usual where TLS is asked for, 990 where it begins at once.",
)
MORE_WANTED = (
    "The server wants an account besides user and password.",
    "Use a user who signs in with a password alone.",
)

# By the reply code.
EXPLAINED = {
    332: MORE_WANTED,
    421: TOO_MANY,
    430: WRONG_PASSWORD,
    431: NOT_READY,
    REJECTED: WRONG_PASSWORD,
    534: TLS_REQUIRED,
    550: TLS_REQUIRED,
}


class FTP(OptionalSignIn, SpokenDriver):
    """A file server, with TLS or without. The test opens no connection for data."""

    slug = "ftp"
    label = "FTP and FTPS"
    default_port = 21
    does = "Signs in and asks for the folder where sessions begin. No file is touched."
    without_tls = NO_PASSWORD_EITHER
    tls_starts = (on_request("explicit FTPS", 21), at_once(990))
    without_user = "Empty for an anonymous sign-in."
    stranger = NOT_FTP

    def greet(self, dialogue: Dialogue) -> None:
        code, _ = hear_reply(dialogue)
        if code != READY:
            raise _refusal(code)

    def start_tls(self, dialogue: Dialogue) -> None:
        if _ask(dialogue, "AUTH TLS") != SECURE:
            raise StepFailed(*NO_TLS)

    def sign_in(self, dialogue: Dialogue, target: Target) -> str:
        code = _ask(dialogue, f"USER {target.user or ANONYMOUS}")
        if code == REJECTED and target.tls == OFF:  # before it has seen a password
            raise StepFailed(*TLS_REQUIRED)
        if code == NEEDS_PASSWORD:
            if target.password:
                require_may_tell(dialogue.link, target)
            code = _ask(dialogue, f"PASS {target.password or ANONYMOUS}")
        if code != SIGNED_IN:
            raise _refusal(code)
        return "Signed in." if target.user else "Signed in as anonymous."

    def sample(self, dialogue: Dialogue, target: Target) -> str:
        code = _ask(dialogue, "PWD")
        if code != FOLDER:
            raise _refusal(code)
        return "The folder where sessions begin is there."

    def dsn(self, parameters: Mapping[str, Any], secrets: Mapping[str, str]) -> str:
        """With `ftpes` for TLS that is asked for, as FileZilla writes it."""
        target = self.read(parameters, secrets)
        asked_for = "ftp" if target.tls == OFF else "ftpes"
        return target.url("ftps" if target.tls_at_once else asked_for)


def _ask(dialogue: Dialogue, line: str) -> int:
    dialogue.say(line)
    code, _ = hear_reply(dialogue)
    return code


def _refusal(code: int) -> StepFailed:
    return StepFailed(*NOT_FTP if code < 200 else EXPLAINED.get(code, REFUSED))
