"""HTTP to the outside from coroutines: aiohttp behind the guard, for the hot path."""

import socket
from collections.abc import Mapping
from types import TracebackType
from typing import Any

import aiohttp
from aiohttp.abc import ResolveResult

from . import guard, tls
from .errors import Unreachable

# Set by aiohttp on its own, unless told not to.
OWN_HEADERS = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
# Not for a call to choose.
FIXED = {"allow_redirects": False, "proxy": None, "ssl": True}
TIMEOUT = aiohttp.ClientTimeout(total=60, sock_connect=5, sock_read=30)  # seconds


class GuardedConnector(aiohttp.TCPConnector):
    """Asks the guard before each new connection, and connects to what was checked.

    Connections are pooled and kept alive; a request on one that is open costs nothing here.
    """

    def __init__(self, **limits: Any) -> None:
        super().__init__(
            ssl=tls.context(), use_dns_cache=False, socket_factory=_open_checked, **limits
        )

    async def _resolve_host(self, host: str, port: int, traces: Any = None) -> list[ResolveResult]:
        """For names and, unlike a resolver of aiohttp, for addresses too.

        Were aiohttp to stop calling this, `_open_checked` would refuse every connection.
        """
        addresses = await guard.aresolve(host, port)
        excepted = next((address for address in addresses if address.entry), addresses[0])
        await guard.aannounce(host, port, excepted)
        return [_result(host, port, address) for address in addresses]


class Client:
    """An aiohttp session without cookies, redirects, proxies or headers of its own.

    It takes URLs that begin with a `Target.origin`: only the connection is checked here. Bodies
    come as they were sent, still compressed. `failures.unreachable` reads its errors.
    """

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    def request(self, method: str, url: Any, **options: Any):
        """Like `aiohttp.ClientSession.request`: to be awaited, or entered with `async with`."""
        return self._session.request(method, url, **{**options, **FIXED})

    async def close(self) -> None:
        await self._session.close()

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: object, traceback: TracebackType | None
    ) -> None:
        await self.close()


def connector(**limits: Any) -> aiohttp.TCPConnector:
    """A guarded connector; `limits` are those of aiohttp.TCPConnector, such as `limit`."""
    return GuardedConnector(**limits)


def client(limits: Mapping[str, Any] | None = None, **options: Any) -> Client:
    """A client with a connector of its own; `options` are those of aiohttp.ClientSession.

    Unless told otherwise: 5 s to connect, 30 s without a byte, 60 s in all.
    """
    session = aiohttp.ClientSession(
        connector=connector(**(limits or {})),
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=OWN_HEADERS,
        trust_env=False,
        **{"timeout": TIMEOUT, **options},
    )
    return Client(session)


def _result(host: str, port: int, address: guard.CheckedAddress) -> ResolveResult:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=0)


def _open_checked(addr_info: Any) -> socket.socket:
    family, kind, protocol, _, where = addr_info
    if not isinstance(where[0], guard.CheckedAddress):
        raise Unreachable("unchecked")
    return socket.socket(family, kind, protocol)
