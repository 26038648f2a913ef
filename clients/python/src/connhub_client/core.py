"""What both clients are made of: the key, the requests, and what their answers mean."""

import os
import re
from abc import ABC, abstractmethod
from collections.abc import AsyncIterable, Callable, Generator, Iterable, Mapping, Sequence
from typing import Any, Generic, TypeAlias, TypedDict, TypeVar, Unpack
from urllib.parse import quote, unquote, urlsplit

import httpx2

from .credentials import Cache, Credentials, Lock
from .documents import (
    DeclaredDataObject,
    DeclaredFlow,
    DeclaredFunction,
    Page,
    Step,
    declaration,
    read,
)
from .exchange import Steps, exchange

KEY = re.compile(r"chk_[A-Za-z0-9_-]{43}")
LINK_NAME = re.compile(r"[a-z][a-z0-9_]{0,49}")
FLOW = re.compile(r"[A-Za-z0-9_-]{1,60}")  # and what apps and functions are named by
DATA_OBJECT = re.compile(r"(?!\.{1,2}$)[^/\x00-\x1f\x7f]{1,80}")
# ConnHub gives a service a minute, and may have a token to renew before.
TIMEOUT = httpx2.Timeout(90, connect=10)
PAGE_SIZE = 200

Timeout: TypeAlias = float | httpx2.Timeout | None
Plain: TypeAlias = str | int | float | bool | None
Answer = TypeVar("Answer", covariant=True)
Opened = TypeVar("Opened")


class Options(TypedDict, total=False):
    """What a call may carry, as httpx2 takes it."""

    params: Mapping[str, Plain | Sequence[Plain]]
    headers: Mapping[str, str]
    content: str | bytes | Iterable[bytes] | AsyncIterable[bytes]
    data: Mapping[str, Any]
    files: Mapping[str, Any]
    json: Any
    timeout: Timeout


class Key(httpx2.Auth):
    """Adds the integration key to a request for as long as it is being sent.

    Raises: ValueError, for what is no key.
    """

    def __init__(self, key: str | None) -> None:
        key = (key or os.environ.get("CONNHUB_KEY", "")).strip()
        if not KEY.fullmatch(key):
            raise ValueError("An integration key (chk_…) is needed: pass key, or set CONNHUB_KEY.")
        self._header = f"Bearer {key}"

    def auth_flow(
        self, request: httpx2.Request
    ) -> Generator[httpx2.Request, httpx2.Response, None]:
        request.headers["Authorization"] = self._header
        try:
            yield request
        finally:
            del request.headers["Authorization"]


class Hub(Generic[Lock, Opened]):
    """One installation of ConnHub, called with one key."""

    _http: httpx2.Client | httpx2.AsyncClient

    def __init__(
        self,
        url: str | None,
        retries: int,
        make_lock: Callable[[], Lock],
        make_connection: Callable[..., Opened],
    ) -> None:
        self.url = _base_url(url or os.environ.get("CONNHUB_URL", ""))
        self._retries = retries
        self._cache = Cache(make_lock)
        self._make_connection = make_connection

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    def connection(
        self,
        link_name: str,
        *,
        as_user: str | None = None,
        flow: str | None = None,
        step: str | None = None,
    ) -> Opened:
        """The connection of this link name; ConnHub is not asked yet.

        `as_user` is the address of the login user that calls are for, where the connection uses
        their credentials. `flow` and `step` say in ConnHub's call log who calls.
        """
        return self._make_connection(self, link_name, as_user=as_user, flow=flow, step=step)

    def _request(self, method: str, path: str, options: Options) -> httpx2.Request:
        url = httpx2.URL(f"{self.url}/api/v1{path}")
        # httpx2 itself would drop the query that is there.
        if params := options.pop("params", None):
            url = url.copy_merge_params(params)
        return self._http.build_request(method, url, **options)

    def _exchange(
        self, request: httpx2.Request, *, is_streamed: bool = False
    ) -> Steps[httpx2.Response]:
        return exchange(request, retries=self._retries, is_streamed=is_streamed)

    def _page(self, after: str, size: int) -> Steps[Page]:
        params: dict[str, Plain] = {"limit": size} | ({"after": after} if after else {})
        request = self._request("GET", "/connections", {"params": params})
        return read((yield from self._exchange(request)), Page.of)

    def _declaring(self, slug: str, name: str, steps: Iterable[Step]) -> Steps[DeclaredFlow]:
        path = f"/flows/{_matching(FLOW, slug)}"
        request = self._request("PUT", path, {"json": declaration(name, steps)})
        return read((yield from self._exchange(request)), DeclaredFlow.of)

    def _declaring_data_object(
        self, app: str, name: str, connection: str, app_name: str | None
    ) -> Steps[DeclaredDataObject]:
        path = (
            f"/data-objects/{_matching(FLOW, app)}/{quote(_matching(DATA_OBJECT, name), safe='')}"
        )
        body = {"connection": connection, "app_name": app_name}
        request = self._request("PUT", path, {"json": body})
        return read((yield from self._exchange(request)), DeclaredDataObject.of)

    def _declaring_function(self, name: str, connections: Iterable[str]) -> Steps[DeclaredFunction]:
        path = f"/functions/{_matching(FLOW, name)}"
        request = self._request("PUT", path, {"json": {"connections": list(connections)}})
        return read((yield from self._exchange(request)), DeclaredFunction.of)


