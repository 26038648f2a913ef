"""The ASGI application: calls that carry credentials go to the gateway, all else to Django.

Django runs on threads of its own that live as long as the process, so that its database
connections do too.
"""

import asyncio
import gc
import os
import sys
from collections import deque
from typing import Any
from uuid import uuid4

from a2wsgi import WSGIMiddleware
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "connhub.settings")
# Sets Django up: what needs its models comes after.
_wsgi: Any = get_wsgi_application()

from django.conf import settings  # noqa: E402
from django.db import Error as DatabaseFailed  # noqa: E402

from connhub.middleware import headers_of_every_answer  # noqa: E402
from connhub.usage import refusing  # noqa: E402
from connhub.usage.bodies import Receive  # noqa: E402
from connhub.usage.gateway import Gateway, addressed  # noqa: E402
from connhub.usage.problems import RequestIncomplete, Send  # noqa: E402
from connhub.vault import startup  # noqa: E402
from connhub.vault.keyring import BadKeys  # noqa: E402

DJANGO_THREADS = 10
# Python's default of 5 ms is what the event loop would wait, time and again, for a busy thread.
SWITCH_S = 0.0005
IDLE_S = 30
READ_AHEAD = 256 * 1024  # bytes
PROGRAMS = b"/api/"
HANG_UP = [(b"connection", b"close"), (b"content-length", b"0")]


class Application:
    """Dispatches between the gateway and Django, and starts and ends the process's work."""

    def __init__(self) -> None:
        self.gateway = Gateway()
        self.django: Any = WSGIMiddleware(_wsgi, workers=DJANGO_THREADS)

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
        elif where := addressed(scope["raw_path"]):
            await self.gateway.serve(where, scope, receive, send)
        else:
            await self._ask_django(scope, receive, send)

    async def _ask_django(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        try:
            body = await _read_ahead(receive)
        except OSError:  # a time-out among them
            await _hang_up(scope, send)
            return
        await self.django(_for_django(scope), body, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        if why := await self._start():
            await send({"type": "lifespan.startup.failed", "message": f"connhub: {why}"})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.gateway.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _start(self) -> str:
        """Begin the process's work; why it can't be, in one line."""
        sys.setswitchinterval(SWITCH_S)
        startup.forbid_core_dumps()
        try:
            await asyncio.to_thread(startup.check_keys)
        except (BadKeys, startup.WrongKeys) as error:
            return f"CONNHUB_KEYS: {error}"
        except DatabaseFailed:
            return "DATABASE_URL: the database can't be used, or it is not migrated."
        await self.gateway.open()
        _tune_garbage_collection()
        return ""


def _tune_garbage_collection() -> None:
    """Leave out of every later search what is here for good: it takes the event loop 100 ms."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


async def _hang_up(scope: dict[str, Any], send: Send) -> None:
    """Answer a caller who stopped sending, a program with a problem document."""
    if scope["raw_path"].startswith(PROGRAMS):
        await refusing.answer(send, RequestIncomplete(), request_id=uuid4().hex)
        return
    headers = [*HANG_UP, *headers_of_every_answer()]
    await send({"type": "http.response.start", "status": 408, "headers": headers})
    await send({"type": "http.response.body"})


def _for_django(scope: dict[str, Any]) -> dict[str, Any]:
    """Without headers that Django would take for others, or that only a trusted proxy may send."""
    client = (scope.get("client") or ("",))[0]
    trusted = client in settings.TRUSTED_PROXIES
    headers = [
        (name, value)
        for name, value in scope["headers"]
        # CGI has one name for X-A and X_A.
        if b"_" not in name and (trusted or not name.startswith(b"x-forwarded-"))
    ]
    return {**scope, "headers": headers}


async def _read_ahead(receive: Receive) -> Receive:
    """What gives a body to Django, its beginning read already: a slow caller occupies no thread.

    A caller who goes away or stops sending makes it raise, and is not taken for a short body.

    Raises:
        ConnectionResetError: that happened within the first 256 KiB.
    """
    ahead: deque[dict[str, Any]] = deque()
    size, complete = 0, False

    async def read() -> dict[str, Any]:
        nonlocal complete
        async with asyncio.timeout(IDLE_S):
            message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionResetError
        complete = not message.get("more_body", False)
        return message

    async def receive_rest() -> dict[str, Any]:
        if ahead:
            return ahead.popleft()
        return await receive() if complete else await read()

    while not complete and size < READ_AHEAD:
        ahead.append(await read())
        size += len(ahead[-1].get("body", b""))
    return receive_rest


application = Application()
