"""The client that awaits, on asyncio."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import asynccontextmanager
from typing import Any, Self, Unpack

import httpx2

from .core import PAGE_SIZE, TIMEOUT, Hub, Key, Options, Target, Timeout
from .credentials import Credentials
from .documents import (
    ConnectionInfo,
    DeclaredDataObject,
    DeclaredFlow,
    DeclaredFunction,
    Step,
)
from .exchange import Close, Pause, Read, Result, Send, Steps, Taken, reaching_connhub


class AsyncConnHub(Hub[asyncio.Lock, "AsyncConnection"]):
    """As ConnHub, for one event loop."""

    _http: httpx2.AsyncClient

    def __init__(
        self,
        url: str | None = None,
        key: str | None = None,
        *,
        timeout: Timeout = TIMEOUT,
        retries: int = 0,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        super().__init__(url, retries, asyncio.Lock, AsyncConnection)
        self._http = httpx2.AsyncClient(auth=Key(key), timeout=timeout, transport=transport)

    async def connections(self, *, page_size: int = PAGE_SIZE) -> AsyncIterator[ConnectionInfo]:
        """All connections that the key may use, by link name, fetched as they are asked for."""
        after: str | None = ""
        while after is not None:
            page = await self._run(self._page(after, page_size))
            for each in page.connections:
                yield each
            after = page.next

    async def declare_flow(self, slug: str, *, name: str, steps: Iterable[Step]) -> DeclaredFlow:
        """Say which connections a flow's steps use; saying the same again changes nothing."""
        return await self._run(self._declaring(slug, name, steps))

    async def declare_data_object(
        self, app: str, name: str, *, connection: str, app_name: str | None = None
    ) -> DeclaredDataObject:
        """Say which connection an external data object of an app is read over."""
        return await self._run(self._declaring_data_object(app, name, connection, app_name))

    async def declare_function(self, name: str, *, connections: Iterable[str]) -> DeclaredFunction:
        """Say which connections a function uses."""
        return await self._run(self._declaring_function(name, connections))

    async def aclose(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.aclose()

    async def _run(self, steps: Steps[Result]) -> Result:
        brought: Any = None
        while True:
            try:
                step = steps.send(brought)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            with reaching_connhub():
                brought = await self._take(step)

    async def _take(self, step: Taken) -> httpx2.Response | None:
        match step:
            case Send(request):
                return await self._http.send(request, stream=True)
            case Read(response):
                await response.aread()
            case Close(response):
                await response.aclose()
            case Pause(seconds):
                await asyncio.sleep(seconds)
        return None


class AsyncConnection(Target[Coroutine[Any, Any, httpx2.Response]]):
    """A connection, with calls to await."""

    _hub: AsyncConnHub

    async def request(
        self, method: str, path: str = "", **options: Unpack[Options]
    ) -> httpx2.Response:
        return await self._hub._run(self._call(method, path, options))

    @asynccontextmanager
    async def stream(
        self, method: str, path: str = "", **options: Unpack[Options]
    ) -> AsyncIterator[httpx2.Response]:
        """As `request`, with the body left to be read while the block lasts."""
        response = await self._hub._run(self._call(method, path, options, is_streamed=True))
        try:
            yield response
        finally:
            await response.aclose()

    async def credentials(self, *, fresh: bool = False) -> Credentials:
        """As `Connection.credentials`."""
        async with self._hub._cache.lock(self._place):
            return await self._hub._run(self._credentials(fresh=fresh))
