"""HTTP to the outside: `GuardedSession` for requests, `connector` and `client` for aiohttp."""

import time
from collections.abc import Callable, Collection, Sequence
from functools import partial
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urljoin

import requests
from requests import PreparedRequest, Response
from requests.exceptions import RequestException
from urllib3 import Timeout

from .adapter import UNSENDABLE, GuardedAdapter
from .address import canonical, parse_url
from .aio import Client, GuardedConnector, client, connector
from .errors import AnswerTooLarge, BadAddress, NoAnswer, TLSFailed, Unreachable, Unsendable
from .failures import unreachable
from .host import require_plain

__all__ = [
    "AnswerTooLarge",
    "BadAddress",
    "Client",
    "GuardedConnector",
    "GuardedSession",
    "NoAnswer",
    "TLSFailed",
    "Unreachable",
    "Unsendable",
    "client",
    "connector",
    "signed",
    "unreachable",
]

REDIRECTS = frozenset({301, 302, 303, 307, 308})
SAFE = frozenset({"GET", "HEAD"})

Pairs = Sequence[tuple[str, str]]


def signed(
    sign: Callable[[str, str, Pairs, bytes], Pairs],
) -> Callable[[PreparedRequest], PreparedRequest]:
    """For a request's `auth`: sets the headers that `sign` gives, for what is really sent.

    `sign` takes method, URL, headers and body once nothing of them changes any more.
    """

    def set_headers(request: PreparedRequest) -> PreparedRequest:
        body = request.body or b""
        body = body.encode() if isinstance(body, str) else body
        headers = [(name, str(value)) for name, value in request.headers.items()]
        request.headers.update(sign(str(request.method), str(request.url), headers, body))
        return request

    return set_headers


class GuardedSession(requests.Session):
    """A requests session that only goes where the guard lets it.

    It keeps no cookies, reads nothing from the environment, and takes no `verify`, `cert`,
    `proxies` or `stream` from a call; a `timeout` there can only shorten. All of these mount
    also beneath an OAuth session: `class Session(OAuth2Session, GuardedSession)`.

    `schemes` and `ports` are those of `parse_url`; `timeout` is (connect, idle read) and
    `deadline` the whole request, in seconds; `max_bytes` the longest answer, decompressed.
    GET and HEAD follow up to `redirects` redirects, within the same origin alone; any other
    redirect is returned as it came.

    Every request raises BadAddress, Unsendable, Unreachable (TLSFailed, NoAnswer) or
    AnswerTooLarge, and never a RequestException.
    """

    def __init__(
        self,
        *,
        schemes: Collection[str] = ("https",),
        ports: Collection[int] | None = None,
        timeout: tuple[float, float] = (5.0, 20.0),
        deadline: float = 60.0,
        max_bytes: int = 64 * 1024,
        redirects: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.trust_env = False
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self.timeout = timeout
        self.deadline_s = deadline
        self.redirects = redirects
        self.parse = partial(parse_url, schemes=schemes, ports=ports)
        adapter = GuardedAdapter(self.parse, max_bytes)
        self.mount("https://", adapter)
        self.mount("http://", adapter)

    def request(  # type: ignore[override]
        self, method: str, url: str, *args: Any, **kwargs: Any
    ) -> Response:
        url = canonical(url, self.parse(url))
        try:
            return super().request(method, url, *args, **kwargs)
        except (UnicodeError, RequestException):
            # From preparing the request: what is sent raises errors of this room only.
            raise Unsendable(UNSENDABLE) from None

    def send(self, request: PreparedRequest, **kwargs: Any) -> Response:
        ends_at = time.monotonic() + self.deadline_s
        asked = kwargs.get("timeout")
        response = self._send(request, asked, ends_at)
        for _ in range(self.redirects):
            following = self._following(request, response)
            if following is None:
                break
            request, response = following, self._send(following, asked, ends_at)
        return response

    def get_redirect_target(self, response: Response) -> None:
        """Tell requests that there are none: `send` follows those that may be followed."""

    def _send(self, request: PreparedRequest, asked: Any, ends_at: float) -> Response:
        left_s = ends_at - time.monotonic()
        if left_s <= 0:
            raise NoAnswer("timeout")
        limits: Any = self._timeout(asked, left_s)
        return super().send(
            request, timeout=limits, stream=True, verify=True, cert=None, proxies={}
        )

    def _timeout(self, asked: Any, left_s: float) -> Timeout:
        """The session's limits, or the shorter ones that the call asked for."""
        pair = asked if isinstance(asked, tuple) else (asked, asked)
        connect, read = (
            ours if theirs is None else min(ours, theirs)
            for ours, theirs in zip(self.timeout, pair, strict=True)
        )
        return Timeout(connect=connect, read=read, total=left_s)

    def _following(self, request: PreparedRequest, response: Response) -> PreparedRequest | None:
        """The request that a redirect within the same origin asks for, or None."""
        location = response.headers.get("Location")
        if not location or response.status_code not in REDIRECTS or request.method not in SAFE:
            return None
        try:
            require_plain(location)
            url = urljoin(str(request.url), location)
            if self.parse(url) != self.parse(str(request.url)):
                return None
        except ValueError:
            return None
        following = request.copy()
        following.prepare_url(url, None)
        return following
