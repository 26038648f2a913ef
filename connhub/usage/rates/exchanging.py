"""Which count is the shared one, and taking leave of it for a call that may wait."""

from collections.abc import Hashable, Sequence
from time import monotonic

from django.conf import settings

from . import in_database, in_redis
from .counting import Answer, Ask, CountAway
from .leases import Leases


def exchange(asks: Sequence[Ask]) -> list[Answer]:
    """The shared count's answers to the asks. Raises: CountAway."""
    return (in_redis if settings.REDIS_URL else in_database).exchange(asks)


def take(leases: Leases, who: Hashable) -> None:
    """Count a call, on the thread's own connection to the database. Raises: RateLimited."""
    while leases.take(who, monotonic()) is None:
        asked_at = monotonic()
        ask = leases.ask(who, asked_at)
        try:
            [answer] = exchange([ask])
        except CountAway:
            leases.lost(who, ask)
            return leases.take_alone(who)
        leases.settle(who, answer, asked_at)
    return None
