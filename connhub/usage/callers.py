"""Who calls with what key, and how often: one rule for the gateway and for Django's calls."""

import re
from functools import cache

from django.conf import settings

from connhub import throttle
from connhub.audit.context import current
from connhub.vault import keyring

from .models import IntegrationKey
from .problems import RateLimited, Unauthorized
from .rates import exchanging
from .rates.counting import read_rate
from .rates.leases import Leases

TOKEN = re.compile(r"chk_[A-Za-z0-9_-]{43}")
# Keys that turn out to be none, by address and minute: each costs a query.
MOST_UNKNOWN = 600

_known: set[str] = set()


def digest_of(token: str) -> str:
    """What a token is known by; "" if it has not the form of one."""
    return keyring.digest(token) if TOKEN.fullmatch(token) else ""


def knows(digest: str) -> bool:
    """Whether the key was a good one at some time in this process."""
    return digest in _known


def take(digest: str) -> None:
    """Count a call with a key that is known, for Django. Raises: RateLimited."""
    exchanging.take(leases(settings.PROXY_RATE_KEY), digest)


@cache
def leases(rate: str) -> Leases:
    """What this process may let through of each key's calls, by its digest."""
    return Leases("key", read_rate(rate))


def find(digest: str) -> IntegrationKey:
    """The usable key that a digest belongs to.

    Raises:
        Unauthorized: it is unknown, expired or revoked.
        RateLimited: too many that are none came from the caller's address.
    """
    tried = f"unknown keys of {throttle.stranger(current.get().ip)}"
    is_new = not knows(digest)
    if is_new and throttle.count(tried) > MOST_UNKNOWN:
        raise RateLimited(throttle.wait_s())
    usable = IntegrationKey.objects.usable().select_related("integration__project", "environment")
    key = usable.filter(digest=digest).first()
    if key is None:
        raise Unauthorized
    if is_new:
        throttle.count(tried, -1)
        _known.add(digest)
    return key
