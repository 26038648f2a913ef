"""The readiness board: every connection in every environment, and what is missing before going up."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce, Lower

from connhub.accounts.models import Environment
from connhub.paging import Order, Page, page

from .models import Connection, ConnectionQuerySet, Credential, Status

SIZE = 50
BY_NAME = Order("name", Lower("name"), "link_name")


@dataclass(frozen=True, slots=True)
class Cell:
    """One connection in one environment; `is_own` says that the environment has its own credential."""

    environment: Environment
    status: Status
    credential: Credential | None

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
    """One for each environment, in three queries whatever there is."""
    total = visible.count()
    shared = Credential.objects.filter(user=None, environment=None)
    same_for_all = dict(_mine(shared, visible).values_list("status").annotate(Count("pk")))
    whole = {stage.pk: Tally(stage, total, dict(same_for_all)) for stage in environments}
    other = shared.filter(connection=OuterRef("connection")).values("status")
    own = (
        _mine(Credential.objects.filter(user=None, environment__isnull=False), visible)
        .annotate(instead_of=Subquery(other))
        .values_list("environment", "status", "instead_of")
        .annotate(Count("pk"))
    )
    for environment, status, instead_of, count in own:
        counts = whole[environment].counts
        counts[status] = counts.get(status, 0) + count
        if instead_of is not None:
            counts[instead_of] -= count
    for tally in whole.values():
        missing = total - sum(tally.counts.values())
        by_status = tally.counts | {
            Status.NOT_CONNECTED: tally.counts.get(Status.NOT_CONNECTED, 0) + missing
        }
        tally.counts = {Status(status): count for status, count in by_status.items()}
    return list(whole.values())


def _mine(credentials: QuerySet, visible: ConnectionQuerySet) -> QuerySet:
    return credentials.filter(connection__in=visible.order_by().values("pk")).order_by()


def board(
    queryset: ConnectionQuerySet, params: Mapping[str, str], environments: list[Environment]
) -> Page:
    """A page of connections by name, each with its cells."""
    found = page(queryset.for_readiness(), BY_NAME, params, SIZE)
    rows = [(connection, cells(connection, environments)) for connection in found.rows]
    return Page(rows, found.newer, found.older)


def cells(connection: Connection, environments: list[Environment]) -> list[Cell]:
    """How it stands in each environment, by its own credential or the one for all."""
    return [
        Cell(stage, Status(served.status) if served else Status.NOT_CONNECTED, served)
        for stage in environments
        for served in [connection.credential_for(stage)]
    ]


def filtered(
    queryset: ConnectionQuerySet, wanted: Mapping, environments: list[Environment]
) -> ConnectionQuerySet:
    """Narrowed by what the filter form says (its cleaned data)."""
    if text := wanted.get("q"):
        queryset = queryset.filter(Q(name__icontains=text) | Q(link_name__icontains=text))
    if service := wanted.get("service"):
        queryset = queryset.filter(service__slug=service)
    if not wanted.get("gaps"):
        return queryset
    if slug := wanted.get("environment"):
        return queryset.filter(_gap_in(slug))
    return _with_gaps(queryset, len(environments))


def _gap_in(slug: str) -> Q:
    credentials = Credential.objects.filter(connection=OuterRef("pk"), user=None)
    own = credentials.filter(environment__slug=slug)
    shared = credentials.filter(environment=None, status=Status.CONNECTED)
    return Q(~(Exists(own.filter(status=Status.CONNECTED)) | (~Exists(own) & Exists(shared))))


def _with_gaps(queryset: ConnectionQuerySet, environments: int) -> ConnectionQuerySet:
    """Those that are not connected everywhere: a credential doesn't work, or there are too few."""
    credentials = Credential.objects.filter(connection=OuterRef("pk"), user=None)
    own = credentials.filter(environment__isnull=False).order_by().values("connection")
    counted = Coalesce(Subquery(own.annotate(count=Count("pk")).values("count")), 0)
    too_few = Q(~Exists(credentials.filter(environment=None)), own__lt=environments)
    return queryset.alias(own=counted).filter(~Q(status=Status.CONNECTED) | too_few)
