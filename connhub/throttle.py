"""Counts, minute by minute, what strangers could do without end.

It is kept in Django's cache: for all processes together where that is shared (REDIS_URL), else in
each. While the cache is away nothing is limited, and everything counts as new.
"""

import math
import time
from hashlib import sha256
from ipaddress import IPv6Address, ip_address, ip_network

from django.core.cache import cache

from .caching import asked

MINUTE_S = 60
MOST_NEW = 60


def count(what: str, by: int = 1) -> int:
    """How many there were of it in this minute, with these; 0 while the cache is away."""
    key = _key("count", what, str(int(time.time() // MINUTE_S)))

    def add() -> int:
        cache.add(key, 0, 2 * MINUTE_S)
        return cache.incr(key, by)

    return asked(add, otherwise=0)


def is_new(one: str, *, of: str) -> bool:
    """Whether it is the first in a minute, and one of the first 60 of its group."""
    key = _key("new", of, one)
    if not asked(lambda: cache.add(key, True, MINUTE_S), otherwise=True):
        return False
    return count(f"new {of}") <= MOST_NEW


def wait_s() -> int:
    """Whole seconds until the next minute begins."""
    return math.ceil(MINUTE_S - time.time() % MINUTE_S)


def stranger(address: str) -> str:
    """Who counts as one: an IPv4 address, or an IPv6 network of the size that one host is given."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    return str(ip_network((found, 64), strict=False)) if isinstance(found, IPv6Address) else address


def _key(*parts: str) -> str:
    return sha256("\n".join(parts).encode()).hexdigest()
