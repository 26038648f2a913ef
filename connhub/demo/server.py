"""HTTP for Acme Cloud: requests in, responses out, on 127.0.0.1 alone."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

MAX_BODY_BYTES = 64 * 1024
IDLE_TIMEOUT_S = 30
SECURITY_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True)
class Request:
    """One request; `headers` by their usual names, in any case."""

    method: str
    host: str
    path: str
    query: str
    headers: dict[str, str]
    body: str

    @property
    def url(self) -> str:
        return f"http://{self.host}{self.path}" + (f"?{self.query}" if self.query else "")

    def parameter(self, name: str) -> str:
        """A value of the query; empty when it is not there."""
        return parse_qs(self.query).get(name, [""])[0]

    def field(self, name: str) -> str:
        """A value of the form that was sent; empty when it is not there."""
        return parse_qs(self.body).get(name, [""])[0]

    def cookie(self, name: str) -> str:
        """A cookie's value; empty when it is not there."""
        try:
            cookies = SimpleCookie(self.headers.get("Cookie", ""))
        except CookieError:
            return ""
        return cookies[name].value if name in cookies else ""


@dataclass(frozen=True)
class Response:
    """One answer. `headers` add to, and win over, the security headers that all answers have."""

    body: str = ""
    status: int = 200
    content_type: str = "text/html; charset=utf-8"
    headers: dict[str, str] = field(default_factory=dict)


Application = Callable[[Request], Response]


def make_server(port: int, application: Application) -> ThreadingHTTPServer:
    """A server on 127.0.0.1, a thread for each connection.

    Raises:
        OSError: the port is taken.
    """
    names = {f"127.0.0.1:{port}", f"localhost:{port}"}

    class BoundHandler(_Handler):
        answer = staticmethod(application)
        own_names = names

    server = ThreadingHTTPServer(("127.0.0.1", port), BoundHandler)
    server.daemon_threads = True
    return server


class _Handler(BaseHTTPRequestHandler):
    """Checks the frame of a request, asks the application, writes its answer."""

    answer: Application
    own_names: set[str]
    protocol_version = "HTTP/1.1"
    server_version = "AcmeCloud"
    sys_version = ""
    timeout = IDLE_TIMEOUT_S

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing: `_send` writes the log."""

    def _serve(self) -> None:
        refusal = self._refusal()
        if refusal:
            self.close_connection = True  # its body has not been read
            self._send(refusal)
        else:
            self._send(self.answer(self._request()))

    def _refusal(self) -> Response | None:
        if self.headers.get("Host") not in self.own_names:  # another name: DNS rebinding
            return _plain(421, "Acme Cloud answers on 127.0.0.1 alone.")
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not (length.isascii() and length.isdigit()):
            return _plain(411, "Send the body with its length.")
        if len(length) > 6 or int(length) > MAX_BODY_BYTES:
            return _plain(413, "The body is larger than 64 KiB.")
        return None

    def _request(self) -> Request:
        target = urlsplit(self.path)
        length = int(self.headers.get("Content-Length", "0"))
        return Request(
            method=self.command,
            host=self.headers["Host"],
            path=target.path,
            query=target.query,
            headers={name.title(): value for name, value in self.headers.items()},
            body=self.rfile.read(length).decode(errors="replace"),
        )

    def _send(self, response: Response) -> None:
        body = response.body.encode()
        self.send_response(response.status)
        standard = {"Content-Type": response.content_type, "Content-Length": str(len(body))}
        for name, value in (SECURITY_HEADERS | standard | response.headers).items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        # Without the query, which may hold a state; quoted, for the path is anybody's text.
        path = repr(urlsplit(self.path).path)
        sys.stderr.write(f"{self.command} {path} {response.status}\n")


def _plain(status: int, text: str) -> Response:
    return Response(text, status, "text/plain; charset=utf-8")
