"""SFTP, through Paramiko. Nobody signs in anywhere but at the server with the pinned host key."""

import contextlib
import hmac
import io
import logging
import re
import socket
from collections.abc import Iterator, Mapping
from functools import partial
from types import ModuleType
from typing import Any

from connhub.connections.auth.base import Field
from connhub.connections.reports import StepFailed, Trail

from .base import BadParameter, Driver, Target, library
from .links import plainly, reached
from .words import WRONG_PASSWORD

FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")
# Kept for old servers by Paramiko, broken or close to it.
WEAK = {
    "ciphers": ["aes128-cbc", "aes192-cbc", "aes256-cbc", "3des-cbc"],
    "macs": ["hmac-md5", "hmac-md5-96", "hmac-sha1-96"],
}

BAD_KEY = (
    "The private key can't be read.",
    "It must be an Ed25519, ECDSA or RSA key as OpenSSH writes it, without a passphrase.",
)
NOT_SSH = ("What answers there is not an SSH server.", "Check host and port; the usual port is 22.")
NOTHING_SHARED = (
    "The server and ConnHub have no encryption or host key type in common.",
    "Ask the server's administrator for newer ones, such as Ed25519 and AES in counter mode.",
)
UNPINNED = "Compare it with what the server's administrator names, then enter it as fingerprint."
ANOTHER_KEY = (
    "Ask the server's administrator whether its key has changed; if not, someone is in between."
)
WRONG_KEY = (
    "The server does not accept this user and private key.",
    "Check the user, and that the key's public half is among the user's authorized keys.",
)
NOT_THIS_WAY = (
    "The server does not let this user sign in this way.",
    "Try a private key instead of a password, or the other way round.",
)
SECOND_FACTOR = (
    "The server wants more than one proof from this user.",
    "Use a user who signs in with a password or a private key alone.",
)
NO_SFTP = (
    "The server lets this user in but offers no SFTP.",
    "Ask its administrator to turn the SFTP subsystem on for the user.",
)

# Paramiko's own log would quote what servers send.
unheard = logging.getLogger(f"{__name__}.unheard")
unheard.addFilter(lambda record: False)


class SFTP(Driver):
    """An SSH server that keeps files."""

    slug = "sftp"
    label = "SFTP"
    does = "Compares the server's host key, signs in and looks for the folder where sessions begin."
    schemes = ("sftp", "sftp")
    default_port = 22

    def sign_in_fields(self) -> tuple[Field, ...]:
        return (
            Field("user", "User"),
            Field("password", "Password", secret=True, required=False),
            Field(
                "private_key",
                "Private key",
                help="Instead of a password. Without a passphrase: ConnHub encrypts it itself.",
                kind="multiline",
                secret=True,
                required=False,
                placeholder="-----BEGIN OPENSSH PRIVATE KEY-----",
            ),
        )

    def security_fields(self) -> tuple[Field, ...]:
        return (
            Field(
                "host_key",
                "Host key fingerprint",
                help="Nobody signs in without it. Left empty, the test shows the server's.",
                required=False,
                placeholder="SHA256:",
            ),
        )

    def read(self, parameters: Mapping[str, Any], secrets: Mapping[str, str]) -> Target:
        target = super().read(parameters, secrets)
        if not target.password and not target.more["private_key"]:
            raise BadParameter("password", "A password or a private key is needed.")
        host_key = target.more["host_key"]
        if host_key and not FINGERPRINT.fullmatch(host_key):
            text = (
                "Host key fingerprint must be SHA256: and 43 characters, as ssh-keygen -l shows it."
            )
            raise BadParameter("host_key", text)
        return target

    def require_complete(self, parameters: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
        """Besides, there is nothing to sign in to without a host key; a test alone may show it."""
        if not parameters.get("host_key"):
            text = "Enter the server's host key fingerprint. Test Connection shows it."
            raise BadParameter("host_key", text)
        super().require_complete(parameters, secrets)

    def try_out(self, target: Target, trail: Trail, ends_at: float) -> None:
        ssh = library("paramiko")
        key = _private_key(ssh, target)
        with reached(target, trail, ends_at, partial(_explain, ssh)) as link:
            trail.begin("Host key", "The server has the host key that is expected.")
            with _secured(ssh, link) as session:
                _require_pinned(session.get_remote_server_key().fingerprint, target)
                trail.begin("Sign in", f"Signed in with a {'private key' if key else 'password'}.")
                _sign_in(ssh, session, target, key)
                trail.begin("Sample query", "The folder where sessions begin is there.")
                _find_folder(ssh, session)


def _private_key(ssh: ModuleType, target: Target) -> Any:
    """The key to sign in with, or None where it is a password.

    None is ever decrypted: how long that takes is for the key to say.
    """
    text = target.more["private_key"]
    if not text:
        return None
    for kind in (ssh.Ed25519Key, ssh.ECDSAKey, ssh.RSAKey):
        with contextlib.suppress(Exception):  # of another kind, or anything at all
            return kind.from_private_key(io.StringIO(text))
    raise StepFailed(*BAD_KEY)


@contextlib.contextmanager
def _secured(ssh: ModuleType, link: socket.socket) -> Iterator[Any]:
    """A session that is encrypted, with nobody knows whom yet."""
    greeting = link.recv(4, socket.MSG_PEEK)
    if not greeting:
        raise ConnectionResetError
    if not b"SSH-".startswith(greeting):
        raise StepFailed(*NOT_SSH)
    session = ssh.Transport(link, disabled_algorithms=WEAK)
    session.set_log_channel(unheard.name)
    try:
        session.start_client()
        yield session
    finally:
        session.close()


def _require_pinned(shown: str, target: Target) -> None:
    pinned = target.more["host_key"]
    if not pinned:
        raise StepFailed(f"The server shows the host key {shown}.", UNPINNED)
    if not hmac.compare_digest(shown, pinned):
        raise StepFailed(f"The server shows another host key: {shown}.", ANOTHER_KEY)


def _sign_in(ssh: ModuleType, session: Any, target: Target, key: Any) -> None:
    try:
        if key:
            session.auth_publickey(target.user, key)
        else:
            session.auth_password(target.user, target.password)
    except ssh.BadAuthenticationType:
        raise StepFailed(*NOT_THIS_WAY) from None
    except ssh.AuthenticationException:
        if not session.is_active():  # it hung up instead of answering
            raise ConnectionResetError from None
        raise StepFailed(*WRONG_KEY if key else WRONG_PASSWORD) from None
    if not session.is_authenticated():
        raise StepFailed(*SECOND_FACTOR)


def _find_folder(ssh: ModuleType, session: Any) -> None:
    try:
        with ssh.SFTPClient.from_transport(session) as files:
            files.stat(".")
    except (ssh.SSHException, ssh.SFTPError, OSError):
        if not session.is_active():
            raise ConnectionResetError from None
        raise StepFailed(*NO_SFTP) from None


def _explain(ssh: ModuleType, error: Exception) -> StepFailed:
    if isinstance(error, ssh.IncompatiblePeer):
        return StepFailed(*NOTHING_SHARED)
    return plainly(error, NOT_SSH)
