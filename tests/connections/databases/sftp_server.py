"""An SSH server for the drivers' tests, with SFTP on one port and without on another."""

import asyncio
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncssh
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from tests.servers.process import free_port, listens, python, running, temporary_folder

HOST = "127.0.0.1"


@dataclass(frozen=True)
class SFTPServer:
    """How to reach it. `user` signs in with either, and with keys of the other kinds by name."""

    port: int
    shell_port: int
    host_key: str
    user: str
    password: str
    private_keys: dict[str, str]


@contextmanager
def sftp() -> Iterator[SFTPServer]:
    """Run one while the block lasts."""
    folder, ports = temporary_folder("sftp"), (free_port(), free_port())
    host_key = asyncssh.generate_private_key("ssh-ed25519")
    host_key.write_private_key(folder / "host_key")
    keys = {
        "ssh-ed25519": ed25519.Ed25519PrivateKey.generate(),
        "ecdsa-sha2-nistp256": ec.generate_private_key(ec.SECP256R1()),
        "ssh-rsa": rsa.generate_private_key(65537, 2048),
    }
    (folder / "authorized").write_bytes(b"".join(map(_public, keys.values())))
    server = SFTPServer(
        *ports,
        host_key.get_fingerprint(),
        "flow",
        "pässw0rd/" + secrets.token_urlsafe(12),
        {name: _private(key).decode() for name, key in keys.items()},
    )
    with running(
        python("tests.connections.databases.sftp_server", *ports, folder),
        folder=folder,
        ready=lambda: all(map(listens, ports)),
        env={"SFTP_PASSWORD": server.password},
    ):
        yield server


def _private(key) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())


def _public(key) -> bytes:
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH) + b"\n"


class Door(asyncssh.SSHServer):
    """Lets one user in, by password; keys are those of the file."""

    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == ("flow", os.environ["SFTP_PASSWORD"])


async def serve(port: int, shell_port: int, folder: Path) -> None:
    """Listen until stopped."""
    keys = {
        "server_host_keys": [folder / "host_key"],
        "authorized_client_keys": str(folder / "authorized"),
    }
    await asyncssh.listen(HOST, port, server_factory=Door, sftp_factory=True, **keys)
    await asyncssh.listen(HOST, shell_port, server_factory=Door, **keys)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])))
