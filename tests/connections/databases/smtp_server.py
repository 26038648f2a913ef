"""An SMTP server for the drivers' tests: TLS when asked for, and on another port at once."""

import asyncio
import hmac
import os
import secrets
import ssl
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

from tests.servers.certificates import make_certificate
from tests.servers.process import free_port, listens, python, running, temporary_folder

HOST = "127.0.0.1"
BEYOND_ASCII = "ä/"  # a second password begins with it, which smtplib itself could not send


@dataclass(frozen=True)
class SMTPServer:
    """How to reach it. It takes PLAIN and LOGIN over TLS alone, CRAM-MD5 on `plain_port`."""

    starttls_port: int
    tls_port: int
    plain_port: int
    user: str
    password: str
    ca_file: str


@contextmanager
def smtp() -> Iterator[SMTPServer]:
    """Run one while the block lasts."""
    folder = temporary_folder("smtp")
    files = make_certificate(folder)
    ports = free_port(), free_port(), free_port()
    server = SMTPServer(*ports, "flow", secrets.token_urlsafe(12), str(files.ca))
    with running(
        python("tests.connections.databases.smtp_server", *ports, files.certificate, files.key),
        folder=folder,
        ready=lambda: all(map(listens, ports)),
        env={"SMTP_PASSWORD": server.password},
    ):
        yield server


class Handler:
    """Takes no mail; knows one user, with two passwords."""

    def __init__(self, password: str) -> None:
        self.passwords = [password.encode(), f"{BEYOND_ASCII}{password}".encode()]

    def authenticate(self, server, session, envelope, mechanism, given):
        known = given in [LoginPassword(b"flow", password) for password in self.passwords]
        return AuthResult(success=known, handled=False)


class ChallengeHandler(Handler):
    async def auth_CRAM__MD5(self, server, arguments):  # noqa: N802 - aiosmtpd's own form
        challenge = secrets.token_hex(8).encode()
        answer = await server.challenge_auth(challenge)
        digests = [hmac.digest(password, challenge, "md5").hex() for password in self.passwords]
        known = answer in [f"flow {digest}".encode() for digest in digests]
        return AuthResult(success=known, handled=False)


async def serve(ports: list[int], certificate: str, key: str, password: str) -> None:
    """Listen until stopped."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    loop, handler, challenge = (
        asyncio.get_running_loop(), Handler(password), ChallengeHandler(password)
    )  # fmt: skip

    def talk(handler, **options):
        return lambda: SMTP(handler, hostname="mail.example", loop=loop, **options)

    known = {"authenticator": handler.authenticate}
    methods = {"auth_exclude_mechanism": ["PLAIN", "LOGIN"], "auth_require_tls": False}
    await loop.create_server(
        talk(handler, tls_context=tls, require_starttls=True, **known), HOST, ports[0]
    )
    await loop.create_server(
        talk(handler, auth_require_tls=False, **known), HOST, ports[1], ssl=tls
    )
    await loop.create_server(talk(challenge, **methods), HOST, ports[2])
    await asyncio.Event().wait()


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    asyncio.run(
        serve([int(port) for port in sys.argv[1:4]], *sys.argv[4:6], os.environ["SMTP_PASSWORD"])
    )
