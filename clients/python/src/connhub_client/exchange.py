"""How a request gets its answer, as steps that a client takes: blocking or awaiting, as it can."""

import random
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeAlias, TypeVar

import httpx2

from .errors import MARK, Unreachable, problem_in

IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
PASSING = frozenset({429, 503})  # statuses of what a later try may not meet
LONGEST_PAUSE_S = 60

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Send:
    """Brings the response, its body unread."""

    request: httpx2.Request


@dataclass(frozen=True, slots=True)
class Read:
    response: httpx2.Response


@dataclass(frozen=True, slots=True)
class Close:
    response: httpx2.Response


@dataclass(frozen=True, slots=True)
class Pause:
    seconds: float


Taken: TypeAlias = Send | Read | Close | Pause
Steps: TypeAlias = Generator[Taken, Any, Result]


def exchange(
    request: httpx2.Request, *, retries: int, is_streamed: bool = False
) -> Steps[httpx2.Response]:
    """Send the request, again where that is asked for and does no harm; its answer.

    Raises: Problem, if ConnHub refuses it. A service that does has given an answer.
    """
    tries = 1 + (retries if _is_repeatable(request) else 0)
    for number in range(1, tries + 1):
        response: httpx2.Response = yield Send(request)
        pause_s = _pause_after(response, number)
        if number == tries or pause_s is None:
            break
        yield Close(response)
        yield Pause(pause_s)
    response.next_request = None  # which would have the key
    if MARK in response.headers:
        yield Read(response)
        raise problem_in(response)
    if not is_streamed:
        yield Read(response)
    return response


def _is_repeatable(request: httpx2.Request) -> bool:
    """Whether sending it twice is as once, and possible: an iterator gives its body only once."""
    return request.method in IDEMPOTENT and isinstance(request.stream, httpx2.ByteStream)


def _pause_after(response: httpx2.Response, number: int) -> float | None:
    """How many seconds the next try has to wait; None if there should be none."""
    if response.status_code not in PASSING:
        return None
    pause_s = _retry_after(response.headers.get("Retry-After", ""))
    if pause_s is None:
        pause_s = 2**number * random.uniform(0.1, 0.2)  # noqa: S311
    return pause_s if pause_s <= LONGEST_PAUSE_S else None


def _retry_after(value: str) -> float | None:
    """The seconds that a Retry-After (RFC 9110 section 10.2.3) asks for."""
    if value.isdecimal():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, moment.timestamp() - datetime.now(UTC).timestamp())


@contextmanager
def reaching_connhub() -> Iterator[None]:
    """Raises: Unreachable, in place of what the HTTP client raises."""
    try:
        yield
    except httpx2.RequestError as error:
        raise Unreachable(f"No answer came from ConnHub: {type(error).__name__}.") from error
