"""The HTTP server's protocol: uvicorn's, with a limit on what comes before a body."""

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_HEAD_BYTES = 64 * 1024


class LimitedProtocol(HttpToolsProtocol):
    """Hangs up on a request line and headers of much more than 64 KiB, before they fill memory.

    A head that arrives in one piece is measured exactly by whoever answers it.
    """

    _head_bytes = 0
    _in_head = True

    def data_received(self, data: bytes) -> None:
        self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes > MOST_HEAD_BYTES:
            self.transport.close()

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_head, self._head_bytes = True, 0
        super().on_message_complete()