class Target(ABC, Generic[Answer]):
    """A connection as a flow calls it; `Answer` is what a call gives.

    Calls take what httpx2's do of params, headers, content, data, files, json and timeout.

    Raises: Problem, if ConnHub refuses a call; Unreachable. What the service refuses is an answer.
    """

    def __init__(
        self,
        hub: Hub[Any, Any],
        link_name: str,
        *,
        as_user: str | None,
        flow: str | None,
        step: str | None,
    ) -> None:
        self.link_name = _matching(LINK_NAME, link_name)
        self.as_user = as_user
        said = {"X-ConnHub-User": as_user, "X-ConnHub-Flow": flow, "X-ConnHub-Step": step}
        self._said = {name: _line(value) for name, value in said.items() if value}
        self._hub = hub
        self._place = (link_name, as_user or "")

    def __repr__(self) -> str:
        whose = f" as {self.as_user}" if self.as_user else ""
        return f"<{type(self).__name__} {self.link_name}{whose}>"

    @abstractmethod
    def request(self, method: str, path: str = "", **options: Unpack[Options]) -> Answer:
        """Call the service: `path` is below its base URL and begins with a slash."""

    def get(self, path: str = "", **options: Unpack[Options]) -> Answer:
        return self.request("GET", path, **options)

    def post(self, path: str = "", **options: Unpack[Options]) -> Answer:
        return self.request("POST", path, **options)

    def put(self, path: str = "", **options: Unpack[Options]) -> Answer:
        return self.request("PUT", path, **options)

    def patch(self, path: str = "", **options: Unpack[Options]) -> Answer:
        return self.request("PATCH", path, **options)

    def delete(self, path: str = "", **options: Unpack[Options]) -> Answer:
        return self.request("DELETE", path, **options)

    def _call(
        self, method: str, path: str, options: Options, *, is_streamed: bool = False
    ) -> Steps[httpx2.Response]:
        request = self._request(method, f"/proxy{_below_base(path)}", options)
        return self._hub._exchange(request, is_streamed=is_streamed)

    def _credentials(self, *, fresh: bool) -> Steps[Credentials]:
        """Those at hand, or else ConnHub's; whoever takes the steps holds the cache's lock."""
        if fresh:
            self._hub._cache.drop(self._place)
        if known := self._hub._cache.get(self._place):
            return known
        response = yield from self._hub._exchange(self._request("GET", "/credentials", {}))
        credentials = read(response, Credentials.of)
        self._hub._cache.put(self._place, credentials)
        return credentials

    def _request(self, method: str, path: str, options: Options) -> httpx2.Request:
        request = self._hub._request(method, f"/connections/{self.link_name}{path}", options)
        request.headers.encoding = "utf-8"
        for name, value in self._said.items():
            request.headers[name] = value
        return request


def _base_url(url: str) -> str:
    """Raises: ValueError, for what can't be ConnHub's own URL."""
    parts = urlsplit(url)
    is_bare = not (parts.username or parts.password or parts.query or parts.fragment)
    if parts.scheme not in ("http", "https") or not parts.hostname or not is_bare:
        raise ValueError("ConnHub's URL (https://…) is needed: pass url, or set CONNHUB_URL.")
    return url.rstrip("/")


def _matching(pattern: re.Pattern[str], name: str) -> str:
    """The name, safe as a part of a path. Raises: ValueError."""
    if not pattern.fullmatch(name):
        raise ValueError(f"{name!r} does not match {pattern.pattern}.")
    return name


def _below_base(path: str) -> str:
    """The path, which stays below the connection's. Raises: ValueError.

    httpx2 would resolve dot segments, and with them leave the connection that was named.
    """
    segments = unquote(path.partition("?")[0]).split("/")
    if "#" in path or segments[0] or not {".", ".."}.isdisjoint(segments):
        raise ValueError("A path begins with a slash and has no dot segments and no fragment.")
    return path


def _line(value: str) -> str:
    """The value of a header. Raises: ValueError."""
    if not value.isprintable():
        raise ValueError(f"{value!r} is not one printable line.")
    return value
