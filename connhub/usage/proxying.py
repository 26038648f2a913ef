"""One proxied call: to the service with the credential added, and back without it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Hashable
from dataclasses import dataclass, field
from time import perf_counter, time
from typing import Any

import aiohttp
from django.conf import settings
from multidict import CIMultiDict

from connhub.connections.auth.base import Sign
from connhub.connections.calling.headers import MOST_BYTES, MOST_HEADERS, Raw, for_caller, size_of
from connhub.connections.calling.injection import FORM
from connhub.connections.calling.limits import require_allowed
from connhub.connections.calling.paths import require_canonical, require_query
from connhub.connections.calling.redaction import Window
from connhub.connections.calling.refusals import BadHeader, FormNeeded, MethodNotAllowed
from connhub.egress.http import Client, NoAnswer, client, unreachable
from connhub.egress.timing import even_timing
from connhub.errors import Refusal

from .bodies import CODINGS, Inflater, Receive, Upload
from .problems import (
    AnswerTooLarge,
    NotHTTP,
    RequestTooLarge,
    Send,
    UpstreamMalformed,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from .routes import IDLE_S, Ready, Route

METHODS_REFUSED = frozenset({"TRACE", "TRACK", "CONNECT"})
METHODS_NAMED = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
BODILESS = frozenset({204, 304})
MOST_FORM = 2**20  # bytes; a form has to be read whole
FAILURES = (aiohttp.ClientError, OSError, TimeoutError)


class BrokenOff(Exception):
    """The answer had begun and can't be completed: the caller's connection must be cut."""


@dataclass(slots=True, repr=False)
class Call:
    """One call to the runtime API on its way, and what will be said of it in the log."""

    receive: Receive
    send: Send
    method: str
    headers: list[Raw]
    query: bytes
    link_name: str
    path: bytes | None  # below the base URL; None for the base URL itself
    request_id: str
    digest: str = ""
    flow: str = ""
    step: str = ""
    user: str = ""  # whom the caller says it acts for
    route: Route | None = None
    status: int = 0  # once an answer has begun
    problem: str = ""
    bytes_in: int = 0
    bytes_out: int = 0
    redacted: bool = False
    named: dict[bytes, bytes] = field(init=False)  # headers by name, the last of each
    at: float = field(default_factory=time)
    started: float = field(default_factory=perf_counter)

    def __post_init__(self) -> None:
        self.named = dict(self.headers)

    async def start(self, status: int, headers: list[Raw]) -> None:
        self.status = status
        await self.send({"type": "http.response.start", "status": status, "headers": headers})

    async def write(self, body: bytes, *, more: bool) -> None:
        self.bytes_out += len(body)
        await self.send({"type": "http.response.body", "body": body, "more_body": more})


class Pools:
    """The pooled connections of one process, apart for each connection, environment and login user.

    What a service leaves behind on a socket is never met by a call with another credential.
    """

    def __init__(self) -> None:
        self._clients: dict[Hashable, Client] = {}
        self._used_at: dict[Hashable, float] = {}

    def of(self, route: Route, now: float) -> Client:
        user = route.user.pk if route.user else None
        whose = (route.connection.pk, route.key.environment_id, user)
        self._used_at[whose] = now
        return self._clients.get(whose) or self._open(whose)

    async def forget_idle(self, now: float) -> None:
        """Close those that were not used for 15 minutes."""
        for whose in [whose for whose, at in self._used_at.items() if at < now - IDLE_S]:
            del self._used_at[whose]
            await self._clients.pop(whose).close()

    async def close(self) -> None:
        for upstream in self._clients.values():
            await upstream.close()

    def _open(self, whose: Hashable) -> Client:
        """Twice as long as to connect, a call waits for one of 100 connections."""
        connect_s = settings.PROXY_CONNECT_S
        self._clients[whose] = client(
            limits={"limit": 100, "keepalive_timeout": 30},
            timeout=aiohttp.ClientTimeout(
                total=settings.PROXY_TOTAL_S,
                connect=2 * connect_s,
                sock_connect=connect_s,
                sock_read=settings.PROXY_IDLE_S,
            ),
            max_field_size=32 * 1024,
            max_headers=MOST_HEADERS,
        )
        return self._clients[whose]


async def pass_on(upstream: Client, ready: Ready, call: Call) -> None:
    """Make the call and stream its answer back.

    Raises:
        Refusal: before an answer has begun.
        BrokenOff: after that.
    """
    if call.method in METHODS_REFUSED:
        raise MethodNotAllowed(METHODS_NAMED)
    if ready.base is None:
        raise NotHTTP
    _require_no_upgrade(call)
    require_canonical(call.path or b"")
    require_query(call.query)
    path = None if call.path is None else call.path.decode("ascii")
    require_allowed(ready.limits, call.method, path)
    url = ready.base.url(path, ready.injector.query(call.query.decode("ascii")))
    headers = ready.injector.headers(call.headers)
    body = await _body(call, ready, headers)
    if ready.injector.sign:
        body = await _sign(call, ready.injector.sign, str(url), headers, body)
    response = await _send(upstream, call.method, url, headers, body)
    try:
        await Answer(call, ready, response, _is_read(body)).pass_back()
    finally:
        if isinstance(body, Upload):
            call.bytes_in = body.size
        response.close()


def _require_no_upgrade(call: Call) -> None:
    """Raises: BadHeader. HTTP/2 in clear is only offered by clients, who do without it."""
    if call.named.get(b"upgrade", b"h2c").strip().lower() != b"h2c":
        raise BadHeader


async def _body(call: Call, ready: Ready, headers: CIMultiDict[str]) -> bytes | Upload | None:
    """What is sent as the body; a longer one is streamed, of the length that the caller said."""
    if ready.injector.needs_form:
        return await _form(call, ready)
    length = int(call.named.get(b"content-length", b"0"))
    if not length and b"transfer-encoding" not in call.named:
        return None
    if length > settings.PROXY_MAX_REQUEST:
        raise RequestTooLarge
    upload = Upload(call.receive, settings.PROXY_MAX_REQUEST)
    first = await upload.read()
    if upload.complete:
        call.bytes_in = len(first)
        return first
    upload.put_back(first)
    if length:
        headers["content-length"] = str(length)
    return upload


async def _sign(
    call: Call, sign: Sign, url: str, headers: CIMultiDict[str], body: bytes | Upload | None
) -> bytes | None:
    """Set the signature's headers; a body is read whole for it, up to the limit of a request."""
    if isinstance(body, Upload):
        body = await body.read_all()
        call.bytes_in = len(body)
    for name, value in sign(call.method, url, list(headers.items()), body or b""):
        headers[name] = value
    return body


