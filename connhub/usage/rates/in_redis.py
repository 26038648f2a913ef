"""The shared count in Redis, whose clock is that of all processes."""

import time
from collections.abc import Sequence
from functools import cache

import redis
from django.conf import settings

from .counting import Answer, Ask, CountAway, Counter

MOST_S = 4.0


def exchange(asks: Sequence[Ask]) -> list[Answer]:
    """The answers to the asks. Raises: CountAway."""
    try:
        return [_answer(ask) for ask in asks]
    except redis.RedisError:
        raise CountAway from None


@cache
def _client() -> redis.Redis:
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=MOST_S, socket_connect_timeout=MOST_S
    )


def _answer(ask: Ask) -> Answer:
    """Read, count and write; once more if another process wrote meanwhile."""
    deadline = time.monotonic() + MOST_S
    with _client().pipeline() as pipe:
        while True:
            try:
                return _count(pipe, ask)
            except redis.WatchError:
                if time.monotonic() > deadline:
                    raise


def _count(pipe: redis.client.Pipeline, ask: Ask) -> Answer:
    name = f"connhub:rate:{ask.who}"
    pipe.watch(name)
    stored = pipe.get(name)
    counter = Counter(*map(int, stored.split())) if stored else Counter()
    seconds, microseconds = pipe.time()
    answer = counter.answer(ask, seconds + microseconds / 1e6)
    pipe.multi()
    kept = f"{counter.window} {counter.now} {counter.before}"
    pipe.set(name, kept, ex=2 * ask.rate.window_s)
    pipe.execute()
    return answer
