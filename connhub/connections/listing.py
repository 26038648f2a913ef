"""The listing's rows: everything a row shows, in as many queries however long the list."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from django.db.models import (
    Aggregate,
    BooleanField,
    Count,
    ExpressionWrapper,
    Max,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
)
from django.db.models.functions import Lower

from connhub import caching
from connhub.accounts.models import Environment, User
from connhub.paging import MOST_COUNTED, SIZE, Order, Page, page
from connhub.row_by_row import there_is
from connhub.sharing import roles

from .called import DAYS, SOURCES, first_day, related, totals
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
from .unused import unused_for

URL_NAME = "connections:list"
FILTERS = (
    *("q", "show", "service", "status", "environment", "tag", "owner", "integration"),
    "unused",
)
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
    size: int = SIZE,
) -> Page:
    """A page of rows, its cursors beside it."""
    found = page(queryset.for_listing(), ORDERS[sort], params, size)
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
    return {
        pk: Use(
            objects or 0,
            (flows or 0) + (functions or 0),
            max(filter(None, last), default=None),
            may_administer,
        )
        for pk, objects, flows, functions, *last, may_administer in found.values_list(
            "pk",
            _of_each("data_objects", Count("pk")),
            _of_each("steps", Count("flow", distinct=True)),
            _of_each("function_uses", Count("pk")),
            *(_of_each(source, Max("last_at")) for source in SOURCES),
            ExpressionWrapper(roles.administers(user, Connection), BooleanField()),
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
        related(relation).objects.filter(connection=OuterRef("pk")).order_by().values("connection")
    )
    return Subquery(mine.annotate(found=aggregate).values("found"))


def _calls(ids: list[int]) -> dict[int, list[int]]:
    """By connection: calls on each of the last 30 days, oldest first."""
    first = first_day()
    days: dict[int, list[int]] = defaultdict(lambda: [0] * DAYS)
    for (pk, day), total in totals(
        "connection_id", "day", connection__in=ids, day__gte=first
    ).items():
        if 0 <= (place := (day - first).days) < DAYS:
            days[pk][place] = total.calls
    return days


class Choices:
    """What the filters offer, value with label: services and owners of what a person sees.

    Of very many, what was found is good for some minutes: `kept_as` is the name it is kept under.
    """

    def __init__(self, visible: ConnectionQuerySet, kept_as: str = "") -> None:
        self.visible, self.kept_as = visible, kept_as

    @cached_property
    def services(self) -> list[tuple[str, str]]:
        return _by_label({(slug, name) for slug, name, _, _ in self._pairs})

    @cached_property
    def owners(self) -> list[tuple[int, str]]:
        return _by_label({(pk, name) for _, _, pk, name in self._pairs if pk})

    @cached_property
    def _pairs(self) -> list[tuple]:
        """Services with owners as they occur together: what a person sees is gathered once."""
        if self.kept_as and (kept := caching.recall(self.kept_as)) is not None:
            return kept
        owner = ("created_by", "created_by__name")
        pairs = self.visible.values_list("service__slug", "service__name", *owner)
        found = list(pairs.order_by().distinct())
        if self.kept_as:
            caching.remember(self.kept_as, found)
        return found


class Seen:
    """The connections that a person sees, or only their own, asked for as fits how many they are.

    `number` is how many the person sees, counted no further than MOST_COUNTED.
    """

    def __init__(self, user: User, number: int, *, only_own: bool = False) -> None:
        self.user, self.number = user, number
        self.visible_to = Connection.objects.visible_to
        if only_own:
            self.visible_to = Connection.objects.administered_by
        very_many = number > MOST_COUNTED
        self.has_many = very_many and not user.is_super_admin
        kept_as = f"choices:{user.pk}:{user.role}" if very_many and not only_own else ""
        self.choices = Choices(self.visible_to(user), kept_as)

    def narrowed(self, wanted: Mapping) -> ConnectionQuerySet:
        """Those that the filter form says; row by row only what no filter passes over."""
        row_by_row = self.has_many and not is_filtered(wanted)
        return filtered(self.visible_to(self.user, row_by_row=row_by_row), wanted, self.user)


def _by_label(choices: set[tuple]) -> list[tuple]:
    return sorted(choices, key=lambda choice: choice[1].casefold())


def integrations_for(user: User) -> QuerySet:
    """Those that the person sees, for the filter by integration."""
    return related("integrations").objects.visible_to(user)


def is_filtered(wanted: Mapping) -> bool:
    return any(wanted.get(name) for name in FILTERS)


def filtered(queryset: ConnectionQuerySet, wanted: Mapping, user: User) -> ConnectionQuerySet:
    """Narrowed by what the filter form says (its cleaned data)."""
    if text := wanted.get("q"):
        text = text.lower()  # as the index has the names
        queryset = queryset.alias(lower_name=Lower("name")).filter(
            Q(lower_name__contains=text) | Q(link_name__contains=text)
        )
    if service := wanted.get("service"):
        queryset = queryset.filter(service__slug=service)
    if status := wanted.get("status"):
        queryset = queryset.filter(status=status)
    if environment := wanted.get("environment"):
        place = Q(environment__slug=environment) | Q(environment=None)
        of_it = Q(place, connection=OuterRef("pk"))
        open_there = Q(there_is(Settings.objects.filter(of_it)), login_user=True)
        serving = Q(there_is(Credential.objects.own().filter(of_it)))
        queryset = queryset.filter(serving | open_there)
    if tag := wanted.get("tag"):
        queryset = queryset.filter(HasTag(tag))
    if owner := wanted.get("owner"):
        queryset = queryset.filter(created_by=owner)
    if integration := wanted.get("integration"):
        seen = integrations_for(user).filter(slug=integration)
        queryset = queryset.filter(integrations__in=seen)
    if days := wanted.get("unused"):
        queryset = queryset.filter(unused_for(days))
    whose = {"mine": Q(created_by=user), "shared": ~Q(created_by=user)}
    if show := wanted.get("show"):
        queryset = queryset.filter(whose[show])
        if show == "shared":
            queryset = queryset.filter(roles.administered_by(user, Connection))
    return queryset
