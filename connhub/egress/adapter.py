"""What makes requests and urllib3 connect through the guard, and read under limits."""

import http.client
import io
import math
import socket
import time
from collections.abc import Callable
from typing import Any

from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from urllib3 import BaseHTTPResponse, HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

from . import tcp, tls
from .address import Target
from .errors import AnswerTooLarge, BadAddress, Unsendable
from .failures import unreachable

CHUNK = 16 * 1024  # bytes
UNSENDABLE = "The request can't be sent: it has a character that HTTP does not allow there."


class GuardedAdapter(HTTPAdapter):
    """Sends to where `parse` says that a URL leads, verified, without proxies or redirects."""

    def __init__(self, parse: Callable[[str], Target], max_bytes: int) -> None:
        self.parse = parse
        self.max_bytes = max_bytes
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=tls.context(), **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": GuardedPool, "https": GuardedTLSPool}

    def get_connection_with_tls_context(self, request: PreparedRequest, *_: Any, **__: Any):
        target = self.parse(str(request.url))
        return self.poolmanager.connection_from_host(target.host, target.port, target.scheme)

    def cert_verify(self, *_: Any, **__: Any) -> None:
        """Leave the pools' TLS context as it is: nothing can switch the verification off."""

    def send(self, request: PreparedRequest, **kwargs: Any) -> Response:  # type: ignore[override]
        """Send, and read the whole answer, up to `max_bytes` once decompressed.

        Raises:
            BadAddress, Unsendable: before anything was sent.
            Unreachable, TLSFailed, NoAnswer: no complete answer.
            AnswerTooLarge: more than `max_bytes`.
        """
        try:
            response = super().send(request, **kwargs)
            response._content = _read(response.raw, self.max_bytes)
            response._content_consumed = True  # type: ignore[attr-defined]
            return response
        except (AnswerTooLarge, BadAddress):
            raise
        except (OSError, HTTPError, http.client.HTTPException) as error:
            raise unreachable(error) from None
        except ValueError:
            # A header; the original quotes it, and it may be the secret.
            raise Unsendable(UNSENDABLE) from None


class GuardedConnection(HTTPConnection):
    """Is opened by the guard, and read until a deadline."""

    deadline = math.inf  # seconds of time.monotonic(), set by the pool for each request

    def _new_conn(self) -> socket.socket:
        return tcp.open_socket(self.host, self.port, timeout=self.timeout or tcp.CONNECT_S)

    def response_class(self, sock: Any, **kwargs: Any) -> http.client.HTTPResponse:  # type: ignore[override]
        timed: Any = DeadlineSocket(sock, self.deadline)
        return http.client.HTTPResponse(timed, **kwargs)


class GuardedTLSConnection(GuardedConnection, HTTPSConnection):
    pass


class GuardedPool(HTTPConnectionPool):
    """Takes the deadline from the total time that a request was given."""

    ConnectionCls = GuardedConnection

    def _make_request(self, conn: Any, method: str, url: str, **options: Any) -> BaseHTTPResponse:  # type: ignore[override]
        conn.deadline = time.monotonic() + options["timeout"].total
        return super()._make_request(conn, method, url, **options)


class GuardedTLSPool(GuardedPool, HTTPSConnectionPool):
    ConnectionCls = GuardedTLSConnection


class DeadlineSocket:
    """What `http.client` reads an answer from: one file, that ends in time."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self.sock = sock
        self.deadline = deadline

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(DeadlineReader(self.sock, self.deadline))


class DeadlineReader(io.RawIOBase):
    """Reads a socket until the deadline, however slowly its bytes trickle in."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self.sock = sock
        self.idle_s = sock.gettimeout() or math.inf
        self.deadline = deadline
        # Keeps the socket open for as long as the answer is being read.
        self.file = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left_s = self.deadline - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        self.sock.settimeout(min(left_s, self.idle_s))
        return self.file.readinto(buffer)

    def close(self) -> None:
        self.file.close()
        super().close()


def _read(raw: BaseHTTPResponse, max_bytes: int) -> bytes:
    body = bytearray()
    for chunk in raw.stream(CHUNK, decode_content=True):
        body += chunk
        if len(body) > max_bytes:
            raw.close()
            raise AnswerTooLarge(max_bytes)
    raw.release_conn()
    return bytes(body)
