"""Plain TCP: connections of our own, and checked addresses for drivers that connect themselves."""

import socket
import time
from collections.abc import Sequence

from . import guard

CONNECT_S = 5.0
LEAST_S = 0.01


def open_socket(host: str, port: int, *, timeout: float = CONNECT_S) -> socket.socket:
    """Connect to `host`, at one of its checked addresses, within `timeout` seconds in all.

    The name's lookup has the system's own time limit. The socket keeps `timeout` for each read
    and write.

    Raises:
        Unreachable: policy, name, network or time does not permit it.
    """
    return connect_to(host, port, guard.resolve(host, port), timeout=timeout)


def connect_to(
    host: str,
    port: int,
    addresses: Sequence[guard.CheckedAddress],
    *,
    timeout: float = CONNECT_S,
) -> socket.socket:
    """Like `open_socket`, where `host` was looked up already."""
    ends_at = time.monotonic() + timeout
    for index, address in enumerate(addresses):
        guard.announce(host, port, address)
        # No address may use up the time of those after it.
        share_s = (ends_at - time.monotonic()) / (len(addresses) - index)
        try:
            connection = _connect(address, port, max(share_s, LEAST_S))
        except TimeoutError:
            reason = "timeout"
        except OSError:
            reason = "closed"
        else:
            connection.settimeout(timeout)
            return connection
    raise guard.refusal(host, port, reason)


def pin(host: str, port: int) -> str:
    """Return the checked address that a database driver has to connect to instead of `host`.

    It is the first one that this machine has a route to. Counts as a connection: an exception
    that it takes is announced.

    Raises:
        Unreachable: policy or name does not permit it.
    """
    addresses = guard.resolve(host, port)
    address = next(filter(_has_route, addresses), addresses[0])
    guard.announce(host, port, address)
    return address


def _connect(address: guard.CheckedAddress, port: int, timeout_s: float) -> socket.socket:
    connection = socket.socket(_family(address), socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout_s)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.connect((address, port))
    except BaseException:
        connection.close()
        raise
    return connection


def _has_route(address: guard.CheckedAddress) -> bool:
    """Ask the kernel; a datagram socket that connects sends nothing."""
    with socket.socket(_family(address), socket.SOCK_DGRAM) as probe:
        return probe.connect_ex((address, 9)) == 0


def _family(address: guard.CheckedAddress) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET
