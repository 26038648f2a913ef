"""What goes on record when a key uses a credential, written before it gets anything."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextvars import Context, copy_context
from functools import partial
from typing import NamedTuple

from django.db import transaction

from connhub import throttle
from connhub.accounts.models import User
from connhub.audit.log import HEAD, AuditUnavailable, record, record_refusal_of_stranger
from connhub.audit.models import Event, Head
from connhub.connections.models import Connection
from connhub.errors import Refusal

from .models import IntegrationKey
from .routes import in_thread

FIRST_USED = "credential.first_used"


class Waiting(NamedTuple):
    """A record to be written for a call that waits for it, as that call's own."""

    write: Callable[[], None]
    context: Context
    done: asyncio.Future[None]


class Recorder:
    """Writes the records of many calls together: one commit takes as long as a hundred records."""

    def __init__(self, threads: Executor) -> None:
        self._threads = threads
        self._waiting: list[Waiting] = []
        self._writer: asyncio.Task | None = None

    async def write(self, what: Callable[..., None], *args, **kwargs) -> None:
        """Return when the record is committed. Raises: AuditUnavailable, DatabaseAway."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(Waiting(partial(what, *args, **kwargs), copy_context(), done))
        if self._writer is None:
            self._writer = asyncio.create_task(self._write_all())
        await done

    async def _write_all(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                await self._write(batch)
        finally:
            self._writer = None

    async def _write(self, batch: Sequence[Waiting]) -> None:
        failure: Exception | None = None
        try:
            await in_thread(self._threads, _together, batch)
        except Refusal as refusal:
            failure = refusal
        except Exception:
            failure = AuditUnavailable()
        for each in batch:
            if each.done.done():
                continue
            if failure:
                each.done.set_exception(failure)
            else:
                each.done.set_result(None)


@transaction.atomic
def _together(batch: Sequence[Waiting]) -> None:
    for each in batch:
        each.context.run(each.write)


@transaction.atomic
def credential_read(
    key: IntegrationKey,
    connection: Connection,
    user: User | None,
    *,
    outcome: str = "ok",
    times: int = 1,
) -> None:
    """That a key was handed the secret (a login user's), or refused it so many times.

    Raises: AuditUnavailable.
    """
    record(
        "credential.read",
        by=key,
        on=connection,
        outcome=outcome,
        detail=_whose(user) | ({"times": times} if times > 1 else {}),
        change=False,
    )


@transaction.atomic
def first_use(key: IntegrationKey, connection: Connection, user: User | None) -> None:
    """That a key made its first call with a credential: once for good. Raises: AuditUnavailable."""
    # All processes queue here, so that no two of them find nothing.
    Head.objects.select_for_update(no_key=True).filter(pk=HEAD).first()
    known = Event.objects.about(connection).filter(
        action=FIRST_USED, actor_type=key._meta.model_name, actor_id=str(key.pk)
    )
    if not known.filter(detail=_whose(user)).exists():
        record(FIRST_USED, by=key, on=connection, detail=_whose(user), change=False)


def _whose(user: User | None) -> dict[str, str]:
    return {"user": user.email} if user else {}


@transaction.atomic
def call_denied(digest: str, link_name: str, code: str) -> None:
    """That somebody called with a key that is unknown, or has ended, or may not do this.

    Of the same calls with a key the first in a minute, of an address's without one the first.
    """
    key = IntegrationKey.objects.filter(digest=digest).first() if digest else None
    detail = {"code": code, "link_name": link_name[:50]}
    if key is None:
        record_refusal_of_stranger("key.refused", detail=detail)
        return
    if not throttle.is_new(f"{link_name} {code}", of=f"denials of {digest}"):
        return
    asked = Connection.objects.live().filter(link_name=link_name).first()
    record("call.denied", by=key, on=asked, outcome="denied", detail=detail, change=False)


@transaction.atomic
def secret_redacted(key: IntegrationKey, connection: Connection) -> None:
    """That a service sent the credential back, and that it was taken out of the answer."""
    record("credential.redacted", by=key, on=connection, change=False)
