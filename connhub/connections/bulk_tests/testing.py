"""Bulk test: chosen, worked off by the worker one by one, kept for a week."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone

from connhub.accounts.models import User
from connhub.audit.context import Context, current
from connhub.audit.log import record
from connhub.connections import testing
from connhub.connections.access import main_settings
from connhub.connections.models import Connection, ConnectionQuerySet
from connhub.errors import Refusal
from connhub.sharing import roles

from .models import BulkTest, BulkTestRow

State = BulkTestRow.State
AT_ONCE, MOST = 4, 500
KEPT = timedelta(days=7)
# Longer than any test takes.
SILENT = timedelta(minutes=3)
NOT_YOURS = "You don't administer this connection."
STOPPED = "ConnHub was stopped during this test. Test it again."
BROKEN = "Something went wrong on ConnHub's side."

Enqueue = Callable[[str, Context], Any]


class NothingToTest(Refusal):
    code = "nothing-to-test"
    text = "No connection was chosen. Tick those to test, or change the filter."


class TooMany(Refusal):
    code = "too-many"
    text = f"That are more than {MOST} connections. Choose fewer, or narrow the filter."


@transaction.atomic
def start(connections: ConnectionQuerySet, *, by: User, enqueue: Enqueue) -> BulkTest:
    """Have these tested in the background, each where the person administers it.

    Raises: NothingToTest; TooMany, above 500.
    """
    ids = list(connections.order_by("name", "pk").values_list("pk", flat=True)[: MOST + 1])
    if not ids:
        raise NothingToTest
    if len(ids) > MOST:
        raise TooMany
    theirs = roles.administered(by, Connection).filter(pk__in=ids)
    administered = set(theirs.values_list("pk", flat=True))
    run = BulkTest.objects.create(user=by)
    BulkTestRow.objects.bulk_create(
        BulkTestRow(run=run, connection_id=pk)
        if pk in administered
        else BulkTestRow(run=run, connection_id=pk, state=State.NOT_TESTED, said=NOT_YOURS)
        for pk in ids
    )
    record("bulk_test.started", by=by, on=by, detail={"connections": len(ids)}, change=False)
    for _ in range(min(AT_ONCE, len(administered))):
        transaction.on_commit(partial(enqueue, str(run.pk), current.get()))
    return run


def test_next(pk: str, context: Context, *, enqueue: Enqueue) -> None:
    """Test one that waits, then leave the worker to others before the next."""
    row = _claim(pk)
    if row is None:
        return
    token = current.set(context)
    try:
        _test(row)
    finally:
        current.reset(token)
        enqueue(pk, context)


@transaction.atomic
def _claim(pk: str) -> BulkTestRow | None:
    """One that waits, unless four are under way; whoever asks waits for whoever asked before."""
    run = BulkTest.objects.select_for_update(no_key=True).filter(pk=pk).first()
    if run is None or run.rows.filter(state=State.RUNNING).count() >= AT_ONCE:
        return None
    row = run.rows.filter(state=State.WAITING).first()
    if row is not None:
        row.state, row.began_at = State.RUNNING, timezone.now()
        row.save(update_fields=["state", "began_at"])
    return row


def _test(row: BulkTestRow) -> None:
    connection = Connection.objects.select_related("service", "auth_method", "oauth_app").get(
        pk=row.connection_id
    )
    place = main_settings(connection).environment
    try:
        report = testing.test(connection, by=row.run.user, environment=place)
    except (Refusal, PermissionDenied) as refusal:
        said = refusal.text if isinstance(refusal, Refusal) else NOT_YOURS
        _end(row, State.NOT_TESTED, said)
    except Exception:
        _end(row, State.NOT_TESTED, BROKEN)
        raise
    else:
        failure = report.failure
        said = f"{failure.said} {failure.hint}".strip() if failure else report.steps[-1].said
        _end(row, State.FAILED if failure else State.WORKS, said, report.took_ms)


def _end(row: BulkTestRow, state: State, said: str, took_ms: int = 0) -> None:
    still = BulkTestRow.objects.filter(pk=row.pk, state=State.RUNNING)
    still.update(state=state, said=said[:300], took_ms=took_ms)


def look_after(enqueue: Enqueue) -> None:
    """Forget old runs, and go on with those that a stopped worker left."""
    now = timezone.now()
    BulkTest.objects.filter(started_at__lt=now - KEPT).delete()
    silent = BulkTestRow.objects.filter(state=State.RUNNING, began_at__lt=now - SILENT)
    silent.update(state=State.NOT_TESTED, said=STOPPED)
    waiting = BulkTestRow.objects.filter(state=State.WAITING).values("run")
    busy = BulkTestRow.objects.filter(state=State.RUNNING).values("run")
    for run in BulkTest.objects.filter(pk__in=waiting).exclude(pk__in=busy):
        enqueue(str(run.pk), current.get())