async def _form(call: Call, ready: Ready) -> bytes:
    media_type = call.named.get(b"content-type", b"").partition(b";")[0]
    if media_type.strip().lower() != FORM:
        raise FormNeeded
    body = await Upload(call.receive, MOST_FORM).read_all()
    call.bytes_in = len(body)
    return ready.injector.form(body)


def _is_read(body: bytes | Upload | None) -> Callable[[], bool]:
    return (lambda: body.complete) if isinstance(body, Upload) else (lambda: True)


async def _send(
    upstream: Client, method: str, url: Any, headers: CIMultiDict[str], body: bytes | Upload | None
) -> aiohttp.ClientResponse:
    try:
        async with even_timing():
            return await upstream.request(method, url, headers=headers, data=body)
    except FAILURES as error:
        if isinstance(body, Upload) and body.failure:
            raise body.failure from None
        raise _refusal(error) from None
    except ValueError:
        # Characters that HTTP doesn't allow; the error quotes the header.
        raise BadHeader from None


def _refusal(error: BaseException) -> Refusal:
    cause = unreachable(error)
    if isinstance(cause, NoAnswer):
        return UpstreamTimeout() if cause.reason == "timeout" else UpstreamMalformed()
    return UpstreamUnreachable(cause.text)


async def _gone(receive: Receive) -> None:
    """Returns when nobody listens any more."""
    while (await receive())["type"] != "http.disconnect":
        pass


