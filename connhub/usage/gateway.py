"""The hot path of the runtime API, in front of Django.

It serves `/api/v1/connections/{link_name}/proxy/{path}` and `…/credentials`. A call whose route
is known costs one query: whether anything on record changed since.
"""

import asyncio
import logging
import os
import re
import traceback
from collections import Counter
from collections.abc import Awaitable, Hashable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from time import perf_counter, time
from types import SimpleNamespace
from typing import Any, NamedTuple

from django.conf import settings

from connhub.accounts.sessions import client_ip
from connhub.audit.context import Context, current
from connhub.connections.calling.headers import require_few, values_of
from connhub.connections.calling.refusals import BadHeader
from connhub.errors import Refusal
from connhub.vault import counting

from . import callers, credentials, records, refusing
from .bodies import Receive
from .calls.entry import Entry
from .calls.log import CallLog
from .problems import (
    CredentialsNotAllowed,
    InternalError,
    NotUsable,
    RateLimited,
    Send,
    Unauthorized,
)
from .proxying import BrokenOff, Call, Pools, pass_on
from .rates.asking import Asking
from .rates.counting import read_rate
from .rates.leases import Leases
from .revision import DatabaseAway, Revision
from .routes import Ready, Route, Routes, in_thread

PREFIX = b"/api/v1/connections/"
BEARER = re.compile(rb"bearer +(\S+)", re.IGNORECASE)
FLOW = re.compile(r"[A-Za-z0-9_-]{1,60}")
USER = b"x-connhub-user"
LONGEST = {b"x-connhub-flow": 60, b"x-connhub-step": 80, USER: 254}
# At most so often for each connection: renewals that a 401 asks for, records of the same again.
RARELY_S = 60
log = logging.getLogger("connhub.usage.gateway")


class Addressed(NamedTuple):
    """What a URL asks of the gateway; `path` is below the base URL, None for the base itself."""

    link_name: str
    is_proxy: bool
    path: bytes | None


def addressed(raw_path: bytes) -> Addressed | None:
    """What a raw request path asks of the gateway, or None if it is Django's."""
    if not raw_path.startswith(PREFIX):
        return None
    link_name, _, rest = raw_path[len(PREFIX) :].partition(b"/")
    what, slash, path = rest.partition(b"/")
    if what == b"proxy":
        return Addressed(link_name.decode("latin-1"), True, path if slash else None)
    if what == b"credentials" and not slash:
        return Addressed(link_name.decode("latin-1"), False, None)
    return None


