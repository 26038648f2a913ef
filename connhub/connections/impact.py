"""What a destructive act would break: who uses a connection, where, and how lately."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import (
    BooleanField,
    Case,
    Count,
    Exists,
    IntegerField,
    OuterRef,
    QuerySet,
    Sum,
    Value,
    When,
    Window,
)
from django.utils import timezone

from connhub.accounts.models import Environment, User

from .called import Total, first_day, totals
from .models import Connection

RECENT = timedelta(days=7)
NAMED = 5


@dataclass(frozen=True, slots=True)
class Affected:
    """Things of one kind that use the connection: the first few that the person may see, by name."""

    noun: str
    nouns: str
    names: list[str]
    total: int
    hidden: int

    @property
    def more(self) -> int:
        """How many that the person may see are not named."""
        return self.total - self.hidden - len(self.names)

    def __str__(self):
        return f"{self.total:,} {self.noun if self.total == 1 else self.nouns}"


@dataclass(frozen=True, slots=True)
class Calls:
    """What an environment's flows called over the connection in the last 30 days."""

    environment: Environment
    count: int
    last_at: datetime | None


@dataclass(frozen=True, slots=True)
class Impact:
    affected: list[Affected]
    people: int
    calls: list[Calls]
    last_used_at: datetime | None

    @property
    def call_count(self) -> int:
        return sum(each.count for each in self.calls)

    def __bool__(self) -> bool:
        return bool(self.affected or self.call_count)


def impact_of(connection: Connection, by: User) -> Impact:
    """Who and what depends on the connection; what `by` may not see is counted, not named."""
    calls = _calls(connection)
    last = [each.last_at for each in calls if each.last_at]
    return Impact(
        affected=list(_affected(connection, by)),
        people=_people(connection),
        calls=[each for each in calls if each.count],
        last_used_at=max(last, default=None),
    )


def used_lately(connections: Iterable[Connection]) -> set[int]:
    """The keys of those that the highest environment used in the last 7 days, in two queries.

    Their link name has to be typed before they are broken.
    """
    highest = Environment.objects.order_by("position").last()
    lately = {"environment": highest, "last_at__gt": timezone.now() - RECENT}
    ids = [connection.pk for connection in connections]
    return {pk for (pk,) in totals("connection_id", connection__in=ids, **lately)}


def _affected(connection: Connection, by: User) -> Iterator[Affected]:
    steps, registrations = connection.steps, connection.registrations
    flows = steps.model._meta.get_field("flow").related_model
    integrations = registrations.model._meta.get_field("integration").related_model
    kinds: list[tuple[Any, Any]] = [
        (integrations, registrations.values("integration")),
        (flows, steps.values("flow")),
        (connection.data_objects.model, connection.data_objects.values("pk")),
        (connection.functions.model, connection.functions.values("pk")),
    ]
    for model, ids in kinds:
        rows = list(_rows(model, ids, by))
        if rows:
            total, seen = rows[0][2:]
            names = [name for name, is_seen, *_ in rows if is_seen]
            words = model._meta
            yield Affected(
                str(words.verbose_name), str(words.verbose_name_plural), names, total, total - seen
            )


def _rows(model: Any, ids: QuerySet, by: User) -> QuerySet:
    """Name, whether it may be seen, how many there are and how many may be seen, seen ones first."""
    seen = Exists(model.objects.visible_to(by).filter(pk=OuterRef("pk")))
    as_number = Case(When(is_seen=True, then=Value(1)), default=Value(0))
    return (
        model.objects.filter(pk__in=ids)
        .annotate(
            is_seen=Case(When(seen, then=True), default=False, output_field=BooleanField()),
            total=Window(Count("pk")),
            seen=Window(Sum(as_number, output_field=IntegerField())),
        )
        .order_by("-is_seen", "name")
        .values_list("name", "is_seen", "total", "seen")[:NAMED]
    )


def _people(connection: Connection) -> int:
    """Members of the integrations that it is registered with."""
    registered = connection.registrations.values("integration")
    return User.objects.filter(memberships__integration__in=registered).distinct().count()


def _calls(connection: Connection) -> list[Calls]:
    """By environment, lowest first."""
    found = totals("environment", connection=connection, day__gte=first_day())
    return [
        Calls(stage, total.calls, total.last_at)
        for stage in Environment.objects.all()
        for total in [found.get((stage.pk,), Total())]
    ]
