"""An HTTP service as fast as Python has one: the same small JSON answer to whatever is asked.

`python -m tests.bench.upstream PORT` serves it on loopback.
"""

import asyncio
import sys

import uvloop

BODY = b'{"id": 42, "name": "Ada Lovelace", "email": "ada@example.com", "open": true}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
    len(BODY),
    BODY,
)
END = b"\r\n\r\n"


class Answerer(asyncio.Protocol):
    """Answers each request without a body; pipelined ones too."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.waiting = b""

    def data_received(self, data: bytes) -> None:
        data = self.waiting + data
        count = data.count(END)
        self.waiting = data[data.rfind(END) + len(END) :] if count else data
        if count:
            self.transport.write(ANSWER * count)


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Answerer, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
