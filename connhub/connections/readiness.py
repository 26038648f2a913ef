"""The readiness board: every connection in every environment, and what is missing before going up."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce, Lower

from connhub.accounts.models import Environment, User
from connhub.paging import Order, Page, page

from . import listing
from .access import settings_for
from .models import Connection, ConnectionQuerySet, Credential, Settings, Status, learn_places

SIZE = 50
BY_NAME = Order("name", Lower("name"), "link_name")


@dataclass(frozen=True, slots=True)
class Cell:
    """One connection in one environment; `is_own` says that the environment has its own credential.

    `people` counts those signed in there, where the connection uses the credentials of login
    users and has settings for the environment; else it is None.
    """

    environment: Environment
    status: Status
    credential: Credential | None
    people: int | None = None

    @property
    def is_open(self) -> bool:
        """Whether people can sign in there for themselves, however many did."""
        return self.people is not None and self.status == Status.CONNECTED

    @property
    def is_own(self) -> bool:
        return self.credential is not None and self.credential.environment_id is not None


@dataclass(slots=True)
class Tally:
    """How many connections are ready in an environment, and how the others stand."""

    environment: Environment
    total: int
    counts: dict[Status, int] = field(default_factory=dict)

    @property
    def ready(self) -> int:
        return self.counts.get(Status.CONNECTED, 0)

    @property
    def gaps(self) -> list[tuple[Status, int]]:
        """Statuses other than connected and how many stand so, worst first."""
        worst_first = sorted(self.counts.items(), reverse=True)
        return [(s, count) for s, count in worst_first if count and s != Status.CONNECTED]


def tallies(visible: ConnectionQuerySet, environments: list[Environment]) -> list[Tally]:
    """One for each environment, in five queries whatever there is."""
    total = visible.count()
    credentials = Credential.objects.own().filter(connection__login_user=False)
    shared = credentials.filter(environment=None)
    same_for_all = dict(_mine(shared, visible).values_list("status").annotate(Count("pk")))
    whole = {stage.pk: Tally(stage, total, dict(same_for_all)) for stage in environments}
    other = shared.filter(connection=OuterRef("connection")).values("status")
    own = (
        _mine(credentials.filter(environment__isnull=False), visible)
        .annotate(instead_of=Subquery(other))
        .values_list("environment", "status", "instead_of")
        .annotate(Count("pk"))
    )
    for environment, status, instead_of, count in own:
        counts = whole[environment].counts
        counts[status] = counts.get(status, 0) + count
        if instead_of is not None:
            counts[instead_of] -= count
    _count_login_users(whole, visible)
    for tally in whole.values():
        missing = total - sum(tally.counts.values())
        by_status = tally.counts | {
            Status.NOT_CONNECTED: tally.counts.get(Status.NOT_CONNECTED, 0) + missing
        }
        tally.counts = {Status(status): count for status, count in by_status.items()}
    return list(whole.values())


def _count_login_users(whole: dict[int, Tally], visible: ConnectionQuerySet) -> None:
    """Those whose users sign in for themselves stand by themselves wherever they have settings."""
    theirs = visible.filter(login_user=True).order_by()
    everywhere = Exists(Settings.objects.filter(connection=OuterRef("pk"), environment=None))
    counted = theirs.filter(everywhere).values_list("status").annotate(Count("pk"))
    found = [(pk, status, count) for status, count in counted for pk in whole]
    places = Settings.objects.filter(connection__in=theirs.exclude(everywhere).values("pk"))
    found += places.values_list("environment", "connection__status").annotate(Count("pk"))
    for environment, status, count in found:
        counts = whole[environment].counts
        counts[status] = counts.get(status, 0) + count


def _mine(credentials: QuerySet, visible: ConnectionQuerySet) -> QuerySet:
    return credentials.filter(connection__in=visible.order_by().values("pk")).order_by()


def board(
    queryset: ConnectionQuerySet, params: Mapping[str, str], environments: list[Environment]
) -> Page:
    """A page of connections by name, each with its cells."""
    found = page(queryset.for_readiness(), BY_NAME, params, SIZE)
    learn_places(found.rows)
    people = _people(found.rows)
    rows = [(connection, _cells(connection, environments, people)) for connection in found.rows]
    return Page(rows, found.newer, found.older)


def _cells(
    connection: Connection, environments: list[Environment], people: Mapping[tuple, int]
) -> list[Cell]:
    """How it stands in each environment, by its own credential or the one for all."""
    if not connection.login_user:
        return [
            Cell(stage, connection.standing_in(stage), connection.credential_for(stage))
            for stage in environments
        ]
    return [
        Cell(stage, connection.standing_in(stage), None, _signed_in(connection, stage, people))
        for stage in environments
    ]


def _signed_in(
    connection: Connection, stage: Environment, people: Mapping[tuple, int]
) -> int | None:
    if not connection.serves(stage):
        return None
    place = settings_for(connection, stage).environment_id
    return people.get((connection.pk, place), 0)


def _people(connections: list[Connection]) -> dict[tuple, int]:
    """How many are signed in, by connection and environment (None: all)."""
    ids = [connection.pk for connection in connections if connection.login_user]
    live = Credential.objects.of_users().live().filter(connection__in=ids).order_by()
    counted = live.values_list("connection", "environment").annotate(Count("user"))
    return {(connection, place): count for connection, place, count in counted}


def filtered(
    queryset: ConnectionQuerySet, wanted: Mapping, environments: list[Environment], user: User
) -> ConnectionQuerySet:
    """Narrowed by what the filter form says (its cleaned data)."""
    named = {name: wanted.get(name) for name in ("q", "service")}
    queryset = listing.filtered(queryset, named, user)
    if not wanted.get("gaps"):
        return queryset
    if slug := wanted.get("environment"):
        return queryset.filter(_gap_in(slug))
    return _with_gaps(queryset, len(environments))


def _gap_in(slug: str) -> Q:
    credentials = Credential.objects.own().filter(connection=OuterRef("pk"))
    own = credentials.filter(environment__slug=slug)
    shared = credentials.filter(environment=None, status=Status.CONNECTED)
    works = Exists(own.filter(status=Status.CONNECTED)) | (~Exists(own) & Exists(shared))
    settings = Settings.objects.filter(connection=OuterRef("pk"))
    serves = Exists(settings.filter(Q(environment=None) | Q(environment__slug=slug)))
    open_there = Q(serves, status=Status.CONNECTED)
    return Q(~Q(works), login_user=False) | Q(~open_there, login_user=True)


def _with_gaps(queryset: ConnectionQuerySet, environments: int) -> ConnectionQuerySet:
    """Those that are not connected everywhere: a credential doesn't work, or there are too few.

    Where users sign in for themselves, settings count in place of credentials.
    """
    credentials = Credential.objects.own().filter(connection=OuterRef("pk"))
    settings = Settings.objects.filter(connection=OuterRef("pk"))
    counted = queryset.alias(own=_of_one_place(credentials), places=_of_one_place(settings))
    too_few = Q(~_for_all(credentials), login_user=False, own__lt=environments)
    too_few |= Q(~_for_all(settings), login_user=True, places__lt=environments)
    return counted.filter(~Q(status=Status.CONNECTED) | too_few)


def _for_all(rows: QuerySet) -> Exists:
    return Exists(rows.filter(environment=None))


def _of_one_place(rows: QuerySet) -> Coalesce:
    """How many of a connection's rows are for a single environment."""
    own = rows.filter(environment__isnull=False).order_by().values("connection")
    return Coalesce(Subquery(own.annotate(count=Count("pk")).values("count")), 0)
