"""Rate limits of the runtime API, counted in each process."""

import math
from collections.abc import Hashable
from dataclasses import dataclass

from limits import parse

from .problems import RateLimited

MOST_COUNTERS = 10_000


@dataclass(slots=True)
class Counter:
    """How many there were in the present window, and in the one before."""

    window: int
    now: int = 0
    before: int = 0

    def move_to(self, window: int) -> None:
        self.before = self.now if window == self.window + 1 else 0
        self.window, self.now = window, 0


class Limit:
    """So many a window, the window sliding: `text` is like "6000/minute".

    Raises:
        ValueError: the text is not of that form.
    """

    def __init__(self, text: str) -> None:
        item = parse(text)
        self.amount, self.window_s = item.amount, item.get_expiry()
        self._counters: dict[Hashable, Counter] = {}

    def take(self, who: Hashable, now_s: float) -> None:
        """Count one. Raises: RateLimited, and counts nothing."""
        window = int(now_s // self.window_s)
        counter = self._counters.get(who) or self._add(who, window)
        if counter.window != window:
            counter.move_to(window)
        into_s = now_s - window * self.window_s
        if counter.now + counter.before * (1 - into_s / self.window_s) >= self.amount:
            raise RateLimited(self._wait_s(counter, into_s))
        counter.now += 1

    def _wait_s(self, counter: Counter, into_s: float) -> int:
        """Whole seconds until there is room, if nothing is counted meanwhile."""
        if counter.now >= self.amount:
            share = 1 - self.amount / (counter.now + 1)
            return max(1, math.ceil(self.window_s * (1 + share) - into_s))
        share = 1 - (self.amount - counter.now) / counter.before
        return max(1, math.ceil(self.window_s * share - into_s))

    def _add(self, who: Hashable, window: int) -> Counter:
        if len(self._counters) >= MOST_COUNTERS:
            recent = {w: c for w, c in self._counters.items() if c.window >= window - 1}
            self._counters = recent if len(recent) < MOST_COUNTERS else {}
        counter = self._counters[who] = Counter(window)
        return counter
