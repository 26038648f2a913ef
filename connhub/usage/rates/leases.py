"""What a process may let through without asking, for each key and each connection."""

import math
import time
from collections.abc import Hashable
from dataclasses import dataclass, field
from threading import Lock

from django.conf import settings

from ..problems import RateLimited
from .counting import Answer, Ask, Counter, Rate

# What is asked for: as much as was used in the last second, and at least so much.
AHEAD_S = 1.0
LEAST = 8
SHORTEST_S = 0.05
# What was not used for so long is given back, so that others can have it.
HELD_S = 10
# Where there was no room, not everybody asks again at once, and nobody for longer than that.
REFUSED_S = (0.1, 5.0)


@dataclass(slots=True)
class Lease:
    """The calls that are left of those that were granted. Moments are of `time.monotonic`."""

    window: int = 0
    left: int = 0
    granted: int = 0
    used: int = 0  # since `granted_at`
    granted_at: float = 0.0
    ends_at: float = 0.0
    refused_until: float = 0.0
    free_at: float = 0.0  # when there is room, as far as it is known
    spent: int = 0
    alone: Counter = field(default_factory=Counter)

    def wanted(self, now: float) -> int:
        """How many calls to ask for."""
        elapsed_s = max(SHORTEST_S, now - self.granted_at)
        return max(LEAST, math.ceil(self.used / elapsed_s * AHEAD_S))

    @property
    def is_low(self) -> bool:
        """Whether to ask for more before it is used up; single calls are not asked for ahead."""
        return self.left < self.granted // 2 and self.refused_until <= self.granted_at

    def add(self, answer: Answer, asked_at: float) -> None:
        """Take what was granted, or remember until when there is nothing."""
        # As if the answer had been given when it was asked for, so that it never lasts too long.
        if not answer.granted:
            shortest_s, longest_s = REFUSED_S
            self.free_at = asked_at + answer.wait_s
            self.refused_until = asked_at + min(max(answer.wait_s, shortest_s), longest_s)
            return
        left = self.left if answer.window == self.window else 0
        self.window, self.left = answer.window, left + answer.granted
        self.granted, self.used = answer.granted, 0
        self.granted_at, self.ends_at = asked_at, asked_at + answer.left_s


class Leases:
    """The leases of one process under one rate, for any thread; `what` each of them is for."""

    def __init__(self, what: str, rate: Rate) -> None:
        self._what, self._rate = what, rate
        self._leases: dict[Hashable, Lease] = {}
        self._lock = Lock()

    def take(self, who: Hashable, now: float) -> Lease | None:
        """Count a call: the lease that it was of, or None if more has to be asked for first.

        Raises: RateLimited.
        """
        with self._lock:
            lease = self._of(who)
            if lease.left and now < lease.ends_at:
                lease.left -= 1
                lease.used += 1
                return lease
            if now < lease.refused_until:
                raise RateLimited(_whole(lease.free_at - now))
            return None

    def take_alone(self, who: Hashable) -> None:
        """Count a call here, where nobody else can tell. Raises: RateLimited.

        Each process of a machine lets its share through, and says so later.
        """
        share = max(1, self._rate.amount // settings.WEB_PROCESSES)
        with self._lock:
            lease = self._of(who)
            ask = Ask("", Rate(share, self._rate.window_s), wanted=1)
            answer = lease.alone.answer(ask, time.time())
            if not answer.granted:
                raise RateLimited(_whole(answer.wait_s))
            lease.spent += 1

    def ask(self, who: Hashable, now: float) -> Ask:
        """What to ask for. What was let through alone, and what is over, goes with it."""
        with self._lock:
            lease = self._of(who)
            unused = 0 if now < lease.ends_at else lease.left
            return self._ask(who, lease, lease.wanted(now), unused)

    def give_back(self, now: float) -> list[tuple[Hashable, Ask]]:
        """Asks for nothing, with what was not used for a while; forgets who makes no calls."""
        back = []
        with self._lock:
            for who, lease in list(self._leases.items()):
                last_at = max(lease.granted_at, lease.refused_until)
                if last_at < now - HELD_S and (lease.left or lease.spent):
                    back.append((who, self._ask(who, lease, 0, lease.left)))
                elif last_at < now - HELD_S - 2 * self._rate.window_s:
                    del self._leases[who]
        return back

    def settle(self, who: Hashable, answer: Answer, asked_at: float) -> None:
        """The answer to what was asked at that moment."""
        with self._lock:
            self._of(who).add(answer, asked_at)

    def lost(self, who: Hashable, ask: Ask) -> None:
        """Nobody answered. What was given back stays so: too few is better than too many."""
        with self._lock:
            self._of(who).spent += ask.spent

    def _of(self, who: Hashable) -> Lease:
        lease = self._leases.get(who)
        if lease is None:
            lease = self._leases[who] = Lease()
        return lease

    def _ask(self, who: Hashable, lease: Lease, wanted: int, unused: int) -> Ask:
        spent, lease.spent = lease.spent, 0
        lease.left -= unused
        name = f"{self._what}:{self._rate.window_s}:{who}"
        return Ask(name, self._rate, wanted, spent, unused, lease.window)


def _whole(wait_s: float) -> int:
    """The least whole number of seconds after which there is room."""
    return max(0, math.floor(wait_s)) + 1
