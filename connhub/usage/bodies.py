"""Bodies on their way through: piece by piece, and never more than the limits allow."""

import asyncio
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any

from django.conf import settings

from .problems import AnswerTooLarge, RequestIncomplete, RequestTooLarge, UpstreamMalformed

Receive = Callable[[], Awaitable[dict[str, Any]]]

LINGER_S = 10
CHUNK = 64 * 1024  # bytes
# Beyond its first MiB a body may not grow more than this by decompression.
MOST_GROWTH = 100
SMALL = 2**20
CODINGS = frozenset({"gzip", "x-gzip", "deflate"})


async def drain(receive: Receive) -> None:
    """Read and drop what a caller still sends, for at most 10 s (RFC 9112 section 9.6).

    Until then the answer has to be on its way whole: the system drops what the caller has not read
    of it if the connection is closed while more arrives.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(LINGER_S):
            while (await receive()).get("more_body"):
                pass


class Upload:
    """A caller's body as it arrives; what failed stays in `failure`, whoever was reading."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive = receive
        self._limit = limit
        self._first = b""
        self.size = 0
        self.complete = False
        self.failure: RequestTooLarge | RequestIncomplete | None = None

    async def read(self) -> bytes:
        """The next piece.

        Raises:
            RequestTooLarge, RequestIncomplete: there is too much, or nothing came for as long as the settings say.
        """
        try:
            async with asyncio.timeout(settings.PROXY_IDLE_S):
                message = await self._receive()
        except TimeoutError:
            message = {"type": "http.disconnect"}
        if message["type"] == "http.disconnect":
            self.failure = RequestIncomplete()
            raise self.failure
        piece = message.get("body", b"")
        self.size += len(piece)
        if self.size > self._limit:
            self.failure = RequestTooLarge()
            raise self.failure
        self.complete = not message.get("more_body", False)
        return piece

    async def read_all(self) -> bytes:
        """The whole body. Raises: RequestTooLarge; RequestIncomplete, if it takes too long too."""
        try:
            async with asyncio.timeout(settings.PROXY_TOTAL_S):
                return b"".join([piece async for piece in self])
        except TimeoutError:
            raise RequestIncomplete from None

    def put_back(self, piece: bytes) -> None:
        self._first = piece

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._first:
            yield self._first
        while not self.complete:
            yield await self.read()


class Inflater:
    """Undoes gzip or deflate, which the service was asked not to use (RFC 9110 section 8.4.1)."""

    def __init__(self) -> None:
        self._zlib = _decompressor()
        self._in = self._out = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Raises: UpstreamMalformed; AnswerTooLarge, if it grows more than a hundredfold."""
        self._in += len(data)
        while data:
            if self._zlib.eof:  # gzip may be several in a row
                self._zlib = _decompressor()
            try:
                piece = self._zlib.decompress(data, CHUNK)
            except zlib.error:
                raise UpstreamMalformed from None
            self._out += len(piece)
            if self._out > SMALL and self._out > self._in * MOST_GROWTH:
                raise AnswerTooLarge
            yield piece
            data = self._zlib.unused_data or self._zlib.unconsumed_tail

    def finish(self) -> None:
        """Raises: UpstreamMalformed, if it broke off."""
        if self._in and not self._zlib.eof:
            raise UpstreamMalformed


def _decompressor() -> "zlib._Decompress":
    return zlib.decompressobj(wbits=32 + zlib.MAX_WBITS)  # finds out whether gzip or zlib
