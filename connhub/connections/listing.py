"""The listing's rows: everything a row shows, in as many queries however long the list."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import (
    Aggregate,
    Count,
    Exists,
    Max,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    Value,
)
from django.db.models.functions import Lower
from django.utils import timezone

from connhub.accounts.models import Environment, User
from connhub.paging import Order, Page, page
from connhub.sharing import roles

from .models import (
    Connection,
    ConnectionQuerySet,
    ConnectionTeamGrant,
    ConnectionUserGrant,
    Credential,
    Settings,
    Status,
    learn_places,
)
from .tagging import HasTag

DAYS = 30
ORDERS = {
    "name": Order("name", Lower("name"), "link_name"),
    "status": Order("status, worst first", "status", "link_name", descending=True),
    "created": Order("newest first", "created_at", "link_name", descending=True),
    "modified": Order("last changed first", "modified_at", "link_name", descending=True),
}


@dataclass(frozen=True, slots=True)
class Stage:
    """How a connection stands in one environment."""

    environment: Environment
    status: Status


@dataclass(frozen=True, slots=True)
class Admin:
    """A person or team that administers a connection, as much of them as a row shows."""

    pk: int
    name: str
    is_team: bool
    to_self: bool

    def __str__(self):
        return self.name


@dataclass(frozen=True, slots=True)
class Use:
    """Who uses a connection, and whether the person looking administers it."""

    data_objects: int
    used_by: int
    last_used_at: datetime | None
    may_administer: bool


@dataclass(frozen=True, slots=True)
class Row:
    connection: Connection
    stages: list[Stage]
    admins: list[Admin]
    use: Use
    days: list[int]


def rows(
    queryset: ConnectionQuerySet,
    sort: str,
    params: Mapping[str, str],
    user: User,
    environments: list[Environment],
) -> Page:
    """A page of rows, its cursors beside it."""
    found = page(queryset.for_listing(), ORDERS[sort], params)
    learn_places(found.rows)
    ids = [connection.pk for connection in found.rows]
    use, days, people = uses(ids, user), _calls(ids), admins(ids)
    built = [
        Row(
            connection,
            stages=stages(connection, environments),
            admins=people[connection.pk],
            use=use[connection.pk],
            days=days[connection.pk],
        )
        for connection in found.rows
    ]
    return Page(built, found.newer, found.older)


def stages(connection: Connection, environments: list[Environment]) -> list[Stage]:
    """How it stands in each environment, by its own credential or the one for all."""
    return [Stage(environment, connection.standing_in(environment)) for environment in environments]


def uses(ids: list[int], user: User) -> dict[int, Use]:
    """By connection, in one query however many."""
    found = Connection.objects.filter(pk__in=ids).order_by()
    administered = roles.administered(user, Connection).filter(pk=OuterRef("pk"))
    return {
        pk: Use(objects or 0, (flows or 0) + (functions or 0), last, may_administer)
        for pk, objects, flows, functions, last, may_administer in found.values_list(
            "pk",
            _of_each("data_objects", Count("pk")),
            _of_each("steps", Count("flow", distinct=True)),
            _of_each("functions", Count("pk")),
            _of_each("call_days", Max("last_at")),
            Exists(administered),
        )
    }


def admins(ids: list[int]) -> dict[int, list[Admin]]:
    """By connection: the people, then the teams."""
    people = ConnectionUserGrant.objects.filter(content_object__in=ids).values_list(
        "content_object_id", Value(0), "user_id", "user__name", "to_self"
    )
    teams = ConnectionTeamGrant.objects.filter(content_object__in=ids).values_list(
        "content_object_id", Value(1), "group_id", "group__name", Value(False)
    )
    by_connection: dict[int, list[Admin]] = defaultdict(list)
    for connection, is_team, pk, name, to_self in sorted(people.union(teams)):
        by_connection[connection].append(Admin(pk, name, bool(is_team), bool(to_self)))
    return by_connection


def _of_each(relation: str, aggregate: Aggregate) -> Subquery:
    """An aggregate over what points at a connection, without joining it to anything else."""
    mine = (
        _related(relation).objects.filter(connection=OuterRef("pk")).order_by().values("connection")
    )
    return Subquery(mine.annotate(found=aggregate).values("found"))


def _related(relation: str) -> Any:
    """The model above, in another room, that points at a connection."""
    return getattr(Connection, relation).rel.related_model


def _calls(ids: list[int]) -> dict[int, list[int]]:
    """By connection: calls on each of the last 30 days, oldest first."""
    first = timezone.localdate() - timedelta(days=DAYS - 1)
    by_day: dict[int, list[int]] = defaultdict(lambda: [0] * DAYS)
    grouped = (
        _related("call_days")
        .objects.filter(connection__in=ids, day__gte=first)
        .values_list("connection_id", "day")
        .annotate(calls=Sum("ok") + Sum("failed"))
        .order_by()
    )
    for pk, day, calls in grouped:
        if 0 <= (place := (day - first).days) < DAYS:
            by_day[pk][place] = calls
    return by_day


def calls_by_day(connection: Connection) -> list[dict]:
    """The last 30 days, each with how many calls went well and how many failed."""
    today = timezone.localdate()
    found: dict[date, tuple[int, int]] = {
        day: (ok, failed)
        for day, ok, failed in connection.call_days.filter(day__gt=today - timedelta(days=DAYS))
        .values_list("day")
        .annotate(Sum("ok"), Sum("failed"))
        .order_by()
    }
    days = (today - timedelta(days=back) for back in range(DAYS - 1, -1, -1))
    return [
        {"day": day, "ok": ok, "failed": failed}
        for day in days
        for ok, failed in [found.get(day, (0, 0))]
    ]


def integrations_for(user: User) -> QuerySet:
    """Those that the person sees, for the filter by integration."""
    return _related("integrations").objects.visible_to(user)


def filtered(queryset: ConnectionQuerySet, wanted: Mapping, user: User) -> ConnectionQuerySet:
    """Narrowed by what the filter form says (its cleaned data)."""
    if text := wanted.get("q"):
        queryset = queryset.filter(Q(name__icontains=text) | Q(link_name__icontains=text))
    if service := wanted.get("service"):
        queryset = queryset.filter(service__slug=service)
    if status := wanted.get("status"):
        queryset = queryset.filter(status=status)
    if environment := wanted.get("environment"):
        place = Q(environment__slug=environment) | Q(environment=None)
        serving = Credential.objects.own().filter(place).values("connection")
        open_there = Q(login_user=True, pk__in=Settings.objects.filter(place).values("connection"))
        queryset = queryset.filter(Q(pk__in=serving) | open_there)
    if tag := wanted.get("tag"):
        queryset = queryset.filter(HasTag(tag))
    if owner := wanted.get("owner"):
        queryset = queryset.filter(created_by=owner)
    if integration := wanted.get("integration"):
        seen = integrations_for(user).filter(slug=integration)
        queryset = queryset.filter(integrations__in=seen)
    whose = {"mine": Q(created_by=user), "shared": ~Q(created_by=user)}
    if show := wanted.get("show"):
        queryset = queryset.filter(whose[show])
        if show == "shared":
            queryset = queryset.filter(roles.administered_by(user, Connection))
    return queryset
