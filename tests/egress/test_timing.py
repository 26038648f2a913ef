import asyncio
import time

import pytest

from connhub.egress.timing import even_timing


def test_failure_takes_at_least_the_floor():
    began = time.monotonic()

    with pytest.raises(ZeroDivisionError), even_timing(0.05):
        raise ZeroDivisionError

    assert time.monotonic() - began >= 0.05


def test_failure_of_a_coroutine_takes_at_least_the_floor():
    async def fail():
        async with even_timing(0.05):
            raise ZeroDivisionError

    began = time.monotonic()

    with pytest.raises(ZeroDivisionError):
        asyncio.run(fail())

    assert time.monotonic() - began >= 0.05


def test_success_does_not_wait():
    with even_timing(floor_s=3600):
        done = True

    assert done
