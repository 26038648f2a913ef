"""Both clients, used alike: a test that takes `hub` runs with the blocking and the async one."""

import asyncio
import inspect
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from connhub_client import AsyncConnection, AsyncConnHub, ConnHub
from tests.usage.conftest import flow, flow_in, reach  # noqa: F401


class Blocking:
    """An async client, or a connection of it, whose calls block."""

    def __init__(self, awaited: AsyncConnHub | AsyncConnection, runner: asyncio.Runner) -> None:
        self._awaited, self._runner = awaited, runner

    def __repr__(self) -> str:
        return repr(self._awaited)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._awaited, name)
        return partial(self._call, found) if callable(found) else found

    def _call(self, method: Callable, *args: Any, **options: Any) -> Any:
        result = method(*args, **options)
        if inspect.iscoroutine(result):
            return self._runner.run(result)
        if inspect.isasyncgen(result):
            return self._runner.run(all_of(result))
        return Blocking(result, self._runner) if isinstance(result, AsyncConnection) else result


async def all_of(results) -> list:
    return [each async for each in results]


@pytest.fixture(params=[ConnHub, AsyncConnHub], ids=["sync", "async"])
def open_hub(request) -> Iterator[Callable[..., Any]]:
    """Makes a client, closed at the end of the test."""
    opened: list[Any] = []

    def open_hub(*args: Any, **options: Any) -> Any:
        opened.append(request.param(*args, **options))
        return opened[-1] if request.param is ConnHub else Blocking(opened[-1], runner)

    with asyncio.Runner() as runner:
        yield open_hub
        for hub in opened:
            hub.close() if request.param is ConnHub else runner.run(hub.aclose())


@pytest.fixture
def hub(open_hub, flow):  # noqa: F811
    """The client of a flow, at a running ConnHub."""
    return open_hub(flow.server.url, flow.token)
