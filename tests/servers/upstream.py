"""An HTTP API for the proxy to call, with every way of answering that a proxy must cope with.

`python -m tests.servers.upstream PORT` serves it. `/echo` takes any method and any path below it.
"""

import asyncio
import base64
import gzip
import hashlib
import hmac
import os
import secrets
import sys
import weakref
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import quote_from_bytes

import requests
from aiohttp import BasicAuth, hdrs, web

from tests.servers import sigv4
from tests.servers.process import free_port, listens, python, running, temporary_folder

BASIC_USER = "grace"
ACCESS_KEY_ID = "AKIDUPSTREAM"
CHUNK = bytes(range(256)) * 256  # 64 KiB
routes = web.RouteTableDef()


@dataclass(frozen=True)
class Upstream:
    """The running API and the credentials that `/key`, `/basic` and `/signed` want."""

    port: int
    api_key: str
    basic_password: str
    secret_access_key: str
    basic_user: str = BASIC_USER
    access_key_id: str = ACCESS_KEY_ID

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def counts(self) -> dict[str, int]:
        """`connections` and `requests` since the last reset; asking does not count."""
        return requests.get(f"{self.url}/count", timeout=10).json()

    def reset(self) -> None:
        """Count from zero; a connection that stays open counts again."""
        requests.delete(f"{self.url}/count", timeout=10).raise_for_status()


@contextmanager
def running_upstream() -> Iterator[Upstream]:
    """Run the API while the block lasts."""
    upstream = Upstream(free_port(), *(secrets.token_urlsafe(24) for _ in range(3)))
    with running(
        python("tests.servers.upstream", upstream.port),
        folder=temporary_folder("upstream"),
        env={
            "UPSTREAM_API_KEY": upstream.api_key,
            "UPSTREAM_BASIC_PASSWORD": upstream.basic_password,
            "UPSTREAM_SECRET_ACCESS_KEY": upstream.secret_access_key,
        },
        ready=lambda: listens(upstream.port),
    ):
        yield upstream


