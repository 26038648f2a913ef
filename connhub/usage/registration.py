"""Which connections an integration's flows may use, and how that comes and goes."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Prefetch, Q, QuerySet

from connhub.accounts import people
from connhub.accounts.models import User
from connhub.accounts.permissions import may, require
from connhub.audit.log import Entry, record, record_all
from connhub.connections.models import Connection
from connhub.errors import Refusal

from . import policies
from .models import (
    App,
    Availability,
    DataObject,
    Flow,
    Function,
    FunctionUse,
    Integration,
    IntegrationKey,
    Kind,
    Registration,
    Step,
)

# By what is saved: where its uses are, and what they call it.
USES: dict[Any, tuple[Any, str]] = {
    Flow: (Step, "flow"),
    App: (DataObject, "app"),
    Function: (FunctionUse, "function"),
}


class RegistrationNotOffered(Refusal):
    code = "registration-not-offered"
    text = "An integration app comes with its connections; they can't be changed by hand."


class IntegrationGone(Refusal):
    code = "integration-gone"
    text = "This integration was deleted meanwhile."


class AvailableElsewhere(Refusal):
    code = "available-elsewhere"
    text = "This connection is available to another project or integration only."


class NotRegistered(Refusal):
    """`link_names` are those of several, where not one alone was asked about."""

    code = "not-registered"
    text = "This connection is not registered here. Register it first."

    def __init__(self, *link_names: str) -> None:
        self.link_names = link_names
        several = f"Not registered with this integration: {', '.join(link_names)}."
        super().__init__(several if link_names else None)


def offered_in(integration: Integration) -> QuerySet[Connection]:
    """What a new flow may select: registered with the integration, or available to its project."""
    offered = registered_with(integration) | available_to_project_of(integration)
    return Connection.objects.live().filter(not_elsewhere(integration), offered)


def kept_by(thing: Flow | App | Function, integration: Integration) -> QuerySet[Connection]:
    """What the integration may use for no other reason than that this of it does."""
    model, of = USES[type(thing)]
    theirs = model.objects.filter(**{of: thing})
    own = usable_in(integration).filter(pk__in=theirs.values("connection"))
    offered = offered_in(integration).values("pk")
    return own.exclude(pk__in=offered).exclude(used_in(integration, but=thing))


class Each:
    """Any integration of the query around: a rule about one becomes a rule about all of them."""

    pk = OuterRef("pk")
    project_id = OuterRef("project_id")


def usable_in(integration: Integration | type[Each]) -> QuerySet[Connection]:
    """What its flows may use: all that is offered, and what something saved in it still uses."""
    usable = registered_with(integration) | available_to_project_of(integration)
    usable |= used_in(integration)
    return Connection.objects.live().filter(not_elsewhere(integration), usable)


def used_in(
    integration: Integration | type[Each], *, but: Flow | App | Function | None = None
) -> Q:
    """The condition that something saved in the integration uses a connection."""
    used = Q()
    for kind, (model, of) in USES.items():
        there = model.objects.filter(**{f"{of}__integration": _further_in(integration.pk)})
        if isinstance(but, kind):
            there = there.exclude(**{of: but})
        used |= Q(pk__in=there.values("connection"))
    return used


def users_in(integration: Integration, connection: Connection) -> dict[str, int]:
    """How many flows, apps and functions of the integration use the connection, by noun."""
    found = {
        kind.PAGE: model.objects.filter(
            connection=connection, **{f"{of}__integration": integration}
        ).aggregate(number=Count(of, distinct=True))["number"]
        for kind, (model, of) in USES.items()
    }
    return {noun: number for noun, number in found.items() if number}


def calling(connection: Connection | OuterRef) -> QuerySet[Integration]:
    """The integrations whose flows may use the connection, by the rule of `usable_in`."""
    pk = connection.pk if isinstance(connection, Connection) else _further_in(connection)
    return Integration.objects.filter(Exists(usable_in(Each).filter(pk=pk)))


def _further_in(value: Any) -> Any:
    """The same value in a query inside this one."""
    return OuterRef(value) if isinstance(value, OuterRef) else value


def registered_with(integration: Integration | type[Each]) -> Q:
    """The condition that a connection is registered with it."""
    here = Registration.objects.filter(integration=_further_in(integration.pk))
    return Q(pk__in=here.values("connection"))


def available_to_project_of(integration: Integration | type[Each]) -> Q:
    """The condition that a connection is available to its whole project."""
    return Q(availability__project=integration.project_id)


def involving(connection: Connection) -> QuerySet[Integration]:
    """All integrations that it is registered with, or in which something uses it."""
    using = [
        model.objects.filter(connection=connection, **{f"{of}__integration__isnull": False})
        .order_by()
        .values(f"{of}__integration")
        for model, of in USES.values()
    ]
    registered = connection.registrations.values("integration")
    return Integration.objects.filter(pk__in=registered.union(*using))


def for_listing(integration: Integration, seen: QuerySet[Connection]) -> QuerySet[Connection]:
    """What its flows may use, with what a row shows; `seen` are those whose own page one may open."""
    here = Registration.objects.filter(integration=integration).select_related("by")
    this = OuterRef("pk")
    steps = Step.objects.filter(flow__integration=integration, connection=this)
    of_project = Availability.objects.filter(project=integration.project_id, connection=this)
    return (
        usable_in(integration)
        .select_related("service")
        .prefetch_related(Prefetch("registrations", here, to_attr="registered_here"))
        .annotate(
            is_used=Exists(steps),
            is_of_project=Exists(of_project),
            is_seen=Exists(seen.filter(pk=this)),
        )
    )


def steps_elsewhere(integration: Integration) -> QuerySet[Step]:
    """Exports and imports outside the integration over connections registered with it.

    Its members see them by name and nothing more.
    """
    registered = policies.in_force().filter(integration=integration)
    over = Step.objects.filter(connection__in=registered.values("connection"))
    outside = over.exclude(flow__integration=integration)
    return outside.select_related("connection__service").order_by("connection__name", "name")


def not_elsewhere(integration: Integration | type[Each]) -> Q:
    """Connections that no availability keeps from being registered with the integration."""
    only_here = Q(availability__integration=integration.pk)
    return Q(availability=None) | available_to_project_of(integration) | only_here


def registrable(integration: Integration, *, by: User) -> QuerySet[Connection]:
    """What the person may register with the integration and isn't yet."""
    usable = policies.usable_connections(by).filter(not_elsewhere(integration))
    return usable.exclude(registered_with(integration))


