"""The client that blocks."""

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
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


class ConnHub(Hub[threading.Lock, "Connection"]):
    """ConnHub at `url`, called with the integration key `key`; threads may share it.

    Where they are left out, CONNHUB_URL and CONNHUB_KEY of the environment count. A call of an
    idempotent method that meets 429 or 503 is tried `retries` times more. `transport` takes the
    place of httpx2's own.
    """

    _http: httpx2.Client

    def __init__(
        self,
        url: str | None = None,
        key: str | None = None,
        *,
        timeout: Timeout = TIMEOUT,
        retries: int = 0,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        super().__init__(url, retries, threading.Lock, Connection)
        self._http = httpx2.Client(auth=Key(key), timeout=timeout, transport=transport)

    def connections(self, *, page_size: int = PAGE_SIZE) -> Iterator[ConnectionInfo]:
        """All connections that the key may use, by link name, fetched as they are asked for."""
        after: str | None = ""
        while after is not None:
            page = self._run(self._page(after, page_size))
            yield from page.connections
            after = page.next

    def declare_flow(self, slug: str, *, name: str, steps: Iterable[Step]) -> DeclaredFlow:
        """Say which connections a flow's steps use; saying the same again changes nothing."""
        return self._run(self._declaring(slug, name, steps))

    def declare_data_object(
        self, app: str, name: str, *, connection: str, app_name: str | None = None
    ) -> DeclaredDataObject:
        """Say which connection an external data object of an app is read over."""
        return self._run(self._declaring_data_object(app, name, connection, app_name))

    def declare_function(self, name: str, *, connections: Iterable[str]) -> DeclaredFunction:
        """Say which connections a function uses."""
        return self._run(self._declaring_function(name, connections))

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _run(self, steps: Steps[Result]) -> Result:
        brought: Any = None
        while True:
            try:
                step = steps.send(brought)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            with reaching_connhub():
                brought = self._take(step)

    def _take(self, step: Taken) -> httpx2.Response | None:
        match step:
            case Send(request):
                return self._http.send(request, stream=True)
            case Read(response):
                response.read()
            case Close(response):
                response.close()
            case Pause(seconds):
                time.sleep(seconds)
        return None


class Connection(Target[httpx2.Response]):
    """A connection, with calls that block."""

    _hub: ConnHub

    def request(self, method: str, path: str = "", **options: Unpack[Options]) -> httpx2.Response:
        return self._hub._run(self._call(method, path, options))

    @contextmanager
    def stream(
        self, method: str, path: str = "", **options: Unpack[Options]
    ) -> Iterator[httpx2.Response]:
        """As `request`, with the body left to be read while the block lasts."""
        response = self._hub._run(self._call(method, path, options, is_streamed=True))
        with closing(response):
            yield response

    def credentials(self, *, fresh: bool = False) -> Credentials:
        """The secret itself, kept until 30 s before its end, or for 5 min if it has none.

        `fresh` asks ConnHub again: for when the service refuses what is kept.
        """
        with self._hub._cache.lock(self._place):
            return self._hub._run(self._credentials(fresh=fresh))