class Answer:
    """A service's answer on its way back: stripped, decoded, redacted and limited."""

    def __init__(
        self,
        call: Call,
        ready: Ready,
        response: aiohttp.ClientResponse,
        request_is_read: Callable[[], bool],
    ) -> None:
        self.call, self.response = call, response
        self.redactor = ready.injector.redactor
        self.request_is_read = request_is_read
        self.limit = settings.PROXY_MAX_RESPONSE
        self.size = 0
        self.inflater = self._inflater()

    async def pass_back(self) -> None:
        """Raises: Refusal, if nothing was sent yet; BrokenOff."""
        status, content = self.response.status, self.response.content
        if not 200 <= status < 600:
            raise UpstreamMalformed
        if self.call.method == "HEAD" or status in BODILESS:
            await self._give(b"")
            return
        if (self.response.content_length or 0) > self.limit:
            raise AnswerTooLarge
        first = self._at_hand()
        if content.at_eof() and not self.inflater:
            await self._give(self._cleaned(first))
        else:
            await self._stream(first)

    async def _give(self, body: bytes) -> None:
        await self.call.start(self.response.status, self._headers())
        await self.call.write(body, more=False)

    def _inflater(self) -> Inflater | None:
        """Raises: UpstreamMalformed, for a coding that can't be read."""
        coding = self.response.headers.get("Content-Encoding", "").strip().lower()
        if coding in ("", "identity"):
            return None
        if coding not in CODINGS:
            raise UpstreamMalformed
        return Inflater()

    def _headers(self) -> list[Raw]:
        raw = self.response.raw_headers
        if size_of(raw) > MOST_BYTES:
            raise AnswerTooLarge
        headers = for_caller(raw)
        if self.inflater or self.response.status in BODILESS:
            headers = [each for each in headers if each[0] != b"content-length"]
        if self.redactor.found_in(b"\n".join([value for _, value in headers])):
            self.call.redacted = True
            headers = [(name, self.redactor.clean(value)) for name, value in headers]
        return headers

    def _at_hand(self) -> bytes:
        """What has arrived of the body already, without waiting."""
        try:
            return self.response.content.read_nowait()
        except FAILURES as error:
            raise _refusal(error) from None

    def _cleaned(self, body: bytes) -> bytes:
        if not self.redactor.found_in(body):
            return body
        self.call.redacted = True
        return self.redactor.clean(body)

    async def _stream(self, first: bytes) -> None:
        window = Window(self.redactor)
        await self.call.start(self.response.status, self._headers())
        watch: asyncio.Future | None = None
        try:
            async with asyncio.timeout(settings.PROXY_TOTAL_S):
                async for piece in self._pieces(first):
                    if watch is None and self.request_is_read():
                        watch = asyncio.ensure_future(_gone(self.call.receive))
                    if watch and watch.done():
                        raise BrokenOff
                    if ready := window.feed(piece):
                        await self.call.write(ready, more=True)
                await self.call.write(window.finish(), more=False)
        except (*FAILURES, Refusal) as error:
            raise BrokenOff from error
        finally:
            self.call.redacted |= window.found
            if watch:
                watch.cancel()

    async def _pieces(self, first: bytes) -> AsyncIterator[bytes]:
        """The decoded body. Raises: AnswerTooLarge, UpstreamMalformed, what aiohttp raises."""
        async for data in self._arriving(first):
            for piece in self.inflater.feed(data) if self.inflater else (data,):
                self.size += len(piece)
                if self.size > self.limit:
                    raise AnswerTooLarge
                yield piece
        if self.inflater:
            self.inflater.finish()

    async def _arriving(self, first: bytes) -> AsyncIterator[bytes]:
        if first:
            yield first
        async for data in self.response.content.iter_any():
            yield data
