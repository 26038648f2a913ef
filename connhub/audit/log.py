"""The one way to write the record."""

import asyncio
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from asgiref.sync import sync_to_async
from django.db import Error, models, transaction
from django.utils import timezone

from connhub import throttle
from connhub.errors import Refusal
from connhub.vault.keyring import audit_mac

from .context import current
from .models import Event, Head
from .sentences import kind_of

HEAD = 1
BATCH = 1000
COLUMNS = (
    "sequence", "at", "actor_type", "actor_id", "actor", "ip", "action", "object_type",
    "object_id", "object", "outcome", "fields", "detail", "request_id",
)  # fmt: skip


class AuditUnavailable(Refusal):
    """The record can't be written, so nothing may happen."""

    code = "audit-unavailable"
    text = "This could not be put on record, so it was not done. Try again in a moment."
    status = 503
    wait_s = 5


def changes() -> int:
    """How many changes are on record: whoever keeps something in memory compares."""
    return Head.objects.filter(pk=HEAD).values_list("changes", flat=True).first() or 0


def record(
    action: str,
    *,
    by: models.Model | None = None,
    on: models.Model | None = None,
    outcome: str = "ok",
    fields: Iterable[str] = (),
    detail: Mapping[str, Any] | None = None,
    change: bool = True,
) -> Event:
    """Append one event to the chain, in the caller's transaction.

    `by` is the person or key that acts (None: ConnHub itself), `on` what it happened to, `fields`
    the names of what changed and `detail` facts that are no secret. `change=False` says that
    nothing in memory anywhere needs to be read again.

    Raises:
        AuditUnavailable: it can't be written; the caller's transaction must not commit.
    """
    event = _event(action, by, on, outcome, fields, detail or {})
    try:
        _append(event, change)
    except Error as error:
        raise AuditUnavailable from error
    return event


def record_refusal_of_stranger(
    action: str, *, on: models.Model | None = None, detail: Mapping[str, Any]
) -> None:
    """Append what somebody whom nobody knows was refused: the first time in a minute from there.

    Of all of them together 60 a minute are on record. Raises: AuditUnavailable.
    """
    if throttle.is_new(throttle.stranger(current.get().ip), of=action):
        record(action, on=on, outcome="denied", detail=detail, change=False)


class Entry(NamedTuple):
    """What one event of several says, each part as `record` takes it."""

    action: str
    on: models.Model
    fields: Iterable[str] = ()
    detail: Mapping[str, Any] = {}


def record_each(
    action: str,
    things: Iterable[tuple[models.Model, Iterable[str], Mapping[str, Any]]],
    *,
    by: models.Model,
    change: bool = True,
) -> None:
    """Append one event for each thing with its fields and detail, as `record_all` does."""
    record_all((Entry(action, *thing) for thing in things), by=by, change=change)


def record_all(entries: Iterable[Entry], *, by: models.Model | None, change: bool = True) -> None:
    """Append these events in this order, in three queries however many; none, if there are none.

    Raises: AuditUnavailable, as `record` does.
    """
    events = [
        _event(action, by, on, "ok", fields, detail) for action, on, fields, detail in entries
    ]
    if not events:
        return
    try:
        _append_all(events, change)
    except Error as error:
        raise AuditUnavailable from error


def _event(
    action: str,
    by: models.Model | None,
    on: models.Model | None,
    outcome: str,
    fields: Iterable[str],
    detail: Mapping[str, Any],
) -> Event:
    context = current.get()
    if by and context.admin_token:
        detail = {**detail, "admin_token": context.admin_token}
    return Event(
        at=timezone.now(),
        actor_type=str(by._meta.model_name) if by else "system",
        actor_id=str(by.pk) if by else "",
        actor=str(by)[:200] if by else "ConnHub",
        ip=context.ip,
        action=action,
        kind=kind_of(action),
        object_type=str(on._meta.model_name) if on else "",
        object_id=str(on.pk) if on else "",
        object=str(on)[:200] if on else "",
        outcome=outcome,
        fields=sorted(fields),
        # As it will be read back: JSON has no keys but text.
        detail=json.loads(json.dumps(dict(detail))),
        request_id=context.request_id,
    )


def _append(event: Event, change: bool) -> None:
    _append_all([event], change)


@transaction.atomic(savepoint=False)
def _append_all(events: list[Event], change: bool) -> None:
    head, _ = Head.objects.select_for_update(no_key=True).get_or_create(pk=HEAD)
    for event in events:
        event.sequence = head.sequence + 1
        key_id, mac = audit_mac(message(_values(event), head.mac))
        event.key_id, event.mac = key_id.hex(), mac.hex()
        head.sequence, head.mac = event.sequence, event.mac
    Event.objects.bulk_create(events, BATCH)
    head.changes += change
    head.save(update_fields=["sequence", "mac", "changes"])


def _values(event: Event) -> tuple:
    return tuple(getattr(event, column) for column in COLUMNS)


def message(values: tuple, previous_mac: str) -> bytes:
    """What an event's MAC covers: the MAC before it and every column, in a canonical form."""
    parts = [
        value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value
        for value in values
    ]
    return json.dumps([previous_mac, *parts], sort_keys=True, separators=(",", ":")).encode()


def record_egress_exception(sender, host: str, port: int, entry: str, **kwargs) -> None:
    """Put on record that something was reached only because the operator allows it."""

    def write():
        record(
            "egress.exception_used",
            detail={"host": host, "port": port, "entry": entry},
            change=False,
        )

    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        write()
    else:
        _background.add(task := loop.create_task(sync_to_async(write, thread_sensitive=False)()))
        task.add_done_callback(_background.discard)


_background: set[asyncio.Task] = set()
