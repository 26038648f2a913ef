"""Adds to the sums, in the worker, what the processes that write the log leave behind."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from django.db import connection, transaction
from django.db.models import Count, QuerySet

from connhub.latency import added

from ..models import Step
from .models import CallDay, CallStep, CallTally, Sum
from .tallies import MOST_NAMES

# SQLite has one writer: calls are logged between two batches.
BATCH = {"sqlite": 200}
PAUSE_S = 0.05
DAY = ("connection_id", "day", "integration_id", "environment_id")
STEP = ("connection_id", "integration_id", "flow", "step")
Place = tuple[Any, ...]


def fold() -> None:
    """Add all there is, a batch after the other."""
    size = BATCH.get(connection.vendor, 5000)
    while fold_some(size) == size:
        time.sleep(PAUSE_S)


@transaction.atomic
def fold_some(most: int) -> int:
    """Add the oldest tallies to their days and steps, and drop them; answers how many there were.

    One transaction does both: whatever happens to the process, each counts exactly once.
    """
    tallies = list(CallTally.objects.select_for_update(no_key=True).order_by("pk")[:most])
    if not tallies:
        return 0
    days = _grouped((_place(tally, DAY), tally) for tally in tallies)
    steps = _grouped(_steps(tallies))
    _add_to(CallDay, DAY, days, ("latency",))
    _add_to(CallStep, STEP, steps, ("last_failed_at",))
    CallTally.objects.filter(pk__in=[tally.pk for tally in tallies]).delete()
    return len(tallies)


def _place(row: Sum, fields: tuple[str, ...]) -> Place:
    return tuple(getattr(row, field) for field in fields)


def _grouped(pairs: Iterable[tuple[Place, CallTally]]) -> dict[Place, list[CallTally]]:
    found: dict[Place, list[CallTally]] = {}
    for place, tally in pairs:
        found.setdefault(place, []).append(tally)
    return found


def _steps(tallies: list[CallTally]) -> Iterator[tuple[Place, CallTally]]:
    """Each under the names that its caller gave, or under none where there are too many names."""
    places = {_place(tally, STEP) for tally in tallies}
    kept = {_place(row, STEP) for row in _rows(CallStep, STEP, places)}
    of_pairs = _rows(CallStep, STEP[:2], places)
    by_pair = of_pairs.order_by().values_list(*STEP[:2]).annotate(Count("pk"))
    counts = Counter({tuple(pair): count for *pair, count in by_pair})
    coming = counts + Counter(place[:2] for place in places - kept)
    kept |= _declared({pair for pair, count in coming.items() if count > MOST_NAMES})
    for tally in tallies:
        place = _place(tally, STEP)
        if place not in kept and counts[place[:2]] < MOST_NAMES:
            kept.add(place)
            counts[place[:2]] += 1
        yield place if place in kept else (*place[:2], "", ""), tally


def _declared(pairs: set[Place]) -> set[Place]:
    """What flows declare is told apart however many names there are."""
    steps = Step.objects.filter(
        connection__in={connection for connection, _ in pairs},
        flow__integration__in={integration for _, integration in pairs},
    )
    return set(steps.values_list("connection_id", "flow__integration_id", "flow__slug", "name"))


def _rows(model: Any, fields: tuple[str, ...], places: Iterable[Place]) -> QuerySet:
    """At least those at the places: of each field's values, any with any."""
    columns = zip(*places, strict=True)
    return model.objects.filter(
        **{f"{field}__in": set(column) for field, column in zip(fields, columns, strict=False)}
    )


def _add_to(
    model: Any, fields: tuple[str, ...], sums: dict[Place, list[CallTally]], more: tuple[str, ...]
) -> None:
    """Add each sum to its row. Rows are made and locked in one order, whoever else does it."""
    made = [model(**dict(zip(fields, place, strict=True))) for place in sorted(sums)]
    model.objects.bulk_create(made, ignore_conflicts=True)
    found = _rows(model, fields, sums).select_for_update(no_key=True).order_by(*fields)
    rows = [row for row in found if _place(row, fields) in sums]
    for row in rows:
        _add(row, sums[_place(row, fields)])
    model.objects.bulk_update(rows, ["ok", "failed", "last_at", *more], batch_size=100)


def _add(row: Any, tallies: list[CallTally]) -> None:
    row.ok += sum(tally.ok for tally in tallies)
    row.failed += sum(tally.failed for tally in tallies)
    for field in ("last_at", "last_failed_at"):
        if hasattr(row, field):
            moments = [getattr(each, field) for each in (row, *tallies)]
            setattr(row, field, max(filter(None, moments), default=None))
    if isinstance(row, CallDay):
        row.latency = sorted(added([row.latency, *(tally.latency for tally in tallies)]).items())
