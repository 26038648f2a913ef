"""Connections over which nothing is called, as a condition and by owner."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby
from operator import itemgetter
from typing import Any

from django.db.models import Count, F, OuterRef, Q, Window
from django.db.models.functions import RowNumber
from django.utils import timezone

from connhub.row_by_row import there_is_none

from .called import sources
from .models import ConnectionQuerySet

DAYS = 90
CHOICES = [
    (30, "Unused for 30 days"),
    (DAYS, "Unused for 90 days"),
    (180, "Unused for 180 days"),
    (365, "Unused for a year"),
]
NAMED = 5


def unused_for(days: int) -> Q:
    """The condition that nothing was called over a connection in so many days.

    One that is younger is not unused yet.
    """
    since = timezone.now() - timedelta(days=days)
    lately = Q(connection=OuterRef("pk"), day__gte=timezone.localdate(since))
    called = (there_is_none(sums.objects.filter(lately)) for sums in sources())  # type: ignore[attr-defined]
    return Q(*called, created_at__lt=since)


@dataclass(frozen=True, slots=True)
class Owner:
    """Somebody who created connections that are unused: how many, and the oldest of them."""

    pk: int | None
    name: str
    is_active: bool
    total: int
    ids: list[int]

    @property
    def more(self) -> int:
        return self.total - len(self.ids)


def owners_of(unused: ConnectionQuerySet) -> list[Owner]:
    """Who created them, those with the most first: one query however many."""
    mine = F("created_by")
    oldest = unused.annotate(
        nth=Window(RowNumber(), partition_by=mine, order_by=["created_at", "pk"]),
        total=Window(Count("pk"), partition_by=mine),
    ).filter(nth__lte=NAMED)
    who = ("created_by", "created_by__name", "created_by__is_active", "total")
    rows = oldest.order_by("created_by", "nth").values_list(*who, "pk")
    return sorted(_grouped(rows), key=lambda owner: (-owner.total, owner.name.casefold()))


def _grouped(rows: Any) -> Iterator[Owner]:
    for (pk, name, is_active, total), few in groupby(rows, key=itemgetter(0, 1, 2, 3)):
        yield Owner(pk, name or "Nobody", bool(is_active), total, [row[4] for row in few])
