"""Asks the shared count from an event loop: for calls that wait, and ahead for those to come."""

import asyncio
import logging
from collections.abc import Hashable
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import NamedTuple

from ..routes import in_thread
from .counting import Ask
from .exchanging import exchange
from .leases import Leases

# As long as a call waits for an answer; then its process counts alone.
MOST_S = 5.0
REST_S = 1.0
TIDY_EVERY_S = 2.0
log = logging.getLogger("connhub.usage.rates")


class Asked(NamedTuple):
    """What is asked for whom; `done` tells whether it was answered."""

    leases: Leases
    who: Hashable
    done: asyncio.Future[bool]
    ask: Ask | None = None  # None for calls: what they want is seen when it is sent


class Asking:
    """One for each process: a thread of its own asks for all who wait, together."""

    def __init__(self, *leases: Leases) -> None:
        self._leases = leases
        self._threads = ThreadPoolExecutor(1, "rates")
        self._queue: list[Asked] = []
        self._wanted: dict[tuple[Leases, Hashable], asyncio.Future[bool]] = {}
        self._asker: asyncio.Task | None = None
        self._asked_at: float | None = None
        self._rests_until = 0.0

    async def take(self, leases: Leases, who: Hashable) -> None:
        """Count a call, waiting up to 5 s for leave. Raises: RateLimited."""
        while (lease := leases.take(who, monotonic())) is None:
            if not await self._answered(leases, who):
                leases.take_alone(who)
                return
        if lease.is_low:
            self._ask(leases, who)

    async def keep_tidy(self) -> None:
        """Give back, for ever, what is not used."""
        while True:
            await asyncio.sleep(TIDY_EVERY_S)
            self._give_back(monotonic())

    async def close(self) -> None:
        """Give back everything, if there is anybody to take it."""
        self._give_back(float("inf"))
        if self._asker:
            await asyncio.wait([self._asker], timeout=MOST_S)
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _answered(self, leases: Leases, who: Hashable) -> bool:
        """Wait until there is an answer; whether there was one."""
        now = monotonic()
        is_slow = self._asked_at is not None and now - self._asked_at > MOST_S
        if is_slow or now < self._rests_until:
            return False
        try:
            async with asyncio.timeout(MOST_S):
                return await asyncio.shield(self._ask(leases, who))
        except TimeoutError:
            return False

    def _ask(self, leases: Leases, who: Hashable) -> asyncio.Future[bool]:
        """One answer serves all who want the same meanwhile."""
        done = self._wanted.get((leases, who))
        if done is None:
            done = self._put(leases, who)
            self._wanted[leases, who] = done
        return done

    def _give_back(self, now: float) -> None:
        for leases in self._leases:
            for who, ask in leases.give_back(now):
                self._put(leases, who, ask)

    def _put(self, leases: Leases, who: Hashable, ask: Ask | None = None) -> asyncio.Future[bool]:
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._queue.append(Asked(leases, who, done, ask))
        if self._asker is None:
            self._asker = asyncio.create_task(self._ask_all())
        return done

    async def _ask_all(self) -> None:
        while self._queue:
            batch, self._queue = self._queue, []
            is_answered = await self._exchange(batch)
            for asked in batch:
                self._wanted.pop((asked.leases, asked.who), None)
                asked.done.set_result(is_answered)
        self._asker = None

    async def _exchange(self, batch: list[Asked]) -> bool:
        asked_at = self._asked_at = monotonic()
        asks = [asked.ask or asked.leases.ask(asked.who, asked_at) for asked in batch]
        try:
            answers = await in_thread(self._threads, exchange, asks)
        except Exception as error:  # whatever it is: calls go on without
            log.warning("Calls are counted alone.", extra={"error": type(error).__name__})
            self._rests_until = monotonic() + REST_S
            for asked, ask in zip(batch, asks, strict=True):
                asked.leases.lost(asked.who, ask)
            return False
        finally:
            self._asked_at = None
        for asked, ask, answer in zip(batch, asks, answers, strict=True):
            if ask.wanted:
                asked.leases.settle(asked.who, answer, asked_at)
        return True
