"""The operator's allow-list: exact exceptions from the deny table, set outside the web pages."""

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from django.conf import settings

from .denied import IPAddress
from .host import parse_host

ENTRY = re.compile(r"(?P<where>\[[^\]/]*\]|[^\[\]:]*|[^\[\]]*/[0-9]+):(?P<port>[1-9][0-9]{0,4})")


@dataclass(frozen=True, slots=True)
class Allowed:
    """One entry: a name or a network, and the one port that may be reached there."""

    text: str
    port: int
    name: str | None = None
    network: IPv4Network | IPv6Network | None = None

    def covers(self, host: str, port: int, address: IPAddress | None = None) -> bool:
        """Whether it lets `host` be reached on `port`, being (or resolved to) `address`."""
        if port != self.port:
            return False
        if self.network is None:
            return host == self.name
        return address is not None and address in self.network


def parse_allow_list(entries: Iterable[str]) -> tuple[Allowed, ...]:
    """Read entries of the forms host:port, ip:port, [ipv6]:port and cidr:port.

    Raises:
        ValueError: an entry is of none of these forms; the message names it.
    """
    return tuple(_parse(entry) for entry in entries)


def allowed_by(host: str, port: int, address: IPAddress | None = None) -> Allowed | None:
    """The first entry of CONNHUB_EGRESS_ALLOW that covers the target, or None."""
    entries = _parsed(tuple(settings.CONNHUB_EGRESS_ALLOW))
    return next((entry for entry in entries if entry.covers(host, port, address)), None)


def literal(host: str) -> IPAddress | None:
    """The address that a parsed host is, or None for a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None


_parsed = functools.lru_cache(maxsize=8)(parse_allow_list)


def _parse(entry: str) -> Allowed:
    try:
        found = ENTRY.fullmatch(entry)
        if not found or int(found["port"]) > 65535:
            raise ValueError
        return _entry(entry, found["where"], int(found["port"]))
    except ValueError:
        raise ValueError(
            f"{entry!r} is not an allow-list entry: write host:port, ip:port, [ipv6]:port "
            "or network/bits:port."
        ) from None


def _entry(text: str, where: str, port: int) -> Allowed:
    if "/" in where:
        return Allowed(text, port, network=ip_network(where))
    host = parse_host(where)
    if literal(host):
        return Allowed(text, port, network=ip_network(host))
    return Allowed(text, port, name=host)
