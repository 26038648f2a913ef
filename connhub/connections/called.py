"""How often connections were called: the days' sums, and what the worker has yet to add to them."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import Max, Model, Sum
from django.utils import timezone

from .models import Connection

DAYS = 30
# The first is what the second is added to.
SOURCES = ("call_days", "call_tallies")


@dataclass(slots=True)
class Total:
    """How many calls went well and failed, and when the last one was."""

    ok: int = 0
    failed: int = 0
    last_at: datetime | None = None

    @property
    def calls(self) -> int:
        return self.ok + self.failed


def first_day() -> date:
    """The first of the days that pages show."""
    return timezone.localdate() - timedelta(days=DAYS - 1)


def related(relation: str) -> Any:
    """The model above, in another room, that points at a connection."""
    return getattr(Connection, relation).rel.related_model


def sources() -> list[type[Model]]:
    """What holds calls in sums."""
    return [related(name) for name in SOURCES]


def totals(*by: str, **wanted: Any) -> dict[tuple, Total]:
    """By the values of those fields, of the calls that are wanted.

    One statement reads both: the worker moves sums from one to the other meanwhile.
    """
    days, tallies = (
        source.objects.filter(**wanted)  # type: ignore[attr-defined]
        .order_by()
        .values_list(*by)
        .annotate(Sum("ok"), Sum("failed"), Max("last_at"))
        for source in sources()
    )
    found: dict[tuple, Total] = {}
    for *key, ok, failed, last_at in days.union(tallies, all=True):
        total = found.setdefault(tuple(key), Total())
        total.ok += ok
        total.failed += failed
        total.last_at = max(filter(None, (total.last_at, last_at)), default=None)
    return found


def by_day(**wanted: Any) -> list[dict]:
    """The last 30 days, each with how many of the calls went well and how many failed."""
    first = first_day()
    found = totals("day", day__gte=first, **wanted)
    days = (first + timedelta(days=number) for number in range(DAYS))
    return [
        {"day": day, "ok": total.ok, "failed": total.failed}
        for day in days
        for total in [found.get((day,), Total())]
    ]