@transaction.atomic
def register(
    integration: Integration,
    connections: Iterable[Connection],
    *,
    by: User,
    how: str = Registration.How.BY_HAND,
) -> list[Connection]:
    """Make connections usable in the integration; those that are already stay as they are.

    Raises:
        PermissionDenied: `by` is no admin of the integration, or may not use one of them.
        RegistrationNotOffered: it is an integration app.
        AvailableElsewhere: one of them is narrowed to another project or integration.
    """
    by = people.locked(by)
    integration = lock_for(integration, by=by)
    ids = {connection.pk for connection in connections}
    rows = Connection.objects.select_for_update(of=("self",), no_key=True).filter(pk__in=ids)
    chosen = list(rows.order_by("pk"))
    _require_may_bring(integration, by, ids)
    return add(integration, chosen, how=how, by=by)


def _require_may_bring(integration: Integration, by: User, ids: set[int]) -> None:
    usable = policies.usable_connections(by).filter(pk__in=ids)
    is_here = Exists(
        Connection.objects.filter(not_elsewhere(integration), pk=OuterRef("pk")).order_by()
    )
    found = list(usable.order_by().values_list(is_here, flat=True))
    if len(found) != len(ids):
        raise PermissionDenied
    if not all(found):
        raise AvailableElsewhere


def add(
    integration: Integration,
    connections: Sequence[Connection],
    *,
    how: str,
    by: User | IntegrationKey,
) -> list[Connection]:
    """Register each connection with the integration, on record; those that it was new for.

    The caller holds the connections' locks and has asked the policies.
    """
    new = insert([integration], connections, how=how, by=by)
    record_all(map(entry_of, new), by=by)
    return [registration.connection for registration in new]


def insert(
    integrations: Sequence[Integration],
    connections: Sequence[Connection],
    *,
    how: str,
    by: User | IntegrationKey,
) -> list[Registration]:
    """As `add`, of several integrations; the caller puts an `entry_of` each new one on record."""
    there = Registration.objects.filter(integration__in=integrations, connection__in=connections)
    known = set(there.values_list("integration", "connection"))
    new = [(i, c) for i in integrations for c in connections if (i.pk, c.pk) not in known]
    return insert_new(new, how=how, by=by)


def insert_new(
    pairs: Iterable[tuple[Integration, Connection]], *, how: str, by: User | IntegrationKey
) -> list[Registration]:
    """As `insert`, of connections each known not to be registered with the integration."""
    person = by if isinstance(by, User) else None
    return Registration.objects.bulk_create(
        Registration(integration=i, connection=c, how=how, by=person) for i, c in pairs
    )


def entry_of(registration: Registration) -> Entry:
    """What the record says of a new registration."""
    where = _where(registration.integration, how=registration.how)
    return Entry("connection.registered", registration.connection, detail=where)


@transaction.atomic
def deregister(integration: Integration, connection: Connection, *, by: User) -> None:
    """End a registration. Saved flows go on using the connection; new ones can't select it.

    Raises:
        PermissionDenied: `by` is no admin of the integration.
        RegistrationNotOffered: it is an integration app.
        NotRegistered: there is no such registration.
    """
    by = people.locked(by)
    integration = lock_for(integration, by=by)
    deleted, _ = Registration.objects.filter(
        integration=integration, connection=connection
    ).delete()
    if not deleted:
        raise NotRegistered
    record("connection.deregistered", by=by, on=connection, detail=_where(integration))


def may_register(user: User, integration: Integration) -> bool:
    """Whether the pages offer them to change what is registered."""
    return may(user, "integration.register", integration)


def require_by_hand(integration: Integration) -> None:
    """Refuse what integration apps don't offer. Raises: RegistrationNotOffered."""
    if integration.kind == Kind.APP:
        raise RegistrationNotOffered


def lock_for(integration: Integration, *, by: User) -> Integration:
    """The integration, `locked` for somebody who may change what is registered by hand.

    Raises: PermissionDenied, RegistrationNotOffered.
    """
    integration = locked(integration)
    require(by, "integration.register", integration)
    require_by_hand(integration)
    return integration


def _where(integration: Integration, **more: str) -> dict[str, str]:
    return {"integration": integration.slug, **more}


def locked(integration: Integration) -> Integration:
    """The integration as it is now; nobody else changes what it may use until the commit.

    Raises: IntegrationGone.
    """
    rows = Integration.objects.select_for_update(of=("self",), no_key=True)
    try:
        return rows.get(pk=integration.pk)
    except Integration.DoesNotExist:
        raise IntegrationGone from None
