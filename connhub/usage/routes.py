"""Which key may use which connection, and everything that a call over it needs."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from concurrent.futures import Executor
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any, TypeVar

from django.db import Error as DatabaseFailed
from django.db import close_old_connections
from django.utils import timezone

from connhub.accounts.models import User
from connhub.connections.access import Access, AddressIncomplete, ReconnectNeeded, prepare
from connhub.connections.auth import METHODS
from connhub.connections.calling.injection import Injector
from connhub.connections.calling.paths import Base
from connhub.connections.models import Connection, Credential, own_credentials
from connhub.connections.refresh import MARGIN, POLL_S, ensure_fresh
from connhub.egress.guard import BadAddress
from connhub.errors import Refusal
from connhub.services.addresses import Unfilled
from connhub.services.limits import Limits

from . import acting, callers
from .models import Integration, IntegrationKey
from .problems import NotUsable, Unauthorized
from .registration import usable_in
from .revision import DatabaseAway, Revision

MOST_ROUTES = 10_000
IDLE_S = 900
# How long a failed early renewal rests, while the token is still good.
RENEWAL_REST_S = 5

Place = tuple[str, str, str]  # a key's digest, a link name, and a login user's address or ""
Result = TypeVar("Result")


@dataclass(slots=True, repr=False)
class Ready:
    """A connection opened for one environment. Only here are its secrets kept in clear."""

    access: Access
    injector: Injector
    base: Base | None  # None for what isn't called over HTTP
    limits: Limits
    facts: tuple
    renew_at: float  # seconds since 1970; infinite if it never has to be
    expires_at: float


@dataclass(slots=True, repr=False)
class Route:
    """What a key may do with a connection: all that a call needs, or why there can be none."""

    place: Place
    key: IntegrationKey
    key_expires_at: float
    connection: Connection
    outcome: Ready | Refusal
    user: User | None = None  # whose credential it uses, if not the connection's own
    used_at: float = 0.0

    def open(self) -> Ready:
        """Raises: Refusal."""
        if isinstance(self.outcome, Refusal):
            raise self.outcome.with_traceback(None)
        return self.outcome


class Routes:
    """Routes as they were looked up last, good for as long as nothing on record changes.

    Every change on record ends all of them; what a connection's rows still say is not decrypted
    again. A route that nobody used for 15 minutes is forgotten with its secrets.
    """

    def __init__(self, revision: Revision, threads: Executor, renewals: Executor) -> None:
        self._revision = revision
        self._threads = threads
        self._renewals = renewals
        self._changes: int | None = None
        self._routes: dict[Place, Route] = {}
        self._outdated: dict[Place, Route] = {}
        self._running: dict[Hashable, asyncio.Task] = {}

    async def find(self, digest: str, link_name: str, now: float, user: str = "") -> Route:
        """The route of a key, by its token's digest, to a link name.

        `user` is the address of whom the call is for; it counts only where the connection uses
        the credentials of login users.

        Raises:
            Unauthorized: the key is unknown, revoked or expired.
            RateLimited: too many unknown keys came from the caller's address.
            NotUsable: there is no such connection, or none for this key.
            DatabaseAway: nobody can tell at the moment.
        """
        changes = await self._revision.read()
        if changes != self._changes:
            self._changes = changes
            self._outdated, self._routes = self._outdated | self._routes, {}
        place = (digest, link_name, "")
        route = self._routes.get(place) or await self._look_up(place)
        if user and route.connection.login_user:
            place = (digest, link_name, user)
            route = self._routes.get(place) or await self._look_up(place)
        if route.key_expires_at <= now:
            raise Unauthorized
        route.used_at = now
        return route

    async def fresh(self, route: Route, now: float) -> Ready:
        """What a call needs, with a token that is good now.

        Raises:
            Refusal: the connection can't be used, or its token could not be renewed.
        """
        ready = route.open()
        try:
            if ready.access.credential and ready.renew_at <= now:
                await self._renew(ready.access.credential)
                ready = (await self._look_up(route.place)).open()
                ready.renew_at = max(ready.renew_at, min(now + RENEWAL_REST_S, ready.expires_at))
            if ready.expires_at <= now:
                raise ReconnectNeeded
        except ReconnectNeeded as refusal:
            raise acting.as_user_needs(route.connection, route.key, refusal) from None
        return ready

    async def force_renewal(self, credential: Credential) -> None:
        """Renew a token that the service no longer takes, if nobody did meanwhile."""
        version = credential.payload_version
        await self._once(
            ("renewal", credential.pk),
            lambda: in_thread(self._renewals, ensure_fresh, credential, force_version=version),
        )

    def forget_idle(self, now: float) -> None:
        """Drop the routes that were not used for 15 minutes."""
        recent = {place: r for place, r in self._routes.items() if r.used_at > now - IDLE_S}
        self._routes, self._outdated = recent, {}

    async def _renew(self, credential: Credential) -> None:
        await self._once(
            ("renewal", credential.pk), lambda: in_thread(self._renewals, renew, credential)
        )

    async def _look_up(self, place: Place) -> Route:
        changes = self._changes
        before = self._routes.get(place) or self._outdated.get(place)
        route = await self._once(
            (place, changes), lambda: in_thread(self._threads, look_up, *place, before)
        )
        # A change that came meanwhile may not be seen in it: then only this call uses it.
        # Names that anybody could make up are not kept either.
        is_made_up = bool(place[2]) and route.user is None
        if changes == self._changes and not is_made_up:
            self._keep(place, route)
        return route

    def _keep(self, place: Place, route: Route) -> None:
        if len(self._routes) >= MOST_ROUTES:
            self._routes = {}
        self._routes[place] = route
        self._outdated.pop(place, None)

    async def _once(self, what: Hashable, start: Callable[[], Awaitable[Result]]) -> Result:
        """Let everybody who wants the same at the same time wait for one to do it."""
        task = self._running.get(what)
        if task is None:
            task = self._running[what] = asyncio.ensure_future(start())
            task.add_done_callback(lambda _: self._running.pop(what, None))
        return await asyncio.shield(task)


async def in_thread(
    threads: Executor, function: Callable[..., Result], *args: Any, **kwargs: Any
) -> Result:
    """Call what talks to the database through Django. Raises: DatabaseAway, or what it raises."""

    def call() -> Result:
        close_old_connections()
        try:
            return function(*args, **kwargs)
        except DatabaseFailed:
            raise DatabaseAway from None
        finally:
            close_old_connections()

    context = copy_context()
    return await asyncio.get_running_loop().run_in_executor(threads, context.run, call)


def renew(credential: Credential) -> None:
    """Renew a token, or wait up to 5 s for the process that is at it.

    Many services end the old token when they issue the new one, so it is not for use meanwhile.

    Raises:
        Refusal: it has ended and could not be renewed.
    """
    ensure_fresh(credential)
    deadline = time.monotonic() + RENEWAL_REST_S
    while time.monotonic() < deadline:
        leased = Credential.objects.filter(pk=credential.pk, lease_until__gt=timezone.now())
        if not leased.exists():
            return
        time.sleep(POLL_S)


def look_up(digest: str, link_name: str, email: str, before: Route | None) -> Route:
    """The route as the database has it; what `before` opened is kept if its rows are the same.

    Raises:
        Unauthorized, RateLimited: as `callers.with_keys.find` says.
        NotUsable: there is no such connection, or none for this key.
    """
    key = callers.with_keys.find(digest)
    connection = _connection(key.integration, link_name)
    missing = NotUsable(key.integration.slug)
    if connection is None:
        raise missing
    route = Route((digest, link_name, email), key, key.expires_at.timestamp(), connection, missing)
    try:
        if connection.login_user:
            route.user = acting.login_user(connection, key, email)
        route.outcome = _make_ready(connection, key, route.user, before)
    except Refusal as refusal:
        route.outcome = refusal
    return route


def _connection(integration: Integration, link_name: str) -> Connection | None:
    return (
        usable_in(integration)
        .filter(link_name=link_name)
        .select_related("service", "auth_method__service", "oauth_app")
        .prefetch_related(own_credentials(), "settings", "service__endpoints")
        .first()
    )


def _make_ready(
    connection: Connection, key: IntegrationKey, user: User | None, before: Route | None
) -> Ready:
    credential = connection.credential_for(key.environment, user)
    facts = (key.environment_id, *_facts(connection, credential))
    if before and isinstance(before.outcome, Ready) and before.outcome.facts == facts:
        return before.outcome
    try:
        access = prepare(connection, key.environment, user)
        base = _base(access)
    except (BadAddress, Unfilled):
        raise AddressIncomplete from None
    expires_at = access.expires_at.timestamp() if access.expires_at else float("inf")
    renewable = access.renewable and access.credential is not None
    return Ready(
        access=access,
        injector=Injector(access.injection),
        base=base,
        limits=Limits.of(connection.service),
        facts=facts,
        renew_at=expires_at - MARGIN.total_seconds() if renewable else float("inf"),
        expires_at=expires_at,
    )


def _base(access: Access) -> Base | None:
    service = access.connection.service
    if not METHODS[access.connection.auth_method.kind].is_http:
        return None
    return Base.parse(access.base_url, plain_http=service.base_url.startswith("http://"))


def _facts(connection: Connection, credential: Credential | None) -> tuple:
    """All rows that a prepared connection was made from, as they are stored."""
    service = connection.service
    rows = [connection, service, connection.auth_method]
    rows += [connection.oauth_app] if connection.oauth_app else []
    rows += [*connection.settings.all(), *service.endpoints.all()]
    rows += [credential] if credential else []
    return tuple(
        {name: value for name, value in vars(row).items() if not name.startswith("_")}
        for row in rows
    )