class Gateway:
    """One for each process; `open` it in the event loop that it will be called in."""

    async def open(self) -> None:
        self.threads = ThreadPoolExecutor(8, "gateway")
        self.renewals = ThreadPoolExecutor(16, "renewal")
        self.revision = Revision()
        self.routes = Routes(self.revision, self.threads, self.renewals)
        self.records = records.Recorder(self.threads)
        self.pools = Pools()
        self.calls = CallLog()
        self.per_key = callers.with_keys.leases
        self.per_connection = Leases("connection", read_rate(settings.PROXY_RATE_CONNECTION))
        self.rates = Asking(self.per_key, self.per_connection)
        self.used: set[tuple[Any, int, int | None]] = set()
        self.lately: dict[tuple[str, Hashable], float] = {}
        self.untold: Counter[Hashable] = Counter()
        self.background: set[asyncio.Task] = set()
        self.random = b""
        self.calls.start()
        self._in_background(self._keep_tidy())
        self._in_background(self.rates.keep_tidy())

    async def close(self) -> None:
        for task in self.background:
            task.cancel()
        await asyncio.gather(*self.background, return_exceptions=True)
        await self.pools.close()
        await self.rates.close()
        await asyncio.to_thread(self.calls.stop)
        await self._count_seals()
        await self.revision.close()
        for threads in (self.threads, self.renewals):
            threads.shutdown(wait=False, cancel_futures=True)

    async def serve(
        self, where: Addressed, scope: dict[str, Any], receive: Receive, send: Send
    ) -> None:
        """Answer one request that is `addressed` to the gateway."""
        call = Call(
            receive=receive,
            send=send,
            method=scope["method"],
            headers=scope["headers"],
            query=scope["query_string"],
            link_name=where.link_name,
            path=where.path,
            request_id=self._new_id(),
        )
        ip = _client_ip(scope)
        current.set(Context(ip, call.request_id))
        try:
            await self._serve(call, is_proxy=where.is_proxy)
        except Refusal as refusal:
            self._record_denial(call, refusal, ip)
            await self._refuse(call, refusal)
        except BrokenOff as broken:
            # Returning without the end of the answer makes the server cut the connection.
            call.problem = getattr(broken.__cause__, "code", "broken-off")
        except Exception as error:
            _report(error)
            if not call.status:
                await self._refuse(call, InternalError())
        finally:
            self._note(call, is_proxy=where.is_proxy)

    def _new_id(self) -> str:
        """Random, as hex; the system is asked for 256 of them at once."""
        if not self.random:
            self.random = os.urandom(16 * 256)
        request_id, self.random = self.random[:16].hex(), self.random[16:]
        return request_id

    async def _serve(self, call: Call, *, is_proxy: bool) -> None:
        require_few(call.headers)
        route = call.route = await self._find(call)
        await self.rates.take(self.per_connection, route.connection.pk)
        call.flow, call.step, call.user = _caller_of(call)
        self.calls.require_writable()
        if is_proxy:
            await self._proxy(call, route)
        else:
            await self._hand_out(call, route)

    async def _find(self, call: Call) -> Route:
        """The route for the call's key. Raises: Unauthorized, RateLimited, DatabaseAway."""
        token = BEARER.fullmatch(call.named.get(b"authorization", b"").strip())
        if token is None or len(values_of(call.headers, b"authorization")) > 1:
            raise Unauthorized
        call.digest = callers.with_keys.digest_of(token[1].decode("latin-1"))
        if not call.digest:
            raise Unauthorized
        # One that is none costs nobody's limit.
        if is_known := callers.with_keys.knows(call.digest):
            await self.rates.take(self.per_key, call.digest)
        route = await self.routes.find(call.digest, call.link_name, call.at, _user_of(call))
        if not is_known:
            await self.rates.take(self.per_key, call.digest)
        return route

    async def _proxy(self, call: Call, route: Route) -> None:
        ready = await self.routes.fresh(route, call.at)
        use = (route.key.pk, route.connection.pk, route.user.pk if route.user else None)
        if use not in self.used:
            await self.records.write(records.first_use, route.key, route.connection, route.user)
            self.used.add(use)
        try:
            await pass_on(self.pools.of(route, call.at), ready, call)
        finally:
            if call.status == 401:
                self._renew_after_refusal(ready, call.at)
            if call.redacted:
                self._record_redaction(route, call.at)

    async def _hand_out(self, call: Call, route: Route) -> None:
        try:
            credentials.require_allowed(call, route)
        except CredentialsNotAllowed:
            await self._record_refused_read(route, call.at)
            raise
        ready = await self.routes.fresh(route, call.at)
        await self._record_read(route)
        await credentials.hand_out(call, route, ready)

    async def _record_read(self, route: Route, **more: Any) -> None:
        await self.records.write(
            records.credential_read, route.key, route.connection, route.user, **more
        )

    async def _record_refused_read(self, route: Route, now: float) -> None:
        """The first in a minute; the others are counted in the next record."""
        whose = (route.key.pk, route.connection.pk)
        if self._is_due("refused read", whose, now):
            times = self.untold.pop(whose, 0) + 1
            await self._record_read(route, outcome="denied", times=times)
        else:
            self.untold[whose] += 1

    def _renew_after_refusal(self, ready: Ready, now: float) -> None:
        """Later calls get a new token: the service may have ended this one before its time."""
        credential = ready.access.credential
        if credential is None or not ready.access.renewable:
            return
        renewed_at = credential.renewed_at.timestamp() if credential.renewed_at else 0
        if now - renewed_at > RARELY_S and self._is_due("renewal", credential.pk, now):
            self._in_background(self.routes.force_renewal(credential))

    def _record_redaction(self, route: Route, now: float) -> None:
        if self._is_due("redaction", (route.key.pk, route.connection.pk), now):
            work = self.records.write(records.secret_redacted, route.key, route.connection)
            self._in_background(work)

    def _record_denial(self, call: Call, refusal: Refusal, ip: str) -> None:
        """Of the same calls only the first in a minute even asks whether it is on record."""
        if call.route is not None or not isinstance(refusal, Unauthorized | NotUsable):
            return
        known = callers.with_keys.knows(call.digest)
        whose = (call.digest, call.link_name) if known else (ip, "")
        if self._is_due("denial", whose, call.at):
            work = self.records.write(
                records.call_denied, call.digest, call.link_name, refusal.code
            )
            self._in_background(work)

    def _is_due(self, what: str, whose: Hashable, now: float) -> bool:
        """Whether it last happened more than a minute ago; if so, it counts as done."""
        if now - self.lately.get((what, whose), 0) < RARELY_S:
            return False
        self.lately[what, whose] = now
        return True

    async def _refuse(self, call: Call, refusal: Refusal) -> None:
        call.status, call.problem = int(refusal.status), refusal.code
        route = call.route
        await refusing.answer(
            call.send,
            refusal,
            request_id=call.request_id,
            link_name=call.link_name if route else "",
            integration=route.key.integration.slug if route else "",
            receive=call.receive,
        )

    def _note(self, call: Call, *, is_proxy: bool) -> None:
        """Put the call into the log, unless it was none or there are too many already."""
        route = call.route
        if route is None or call.problem == RateLimited.code:
            return
        path = "/" + (call.path or b"").decode("latin-1") if is_proxy else "credentials"
        self.calls.add(
            Entry(
                at=call.at,
                connection=route.connection.pk,
                integration=route.key.integration_id,
                environment=route.key.environment_id,
                key=route.key.pk,
                flow=call.flow,
                step=call.step,
                user=call.user,
                method=call.method,
                path=path,
                status=call.status,
                problem=call.problem,
                took_ms=round((perf_counter() - call.started) * 1000),
                bytes_in=call.bytes_in,
                bytes_out=call.bytes_out,
            )
        )

    def _in_background(self, work: Awaitable) -> None:
        async def run() -> None:
            try:
                await work
            except Refusal:
                pass  # on record, or to be seen by the next call
            except Exception as error:
                _report(error)

        task = asyncio.create_task(run())
        self.background.add(task)
        task.add_done_callback(self.background.discard)

    async def _keep_tidy(self) -> None:
        while True:
            await asyncio.sleep(RARELY_S)
            now = time()
            self.routes.forget_idle(now)
            await self.pools.forget_idle(now)
            self.lately = {what: at for what, at in self.lately.items() if now - at < RARELY_S}
            await self._count_seals()

    async def _count_seals(self) -> None:
        with suppress(DatabaseAway):
            await in_thread(self.threads, counting.flush)


