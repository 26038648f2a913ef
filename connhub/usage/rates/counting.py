"""The arithmetic of a limit: how many calls there is room for, and when there is room again."""

import math
from dataclasses import dataclass
from functools import cache

from limits import parse

# Of what there is room for, at most one part at a time: the last calls are given out singly.
PARTS = 16


class CountAway(Exception):
    """The shared count does not answer."""


@dataclass(frozen=True, slots=True)
class Rate:
    """So many calls a window of so many seconds; the windows of all rates begin in 1970."""

    amount: int
    window_s: int


@cache
def read_rate(text: str) -> Rate:
    """What is written like "6000/minute". Raises: ValueError."""
    item = parse(text)
    return Rate(item.amount, item.get_expiry())


@dataclass(frozen=True, slots=True)
class Ask:
    """What a process says to the shared count of `who`, and wants of it."""

    who: str
    rate: Rate
    wanted: int
    spent: int = 0  # calls that it let through without leave
    unused: int = 0  # calls that it had leave for in `window` and gives back
    window: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """Leave for so many calls, within the window and the seconds that are left of it."""

    granted: int
    window: int
    left_s: float
    wait_s: float  # until there is room, if none was granted


@dataclass(slots=True)
class Counter:
    """How many calls there were in a window, and in the one before.

    Never more than the limit in one window; and the window slides: what there was in the one
    before counts in proportion to how much of it is within reach.
    """

    window: int = 0
    now: int = 0
    before: int = 0

    def answer(self, ask: Ask, at_s: float) -> Answer:
        """Count what is asked, as far as there is room; `at_s` are seconds since 1970."""
        rate = ask.rate
        # A clock that was set back a little finds the window that there was.
        if int(at_s // rate.window_s) == self.window - 1:
            at_s = self.window * rate.window_s
        self._move_to(int(at_s // rate.window_s))
        self._take_back(ask)
        self.now += ask.spent
        gone = at_s / rate.window_s - self.window
        granted = self._granted(ask, gone)
        self.now += granted
        left_s, wait_s = (1 - gone) * rate.window_s, 0.0
        if ask.wanted and not granted:
            wait_s = self._wait(rate.amount, gone) * rate.window_s
        return Answer(granted, self.window, left_s, wait_s)

    def _move_to(self, window: int) -> None:
        if window != self.window:
            self.before = self.now if window == self.window + 1 else 0
            self.window, self.now = window, 0

    def _take_back(self, ask: Ask) -> None:
        if ask.window == self.window:
            self.now = max(0, self.now - ask.unused)
        elif ask.window == self.window - 1:
            self.before = max(0, self.before - ask.unused)

    def _granted(self, ask: Ask, gone: float) -> int:
        room = math.ceil(ask.rate.amount - self.now - self.before * (1 - gone))
        room = min(room, ask.rate.amount - self.now)
        return max(0, min(ask.wanted, room, max(1, room // PARTS)))

    def _wait(self, amount: int, gone: float) -> float:
        """Windows until there is room, if nothing is counted meanwhile."""
        if self.now >= amount:  # not before the next one
            return 2 - gone - amount / self.now
        return max(0.0, 1 - (amount - self.now) / self.before - gone)
