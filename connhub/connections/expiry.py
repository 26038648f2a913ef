"""Everything that runs out: one list over several tables, soonest first."""

from calendar import Calendar
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import CharField, Count, Q, QuerySet, Value
from django.db.models.functions import Cast, Concat, TruncDate
from django.utils import timezone

from connhub.accounts.models import Environment, User
from connhub.days import midnight
from connhub.paging import Order, Page, merged
from connhub.services.models import Service

from .models import Connection

SOON, NEAR = timedelta(days=14), timedelta(days=30)
SIZE = 50
MONTHS = 3


@dataclass(frozen=True, slots=True)
class Ending:
    """One thing that runs out, and the page where it is renewed.

    That page is for admins of the connection `of`, if there is one.
    """

    what: str
    name: str
    url: str
    service: Service | None
    environment: Environment | None
    action: str = ""
    action_url: str = ""
    of: int | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """One kind of thing that runs out.

    `things` gives those that a person sees or, if the second argument is true, has to look after.
    """

    kind: str
    label: str
    at: str  # the field that says when
    things: Callable[[User, bool], QuerySet]
    show: Callable[[Any], Ending]
    service: str = ""  # the lookup of its service; "" where it has none
    environment: str = "environment"  # the lookup of its environment
    harmless: bool = False  # whether its end breaks nothing


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the list."""

    source: Source
    ending: Ending
    at: datetime
    is_over: bool
    is_soon: bool
    is_near: bool  # so that its distance is told in days

    @property
    def label(self) -> str:
        """Of the pill."""
        return "Over" if self.is_over else "Soon" if self.is_soon else "Later"

    @property
    def tone(self) -> str:
        return "bad" if self.is_over else "warn" if self.is_soon else "idle"


# Filled in the `ready()` of the apps that know; their order breaks ties.
sources: list[Source] = []


def wanted_of(user: User, wanted: Mapping[str, Any], *, mine: bool = False) -> list:
    """Each source that the filters leave, with its narrowed queryset."""
    chosen = [s for s in sources if wanted.get("kind") in (None, "", s.kind)]
    if wanted.get("service"):
        chosen = [source for source in chosen if source.service]
    return [(source, _narrowed(source, source.things(user, mine), wanted)) for source in chosen]


def _narrowed(source: Source, things: QuerySet, wanted: Mapping[str, Any]) -> QuerySet:
    if slug := wanted.get("service"):
        things = things.filter(**{f"{source.service}__slug": slug})
    if slug := wanted.get("environment"):
        where = source.environment
        things = things.filter(Q(**{f"{where}__slug": slug}) | Q(**{where: None}))
    if days := wanted.get("within"):
        things = things.filter(**{f"{source.at}__lt": timezone.now() + timedelta(days=days)})
    if day := wanted.get("day"):
        things = _between(source, things, day, day + timedelta(days=1))
    return things


def _between(source: Source, things: QuerySet, first: date, last: date) -> QuerySet:
    return things.filter(
        **{f"{source.at}__gte": midnight(first), f"{source.at}__lt": midnight(last)}
    )


def listed(user: User, wanted: Mapping[str, Any], params: Mapping[str, str]) -> Page:
    """A page of rows, soonest first: what is over is on top."""
    found = merged(
        [_in_order(source, things) for source, things in wanted_of(user, wanted)], params, SIZE
    )
    rows = [_row(thing) for thing in found.rows]
    asked = {row.ending.of for row in rows if row.ending.of}
    mine = Connection.objects.administered_by(user).filter(pk__in=asked)
    theirs = asked - set(mine.values_list("pk", flat=True))
    return Page([_without_action(row, theirs) for row in rows], found.newer, found.older)


def _without_action(row: Row, theirs: set[int]) -> Row:
    """What somebody else has to renew, without the way to the page that does."""
    if row.ending.of not in theirs:
        return row
    return replace(row, ending=replace(row.ending, action="", action_url=""))


def _in_order(source: Source, things: QuerySet) -> tuple[QuerySet, Order]:
    rank = str(sources.index(source))
    tie = Concat(Value(rank), Cast("pk", CharField()), output_field=CharField())
    return things.annotate(tie=tie), Order("end", source.at, "tie")


def _row(thing: Any) -> Row:
    source = sources[int(thing.tie[0])]
    at, now = thing.page_key, timezone.now()
    return Row(source, source.show(thing), at, at < now, at < now + SOON, abs(at - now) < NEAR)


def counts(user: User, wanted: Mapping[str, Any], *, mine: bool = False) -> dict[str, int]:
    """How many there are of each kind, in one query."""
    asked = [
        things.order_by().values(entry=Value(source.kind)).annotate(entries=Count("pk"))
        for source, things in wanted_of(user, wanted, mine=mine)
    ]
    return (
        dict(asked[0].union(*asked[1:], all=True).values_list("entry", "entries")) if asked else {}
    )


def ending_soon(user: User) -> int:
    """How many of what the person looks after end within 14 days, or are over, and break something."""
    found = counts(user, {"within": SOON.days}, mine=True)
    return sum(found.get(source.kind, 0) for source in sources if not source.harmless)


@dataclass(frozen=True, slots=True)
class Day:
    """A day of the calendar and how much ends on it."""

    day: date
    count: int
    is_in_month: bool
    is_today: bool
    tone: str


@dataclass(frozen=True, slots=True)
class Month:
    first: date
    weeks: list[list[Day]]
    total: int


def calendar(user: User, wanted: Mapping[str, Any], first: date) -> list[Month]:
    """Three months from the one that `first` is in, with counts by day; one query."""
    months = list(_months(first))
    last = _next_month(months[-1])
    asked = [
        _between(source, things, months[0], last)
        .order_by()
        .values(on=TruncDate(source.at))
        .annotate(entries=Count("pk"))
        for source, things in wanted_of(user, wanted)
    ]
    by_day: dict[date, int] = {}
    if asked:
        for day, count in asked[0].union(*asked[1:], all=True).values_list("on", "entries"):
            by_day[day] = by_day.get(day, 0) + count
    return [_month(month, by_day) for month in months]


def _month(first: date, by_day: Mapping[date, int]) -> Month:
    weeks = [
        [_day(day, first, by_day) for day in week]
        for week in Calendar().monthdatescalendar(first.year, first.month)
    ]
    return Month(first, weeks, sum(day.count for week in weeks for day in week))


def _day(day: date, first: date, by_day: Mapping[date, int]) -> Day:
    today = timezone.localdate()
    is_in_month = day.month == first.month
    tone = "bad" if day < today else "warn" if day < today + SOON else "idle"
    count = by_day.get(day, 0) if is_in_month else 0
    return Day(day, count, is_in_month, day == today, tone)


def _months(first: date) -> Iterator[date]:
    month = first.replace(day=1)
    for _ in range(MONTHS):
        yield month
        month = _next_month(month)


def _next_month(month: date) -> date:
    return (month + timedelta(days=31)).replace(day=1)


def before(first: date) -> date:
    """The month that the calendar before this one begins with."""
    month = first.replace(day=1)
    for _ in range(MONTHS):
        month = (month - timedelta(days=1)).replace(day=1)
    return month


def after(first: date) -> date:
    return _next_month(list(_months(first))[-1])