class Counter:
    """Which connections have carried a request, and how many requests there were."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.seen: weakref.WeakSet = weakref.WeakSet()
        self.connections = self.requests = 0

    def note(self, request: web.Request) -> None:
        self.requests += 1
        if request.transport not in self.seen:
            self.seen.add(request.transport)
            self.connections += 1


COUNTER = web.AppKey("counter", Counter)


@web.middleware
async def counted(request: web.Request, handler) -> web.StreamResponse:
    if request.path != "/count":
        request.app[COUNTER].note(request)
    return await handler(request)


@routes.get("/count")
async def count(request: web.Request) -> web.Response:
    """Connections and requests seen so far, this path left out."""
    counter = request.app[COUNTER]
    return web.json_response({"connections": counter.connections, "requests": counter.requests})


@routes.delete("/count")
async def reset_count(request: web.Request) -> web.Response:
    """Count from zero."""
    request.app[COUNTER].reset()
    return web.Response(status=204)


@routes.route("*", "/echo")
@routes.route("*", "/echo/{below:.*}")
async def echo(request: web.Request) -> web.Response:
    """What arrived, as it arrived: nothing decoded, nothing merged."""
    path, _, query = request.raw_path.partition("?")
    body = await request.content.read()
    return web.json_response(
        {
            "method": request.method,
            "path": path,
            "query": query,
            "headers": [
                [name.decode(), value.decode("latin-1")] for name, value in request.raw_headers
            ],
            "body_sha256": hashlib.sha256(body).hexdigest(),
            "body_length": len(body),
            "body_start": body[:200].decode("latin-1"),
        }
    )


@routes.route("*", "/status/{code:[0-9]+}")
async def status(request: web.Request) -> web.Response:
    """An answer with this status, and a body where the status may have one."""
    code = int(request.match_info["code"])
    return web.Response(status=code, text=None if code in (204, 304) else f"Status {code}")


@routes.get("/bytes/{count:[0-9]+}")
async def count_bytes(request: web.Request) -> web.StreamResponse:
    """So many bytes (0 to 255, again and again), streamed; `?chunked` leaves out the length."""
    remaining = int(request.match_info["count"])
    answer = web.StreamResponse(headers={hdrs.CONTENT_TYPE: "application/octet-stream"})
    if "chunked" not in request.query:
        answer.content_length = remaining
    await answer.prepare(request)
    while remaining:
        piece = CHUNK[:remaining]
        await answer.write(piece)
        remaining -= len(piece)
    return answer


@routes.get("/drip")
async def drip(request: web.Request) -> web.StreamResponse:
    """`chunks` lines spread evenly over `seconds`; with `wait=1` the headers come last, too."""
    seconds = float(request.query.get("seconds", "1"))
    chunks = int(request.query.get("chunks", "5"))
    if "wait" in request.query:
        await asyncio.sleep(seconds)
        return web.Response(text="late\n")
    answer = web.StreamResponse(headers={hdrs.CONTENT_TYPE: "text/plain"})
    await answer.prepare(request)
    for number in range(chunks):
        await asyncio.sleep(seconds / chunks)
        await answer.write(f"chunk {number}\n".encode())
    return answer


@routes.route("*", "/leak")
async def leak(request: web.Request) -> web.StreamResponse:
    """The caller's credential back, raw, URL-encoded and in base64, in headers or in the body.

    `where=header|body`. The credential is the header named `header` (Authorization unless told,
    without its scheme), or the value of the query key named `query`, or of the form field named
    `form`. In the body each form is cut in two, sent 50 ms apart.
    """
    secret = await _credential(request)
    forms = {
        "Raw": secret,
        "Url": quote_from_bytes(secret, safe="").encode(),
        "Base64": base64.b64encode(secret),
    }
    if request.query.get("where") == "header":
        return web.Response(headers={f"X-Leak-{k}": v.decode("latin-1") for k, v in forms.items()})
    answer = web.StreamResponse(headers={hdrs.CONTENT_TYPE: "text/plain"})
    await answer.prepare(request)
    async for piece in _in_halves(forms):
        await answer.write(piece)
    return answer


async def _credential(request: web.Request) -> bytes:
    if "query" in request.query:
        value = request.query.get(request.query["query"], "")
    elif "form" in request.query:
        value = str((await request.post()).get(request.query["form"], ""))
    else:
        name = request.query.get("header", hdrs.AUTHORIZATION)
        value = request.headers.get(name, "")
        if name == hdrs.AUTHORIZATION:
            value = value.partition(" ")[2]
    return value.encode()


async def _in_halves(forms: dict[str, bytes]) -> AsyncIterator[bytes]:
    for name, value in forms.items():
        middle = len(value) // 2
        yield f"{name}: ".encode() + value[:middle]
        await asyncio.sleep(0.05)
        yield value[middle:] + b"\n"


@routes.get("/gzip")
async def gzipped(request: web.Request) -> web.Response:
    """`size` zeros (1000 unless told), always gzip, whatever the caller accepts."""
    body = gzip.compress(bytes(int(request.query.get("size", "1000"))))
    return web.Response(
        body=body,
        headers={hdrs.CONTENT_ENCODING: "gzip", hdrs.CONTENT_TYPE: "application/octet-stream"},
    )


@routes.get("/cookies")
async def cookies(request: web.Request) -> web.Response:
    """Headers that a proxy must strip, among some that it must pass."""
    answer = web.Response(text="cookies")
    for name, value in UNWELCOME_HEADERS + WELCOME_HEADERS:
        answer.headers.add(name, value)
    return answer


UNWELCOME_HEADERS = (
    ("Set-Cookie", "session=upstream; Path=/"),
    ("Set-Cookie", "csrftoken=upstream"),
    ("Clear-Site-Data", '"*"'),
    ("Access-Control-Allow-Origin", "*"),
    ("Access-Control-Allow-Credentials", "true"),
    ("Content-Security-Policy", "default-src *"),
    ("Strict-Transport-Security", "max-age=0"),
    ("Refresh", "0; url=https://evil.example/"),
    ("Alt-Svc", 'h2="evil.example:443"'),
    ("Server-Timing", "db;dur=53"),
    ("Connection", "keep-alive, X-Hop"),
    ("Keep-Alive", "timeout=5"),
    ("X-Hop", "for the next hop alone"),
    ("Proxy-Authenticate", "Basic"),
)
WELCOME_HEADERS = (
    ("ETag", '"v1"'),
    ("Retry-After", "3"),
    ("Link", '<https://api.example/items?page=2>; rel="next"'),
    ("X-RateLimit-Remaining", "41"),
    ("X-Request-Id", "abc123"),
)


@routes.route("*", "/redirect")
async def redirect(request: web.Request) -> web.Response:
    """To `to` (/echo unless told), with the status `code` (302 unless told)."""
    code = int(request.query.get("code", "302"))
    return web.Response(status=code, headers={hdrs.LOCATION: request.query.get("to", "/echo")})


@routes.route("*", "/key")
async def key(request: web.Request) -> web.Response:
    """Demands the known API key in the header X-Api-Key."""
    given = request.headers.get("X-Api-Key", "")
    if not hmac.compare_digest(given.encode(), os.environ["UPSTREAM_API_KEY"].encode()):
        return web.json_response({"error": "wrong key"}, status=401)
    return web.json_response({"ok": True})


@routes.route("*", "/basic")
async def basic(request: web.Request) -> web.Response:
    """Demands the known user and password by HTTP Basic."""
    expected = BasicAuth(BASIC_USER, os.environ["UPSTREAM_BASIC_PASSWORD"], encoding="utf-8")
    given = request.headers.get(hdrs.AUTHORIZATION, "")
    if not hmac.compare_digest(given.encode(), expected.encode().encode()):
        return web.json_response(
            {"error": "wrong password"},
            status=401,
            headers={hdrs.WWW_AUTHENTICATE: 'Basic realm="upstream"'},
        )
    return web.json_response({"user": BASIC_USER})


@routes.route("*", "/signed/{below:.*}")
async def signed(request: web.Request) -> web.Response:
    """Demands a Signature Version 4 by the known key, for whichever service it names."""
    headers = [(name.decode(), value.decode("latin-1")) for name, value in request.raw_headers]
    keys = ACCESS_KEY_ID, os.environ["UPSTREAM_SECRET_ACCESS_KEY"]
    body = await request.content.read()
    if not sigv4.accepts(request.method, request.raw_path, headers, body, keys):
        return web.json_response({"error": "SignatureDoesNotMatch"}, status=403)
    return web.json_response({"path": request.raw_path})


@routes.post("/upload")
@routes.put("/upload")
async def upload(request: web.Request) -> web.Response:
    """Reads the body piece by piece and keeps none of it; its length and SHA-256."""
    length, digest = 0, hashlib.sha256()
    async for piece in request.content.iter_any():
        length += len(piece)
        digest.update(piece)
    return web.json_response({"length": length, "sha256": digest.hexdigest()})


async def serve(port: int) -> None:
    """Serve on loopback until the process ends; bodies arrive as sent, compressed or not."""
    application = web.Application(middlewares=[counted], client_max_size=0)
    application[COUNTER] = Counter()
    application.add_routes(routes)
    runner = web.AppRunner(application, access_log=None, auto_decompress=False)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
