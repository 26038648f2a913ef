"""Which connections an integration's flows may use, and how that comes and goes."""

from collections.abc import Iterable

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet

from connhub.accounts.models import User
from connhub.audit.log import record
from connhub.connections.models import Connection
from connhub.errors import Refusal

from . import policies
from .models import Availability, Function, Integration, IntegrationKey, Kind, Registration, Step


class RegistrationNotOffered(Refusal):
    code = "registration-not-offered"
    text = "An integration app comes with its connections; they can't be changed by hand."


class AvailableElsewhere(Refusal):
    code = "available-elsewhere"
    text = "This connection is available to another project or integration only."


class NotRegistered(Refusal):
    code = "not-registered"
    text = "This connection is not registered here. Register it first."


def offered_in(integration: Integration) -> QuerySet[Connection]:
    """What a new flow may select: registered with the integration, or available to its project."""
    offered = _registered(integration) | _of_project(integration)
    return Connection.objects.live().filter(not_elsewhere(integration), offered)


def usable_in(integration: Integration) -> QuerySet[Connection]:
    """What its flows may use: all that is offered, and what a saved flow or function still uses."""
    in_steps = Step.objects.filter(flow__integration=integration).values("connection")
    in_functions = Function.objects.filter(integration=integration).values("connection")
    used = Q(pk__in=in_steps) | Q(pk__in=in_functions)
    usable = _registered(integration) | _of_project(integration) | used
    return Connection.objects.live().filter(not_elsewhere(integration), usable)


def _registered(integration: Integration) -> Q:
    return Q(pk__in=Registration.objects.filter(integration=integration).values("connection"))


def _of_project(integration: Integration) -> Q:
    return Q(availability__project=integration.project_id)


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
    over = Step.objects.filter(connection__in=integration.registrations.values("connection"))
    outside = over.exclude(flow__integration=integration)
    return outside.select_related("connection__service").order_by("connection__name", "name")


def not_elsewhere(integration: Integration) -> Q:
    """Connections that no availability keeps from being registered with the integration."""
    return (
        Q(availability=None) | _of_project(integration) | Q(availability__integration=integration)
    )


def registrable(integration: Integration, *, by: User) -> QuerySet[Connection]:
    """What the person may register with the integration and isn't yet."""
    usable = policies.usable_connections(by).filter(not_elsewhere(integration))
    return usable.exclude(_registered(integration))


@transaction.atomic
def register(
    integration: Integration, connections: Iterable[Connection], *, by: User
) -> list[Connection]:
    """Make connections usable in the integration; those that are already stay as they are.

    Raises:
        PermissionDenied: `by` is no admin of the integration, or may not use one of them.
        RegistrationNotOffered: it is an integration app.
        AvailableElsewhere: one of them is narrowed to another project or integration.
    """
    integration = locked(integration)
    policies.require_admin(by, integration)
    require_by_hand(integration)
    ids = {connection.pk for connection in connections}
    rows = Connection.objects.select_for_update(of=("self",)).filter(pk__in=ids)
    chosen = list(rows.order_by("pk"))
    _require_may_bring(integration, by, ids)
    return [c for c in chosen if add(integration, c, how=Registration.How.BY_HAND, by=by)]


def _require_may_bring(integration: Integration, by: User, ids: set[int]) -> None:
    usable = policies.usable_connections(by).filter(pk__in=ids)
    if usable.count() != len(ids):
        raise PermissionDenied
    if usable.filter(not_elsewhere(integration)).count() != len(ids):
        raise AvailableElsewhere


def add(
    integration: Integration, connection: Connection, *, how: str, by: User | IntegrationKey
) -> bool:
    """Register a connection that may be registered, on record; False if it was already.

    The caller holds the integration's lock and has asked the policies.
    """
    _, created = Registration.objects.get_or_create(
        integration=integration,
        connection=connection,
        defaults={"how": how, "by": by if isinstance(by, User) else None},
    )
    if created:
        record("connection.registered", by=by, on=connection, detail=_where(integration, how=how))
    return created


@transaction.atomic
def deregister(integration: Integration, connection: Connection, *, by: User) -> None:
    """End a registration. Saved flows go on using the connection; new ones can't select it.

    Raises:
        PermissionDenied: `by` is no admin of the integration.
        RegistrationNotOffered: it is an integration app.
        NotRegistered: there is no such registration.
    """
    integration = locked(integration)
    policies.require_admin(by, integration)
    require_by_hand(integration)
    deleted, _ = Registration.objects.filter(
        integration=integration, connection=connection
    ).delete()
    if not deleted:
        raise NotRegistered
    record("connection.deregistered", by=by, on=connection, detail=_where(integration))


def may_register(user: User, integration: Integration) -> bool:
    """Whether the pages offer them to change what is registered."""
    return integration.kind != Kind.APP and policies.may_administer(user, integration)


def require_by_hand(integration: Integration) -> None:
    """Refuse what integration apps don't offer. Raises: RegistrationNotOffered."""
    if integration.kind == Kind.APP:
        raise RegistrationNotOffered


def _where(integration: Integration, **more: str) -> dict[str, str]:
    return {"integration": integration.slug, **more}


def locked(integration: Integration) -> Integration:
    """The integration as it is now; nobody else changes what it may use until the commit."""
    return Integration.objects.select_for_update(of=("self",)).get(pk=integration.pk)