def _caller_of(call: Call) -> tuple[str, str, str]:
    """The flow and step that the caller says it is, and the user it says it acts for.

    Raises:
        BadHeader: one of them is malformed, or there twice.
    """
    said = LONGEST.keys() & call.named.keys()
    if not said:
        return "", "", ""
    # Of two users none was taken: where that counts, the route says so.
    once = LONGEST.keys() - ({USER} if call.route and call.route.connection.login_user else set())
    if len(said & once) < sum(name in once for name, _ in call.headers):
        raise BadHeader
    texts = {name: _plain(call.named[name], LONGEST[name]) for name in said}
    flow, step = texts.get(b"x-connhub-flow", ""), texts.get(b"x-connhub-step", "")
    if flow and not FLOW.fullmatch(flow):
        raise BadHeader
    return flow, step, texts.get(USER, "")


def _user_of(call: Call) -> str:
    """The address that the call names as its user's; "" if it names none, or not exactly one."""
    if USER not in call.named or len(values_of(call.headers, USER)) > 1:
        return ""
    return call.named[USER].decode(errors="replace").strip().lower()[:254]


def _plain(value: bytes, longest: int) -> str:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        raise BadHeader from None
    if not text.isprintable() or len(text) > longest:
        raise BadHeader
    return text


def _client_ip(scope: dict[str, Any]) -> str:
    address = (scope.get("client") or ("",))[0]
    if address not in settings.TRUSTED_PROXIES:
        return address
    forwarded = b",".join(values_of(scope["headers"], b"x-forwarded-for")).decode("latin-1")
    return client_ip(
        SimpleNamespace(META={"REMOTE_ADDR": address, "HTTP_X_FORWARDED_FOR": forwarded})
    )


def _report(error: Exception) -> None:
    """Log where it happened and of what type it was: its text may quote a secret."""
    frames = traceback.format_tb(error.__traceback__)
    log.error("A call failed inside ConnHub.", extra={"error": type(error).__name__, "at": frames})
