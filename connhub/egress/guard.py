"""Decides where ConnHub may connect to: every connection to the outside asks here first."""

import asyncio
import contextlib
import functools
import logging
import socket
import time
from ipaddress import ip_address

from django.conf import settings
from django.dispatch import Signal

from . import denied
from .address import ANY_PORT, Target, parse_url
from .allowed import Allowed, allowed_by, parse_allow_list
from .denied import IPAddress
from .errors import BadAddress, TLSFailed, Unreachable
from .host import parse_host

__all__ = [
    "ANY_PORT",
    "Allowed",
    "BadAddress",
    "CheckedAddress",
    "TLSFailed",
    "Target",
    "Unreachable",
    "aannounce",
    "announce",
    "aresolve",
    "check",
    "exception_used",
    "parse_allow_list",
    "parse_host",
    "parse_url",
    "refusal",
    "resolve",
]

log = logging.getLogger(__name__)

# Sent with host, port and entry (its text) just before a connection is made that only an
# allow-list entry permits. A receiver that raises prevents the connection.
exception_used = Signal()

EVERYWHERE = frozenset({"", "*", "0.0.0.0", "::", "[::]"})  # noqa: S104


class CheckedAddress(str):
    """An IP address that the guard let through; `entry` is the exception it took, if any.

    The type is the proof: the modules that connect take nothing else.
    """

    __slots__ = ("entry",)
    entry: Allowed | None

    def __new__(cls, address: IPAddress, entry: Allowed | None = None) -> "CheckedAddress":
        checked = super().__new__(cls, address)
        checked.entry = entry
        return checked


def resolve(host: str, port: int) -> list[CheckedAddress]:
    """Look `host` up, once, and return its addresses, all of them checked for `port`.

    Raises:
        Unreachable: the host is malformed or unknown, or one of its addresses is forbidden.
    """
    try:
        host = parse_host(host)
        answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except BadAddress:
        raise Unreachable("malformed") from None
    except (OSError, ValueError, OverflowError):
        raise refusal(host, port, "unresolvable") from None
    addresses = dict.fromkeys(str(answer[4][0]) for answer in answers)
    return [check(address, port, host) for address in addresses]


async def aresolve(host: str, port: int) -> list[CheckedAddress]:
    """Like `resolve`, in a thread."""
    return await asyncio.to_thread(resolve, host, port)


def check(ip: str, port: int, host: str) -> CheckedAddress:
    """Let `ip`, which `host` resolved to, through for `port`.

    Raises:
        Unreachable: it is forbidden and no allow-list entry covers it, or it is ConnHub's own.
    """
    address = ip_address(ip)
    if denied.never(address):
        raise refusal(host, port, "denied")
    if _is_own(address, port, host):
        raise refusal(host, port, "own endpoint")
    if not denied.why(address) and not denied.why_name(host):
        return CheckedAddress(address)
    entry = allowed_by(host, port, address)
    if entry is None:
        raise refusal(host, port, "denied")
    return CheckedAddress(address, entry)


def announce(host: str, port: int, address: CheckedAddress) -> None:
    """Send `exception_used` where a connection to `address` takes an exception."""
    if address.entry:
        exception_used.send(Allowed, host=host, port=port, entry=address.entry.text)


async def aannounce(host: str, port: int, address: CheckedAddress) -> None:
    """Like `announce`, from a coroutine."""
    if address.entry:
        await exception_used.asend(Allowed, host=host, port=port, entry=address.entry.text)


def refusal(host: str, port: int, reason: str) -> Unreachable:
    """The error to raise; the true reason goes to the log alone."""
    log.warning("No connection to %s port %s: %s", host, port, reason)
    return Unreachable(reason)


def is_local(address: IPAddress) -> bool:
    """Whether the address is one of this machine's own.

    The kernel answers: it would use such an address as the source of what it sends there.
    Nothing is sent.
    """
    if address.is_loopback:
        return True
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
        probe.connect((str(address), 9))
        return ip_address(probe.getsockname()[0]) == address
    return False


def _is_own(address: IPAddress, port: int, host: str) -> bool:
    return any(
        port == own_port and (host == own_host or _is_at(own_host, address))
        for own_host, own_port in settings.CONNHUB_OWN_ENDPOINTS
    )


def _is_at(own_host: str, address: IPAddress) -> bool:
    """Whether a listener known as `own_host` would answer at `address`.

    One on this machine may listen on more addresses than it is known by: all of them count.
    """
    if own_host in EVERYWHERE:
        return is_local(address)
    try:
        own = _addresses(own_host, minute=int(time.monotonic() // 60))
    except OSError:
        return False
    return address in own or (is_local(address) and any(is_local(each) for each in own))


@functools.lru_cache(maxsize=64)
def _addresses(own_host: str, minute: int) -> frozenset[IPAddress]:
    """Looked up once a minute: ConnHub's public port is that of most connections."""
    answers = socket.getaddrinfo(own_host.strip("[]"), None, type=socket.SOCK_STREAM)
    return frozenset(ip_address(answer[4][0]) for answer in answers)
