"""A Redis server of the tests' own: a password, an ACL user, a plain and a TLS port."""

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers.certificates import CertificateFiles, make_certificate
from tests.servers.process import free_port, listens, running, temporary_folder, unavailable


@dataclass(frozen=True)
class RedisServer:
    """How to reach it. `user` with `password` may do all; so may the default user with its own."""

    host: str
    port: int
    tls_port: int
    user: str
    password: str
    default_password: str
    ca_file: str


@contextmanager
def redis() -> Iterator[RedisServer]:
    """Run a Redis that keeps nothing on disk while the block lasts."""
    folder = temporary_folder("redis")
    certificate = make_certificate(folder)
    server = RedisServer(
        host="127.0.0.1",
        port=free_port(),
        tls_port=free_port(),
        user="connhub",
        password=secrets.token_urlsafe(16),
        default_password=secrets.token_urlsafe(16),
        ca_file=str(certificate.ca),
    )
    with running(
        ["redis-server", str(_configuration(folder, server, certificate))],
        folder=folder,
        ready=lambda: listens(server.port) and listens(server.tls_port),
    ):
        yield server


def require_redis() -> None:
    """Skip, or in CI fail, where redis-server is missing."""
    if not shutil.which("redis-server"):
        unavailable("redis-server is not installed.")


def _configuration(folder: Path, server: RedisServer, certificate: CertificateFiles) -> Path:
    path = folder / "redis.conf"
    path.touch(mode=0o600)
    path.write_text(
        f"""
bind 127.0.0.1
port {server.port}
tls-port {server.tls_port}
tls-cert-file {certificate.certificate}
tls-key-file {certificate.key}
tls-ca-cert-file {certificate.ca}
tls-auth-clients no
requirepass {server.default_password}
user {server.user} on >{server.password} ~* &* +@all
dir {folder}
save ""
appendonly no
daemonize no
"""
    )
    return path
