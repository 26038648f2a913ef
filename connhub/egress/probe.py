"""How far one gets on the way to an address, step by step; nothing is asked of who is there."""

import socket
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from . import guard, tcp, tls
from .failures import unreachable

HANDSHAKE_S = 5.0
MAX_SUBJECT = 100  # characters


@dataclass(frozen=True, slots=True)
class Handshake:
    """A TLS connection that was verified: its version, and whose certificate ends when."""

    version: str
    subject: str
    ends_at: datetime


class Reached:
    """An open connection that nothing was sent over yet, and how long the way there took."""

    def __init__(
        self,
        connection: socket.socket,
        addresses: Sequence[guard.CheckedAddress],
        looked_up_ms: int,
        connected_ms: int,
    ) -> None:
        self._socket = connection
        self.addresses = addresses
        self.looked_up_ms, self.connected_ms = looked_up_ms, connected_ms

    def __enter__(self) -> "Reached":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def handshake(self, host: str) -> Handshake:
        """Begin TLS, as every call does. Raises: TLSFailed, NoAnswer."""
        self._socket.settimeout(HANDSHAKE_S)
        try:
            self._socket = tls.context().wrap_socket(self._socket, server_hostname=host)
        except OSError as error:
            raise unreachable(error) from None
        return Handshake(str(self._socket.version()), *_facts(self._socket))


def reach(host: str, port: int) -> Reached:
    """Look `host` up and connect to it, within 5 s from then on; close what is returned.

    Raises: Unreachable, alike whatever the reason.
    """
    began = time.monotonic()
    addresses = guard.resolve(host, port)
    looked_up = time.monotonic()
    connection = tcp.connect_to(host, port, addresses)
    connected = time.monotonic()
    return Reached(
        connection,
        addresses,
        round((looked_up - began) * 1000),
        round((connected - looked_up) * 1000),
    )


def _facts(connection: ssl.SSLSocket) -> tuple[str, datetime]:
    certificate: Any = connection.getpeercert() or {}
    ends_at = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(certificate["notAfter"])), UTC)
    parts = dict(pair for part in certificate.get("subject", ()) for pair in part)
    others = [name for _, name in certificate.get("subjectAltName", ())]
    subject = str(parts.get("commonName") or next(iter(others), "no name"))
    return "".join(filter(str.isprintable, subject))[:MAX_SUBJECT], ends_at
