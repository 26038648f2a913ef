"""Message servers for the drivers' tests: Mosquitto and NATS of the tests' own, and TLS before a port."""

import asyncio
import secrets
import shutil
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.servers.certificates import make_certificate
from tests.servers.process import free_port, listens, python, running, temporary_folder, unavailable

HOST = "127.0.0.1"
USER = "flow"
RABBITMQ_PORT = 5672  # where this machine's own listens, with guest, who may come from here alone


@dataclass(frozen=True)
class Broker:
    """How to reach it; both ports want the user and the password."""

    plain_port: int
    tls_port: int
    user: str
    password: str
    ca_file: str


@contextmanager
def mosquitto() -> Iterator[Broker]:
    """Run one while the block lasts."""
    program = _program("mosquitto")
    folder, server, files = _prepared("mosquitto")
    passwords = folder / "passwords"
    passwords.touch(mode=0o600)
    subprocess.run(
        [_program("mosquitto_passwd"), "-b", str(passwords), server.user, server.password],
        check=True,
    )
    configuration = folder / "mosquitto.conf"
    configuration.write_text(
        f"""
per_listener_settings false
allow_anonymous false
password_file {passwords}
user root
listener {server.plain_port} {HOST}
listener {server.tls_port} {HOST}
certfile {files.certificate}
keyfile {files.key}
"""
    )
    with running([program, "-c", str(configuration)], folder=folder, ready=lambda: _is_up(server)):
        yield server


@dataclass(frozen=True)
class NATSServers:
    """Two that want a user and a password, with TLS and without, and one that wants a token."""

    by_user: Broker
    token_port: int
    token: str


@contextmanager
def nats() -> Iterator[NATSServers]:
    """Run them while the block lasts."""
    folder, server, files = _prepared("nats")
    servers = NATSServers(server, free_port(), secrets.token_urlsafe(12))
    who = f'authorization {{ user: {server.user}, password: "{server.password}" }}\n'
    tls = f'tls {{ cert_file: "{files.certificate}", key_file: "{files.key}" }}\n'
    token = f'authorization {{ token: "{servers.token}" }}\n'
    with (
        _one_nats(folder, server.tls_port, who + tls),
        _one_nats(temporary_folder("nats"), server.plain_port, who),
        _one_nats(temporary_folder("nats"), servers.token_port, token),
    ):
        yield servers


def _one_nats(folder: Path, port: int, content: str) -> AbstractContextManager[None]:
    program, configuration = _program("nats-server"), folder / "nats.conf"
    configuration.write_text(f"listen: {HOST}:{port}\n{content}")
    command = [program, "-c", str(configuration)]
    return running(command, folder=folder, ready=lambda: listens(port))


def require_rabbitmq() -> None:
    """Skip, or in CI fail, where none answers on this machine."""
    if not listens(RABBITMQ_PORT):
        unavailable(f"No RabbitMQ answers at {HOST}:{RABBITMQ_PORT}.")


@contextmanager
def behind_tls(port: int) -> Iterator[tuple[int, str]]:
    """A port with TLS that passes on to one without, and the file of its authority."""
    folder, own_port = temporary_folder("tls"), free_port()
    files = make_certificate(folder)
    with running(
        python("tests.connections.databases.brokers", files.certificate, files.key, own_port, port),
        folder=folder,
        ready=lambda: listens(own_port),
    ):
        yield own_port, str(files.ca)


async def pass_on(certificate: str, key: str, own_port: int, port: int) -> None:
    """Serve until stopped."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    async def pump(reader, writer):
        with suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def meet(reader, writer):
        behind = await asyncio.open_connection(HOST, port)
        await asyncio.gather(pump(reader, behind[1]), pump(behind[0], writer))

    async with await asyncio.start_server(meet, HOST, own_port, ssl=context) as server:
        await server.serve_forever()


def _prepared(name: str):
    folder = temporary_folder(name)
    files = make_certificate(folder)
    password = secrets.token_urlsafe(12)
    return folder, Broker(free_port(), free_port(), USER, password, str(files.ca)), files


def _is_up(server: Broker) -> bool:
    return listens(server.plain_port) and listens(server.tls_port)


def _program(name: str) -> str:
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if not found:
        unavailable(f"{name} is not installed.")
    return str(found)


if __name__ == "__main__":
    asyncio.run(pass_on(*sys.argv[1:3], *map(int, sys.argv[3:5])))
