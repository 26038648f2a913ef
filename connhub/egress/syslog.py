"""Lines to the operator's syslog (RFC 5424), over UDP (RFC 5426), TCP (RFC 6587) or a local socket.

The address is the operator's own setting, like the database's, and no person's: no egress rule.
"""

import os
import select
import socket
from datetime import datetime
from typing import NamedTuple
from urllib.parse import urlsplit

TIMEOUT_S = 5.0
PORTS = {"udp": 514, "tcp": 601}
NOTICE_OF_AUDIT = 13 * 8 + 5  # facility "log audit", severity "notice"


class BadSyslog(ValueError):
    """The address can't be used; the text says what it must look like."""


class Address(NamedTuple):
    scheme: str
    host: str
    port: int
    path: str


def parse(text: str) -> Address:
    """`tcp://host:601`, `udp://host:514` or `unix:///dev/log`. Raises: BadSyslog."""
    try:
        url = urlsplit(text)
        port = url.port or PORTS.get(url.scheme, 0)
    except ValueError:
        raise BadSyslog("must look like tcp://host:601.") from None
    if url.query or url.fragment or url.username:
        raise BadSyslog("must be scheme, host and port alone.")
    if url.scheme == "unix" and url.path and not url.netloc:
        return Address("unix", "", 0, url.path)
    if url.scheme in PORTS and url.hostname and url.path in ("", "/"):
        return Address(url.scheme, url.hostname, port, "")
    raise BadSyslog("must look like tcp://host:601, udp://host:514 or unix:///dev/log.")


def endpoints(text: str) -> list[tuple[str, int]]:
    """Host and port of such an address, where it has any; of "" none. Raises: BadSyslog."""
    address = parse(text) if text else None
    return [(address.host, address.port)] if address and address.host else []


class Syslog:
    """A connection that is made when the first line is sent, and again after it failed."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._socket: socket.socket | None = None
        self._host = socket.gethostname()[:255] or "-"

    def send(self, moment: datetime, text: str) -> None:
        """Hand one line to the network. Raises: OSError."""
        line = (
            f"<{NOTICE_OF_AUDIT}>1 {moment.isoformat()} {self._host} connhub {os.getpid()} audit - "
        )
        message = line.encode() + text.encode()
        if self._address.scheme == "tcp":
            message = b"%d %b" % (len(message), message)
        if self._socket is None:
            self._socket = self._connect()
        try:
            self._check_peer()
            self._socket.sendall(message)
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _connect(self) -> socket.socket:
        where = self._address
        if where.scheme == "unix":
            made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            made.settimeout(TIMEOUT_S)
            made.connect(where.path)
        elif where.scheme == "tcp":
            made = socket.create_connection((where.host, where.port), timeout=TIMEOUT_S)
        else:
            family, _, _, _, found = socket.getaddrinfo(
                where.host, where.port, type=socket.SOCK_DGRAM
            )[0]
            made = socket.socket(family, socket.SOCK_DGRAM)
            made.settimeout(TIMEOUT_S)
            made.connect(found)
        return made

    def _check_peer(self) -> None:
        """A collector that went away is noticed before the line is written, not after."""
        assert self._socket is not None
        if self._address.scheme != "tcp":
            return
        readable, _, _ = select.select([self._socket], [], [], 0)
        if readable and self._socket.recv(1, socket.MSG_PEEK) == b"":
            raise ConnectionResetError
