"""What mail servers have in common: how one signs in to them (SASL, RFC 4422)."""

import hmac
from abc import abstractmethod
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable
from typing import ClassVar

from connhub.connections.auth.base import Field
from connhub.connections.reports import StepFailed

from .base import VERIFIED, Target
from .dialogue import Dialogue, SpokenDriver
from .words import DISCLOSES

NOT_SPOKEN = (
    "The server offers no way to sign in that ConnHub knows.",
    "It has to offer PLAIN, LOGIN or CRAM-MD5; some servers do so only with TLS.",
)


class MailDriver(SpokenDriver):
    """A mail server. Without a checked certificate it never gets the password itself."""

    without_tls = "only with CRAM-MD5 sign-in; mail can be read on the way"
    auth_command: ClassVar[str]  # what a mechanism's name follows

    def sign_in_fields(self) -> tuple[Field, ...]:
        return (Field("user", "User"), Field("password", "Password", secret=True))

    def authenticate(
        self,
        dialogue: Dialogue,
        target: Target,
        offered: Iterable[str],
        otherwise: Callable[[Dialogue, Target], None] | None = None,
    ) -> None:
        """Sign in by the mechanism that discloses least among those the server offers.

        `otherwise` is what the protocol has for servers without any of them: it sends the
        password. What the server says to the last line is left to be heard.

        Raises:
            StepFailed: there is no way, it would disclose the password, or the server refuses it.
        """
        usable = [name for name in MECHANISMS if name in offered]
        if not usable and otherwise is None:
            raise StepFailed(*NOT_SPOKEN)
        if target.tls != VERIFIED and usable[:1] != ["CRAM-MD5"]:
            raise StepFailed(*DISCLOSES)
        if not usable and otherwise:
            return otherwise(dialogue, target)
        dialogue.say(f"{self.auth_command} {usable[0]}")
        for respond in MECHANISMS[usable[0]]:
            challenge = self.challenge(dialogue)
            dialogue.say(b64encode(respond(target, challenge)).decode())
        return None

    @abstractmethod
    def challenge(self, dialogue: Dialogue) -> bytes:
        """What the server wants an answer to, Base64 as it came. Raises: StepFailed."""


def _cram_md5(target: Target, challenge: bytes) -> bytes:
    """RFC 2195: only a digest of the password is sent, made for this challenge."""
    key = b64decode(challenge, validate=True)
    return f"{target.user} {hmac.digest(target.password.encode(), key, 'md5').hex()}".encode()


def _plain(target: Target, challenge: bytes) -> bytes:
    """RFC 4616: the password is sent."""
    return f"\0{target.user}\0{target.password}".encode()


def _user(target: Target, challenge: bytes) -> bytes:
    return target.user.encode()


def _password(target: Target, challenge: bytes) -> bytes:
    return target.password.encode()


# The ways to sign in, the one that discloses least first: what is answered to each challenge.
MECHANISMS: dict[str, tuple[Callable[[Target, bytes], bytes], ...]] = {
    "CRAM-MD5": (_cram_md5,),
    "PLAIN": (_plain,),
    "LOGIN": (_user, _password),  # what many servers offer beside PLAIN or instead
}
