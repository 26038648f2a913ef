"""What a person is to an integration, and which connections they may bring into one."""

from typing import Any

from django.db.models import F, Q, QuerySet

from connhub.accounts.models import User
from connhub.connections.models import Connection
from connhub.connections.policies import usable_by
from connhub.sharing import roles

from .models import (
    App,
    Availability,
    Flow,
    Function,
    Integration,
    Kind,
    Membership,
    Project,
    Registration,
)


def is_member(user: User, integration: Integration) -> bool:
    return integration.memberships.filter(user=user).exists()


def state_of(integration: Integration) -> frozenset[str]:
    return frozenset({"integration app"} if integration.kind == Kind.APP else ())


def is_owner(user: User, thing: Flow | App | Function) -> bool:
    return thing.owner_id == user.pk


def state_standing(thing: Flow | App | Function) -> frozenset[str]:
    """Whether it stands alone."""
    return frozenset(() if thing.integration_id else ("standalone",))


def standing_alone(kind: Any, user: User) -> QuerySet[Any]:
    """One's own flows, apps or functions that no integration has; for super admins everybody's."""
    return kind.objects.alone().visible_to(user)


def belonging_to(user: User) -> QuerySet[Integration]:
    """Those the person administers or is a member of; to a super admin, too, only those."""
    joined = Q(pk__in=user.memberships.values("integration"))
    return Integration.objects.filter(roles.administered_by(user, Integration) | joined)


def belonging_in(integrations: QuerySet[Integration]) -> Q:
    """The condition that a person belongs to one of them: `belonging_to`, of people."""
    joined = Membership.objects.filter(integration__in=integrations.values("pk"))
    return roles.administering(integrations) | Q(pk__in=joined.values("user"))


def projects_open_to(user: User) -> QuerySet[Project]:
    """Where they may add an integration, which may use all that is available to the project."""
    administered = roles.administered(user, Integration)
    own = Project.objects.empty().filter(owner=user)
    return Project.objects.filter(Q(pk__in=administered.values("project")) | Q(pk__in=own))


def administers_project(user: User, project: Project) -> bool:
    return projects_open_to(user).filter(pk=project.pk).exists()


def belongs_to_project(user: User, project: Project) -> bool:
    return belonging_to(user).filter(project=project).exists()


def state_of_project(project: Project) -> frozenset[str]:
    return frozenset(() if project.integrations.exists() else ("empty",))


def open_for_registering(user: User) -> QuerySet[Integration]:
    """Those that they may register connections with by hand."""
    administered = roles.administered(user, Integration)
    return administered.exclude(kind=Kind.APP)


def usable_connections(user: User) -> QuerySet[Connection]:
    """Those the person administers, or may use already in an integration that they belong to."""
    return Connection.objects.live().filter(usable_by(user))


def traceable_by(user: User) -> QuerySet[Connection]:
    """Those whose uses the person may look for: what they may use, all of them for a super admin."""
    return Connection.objects.live() if user.is_super_admin else usable_connections(user)


def through_integrations(user: User) -> Q:
    """The condition that a connection may be used in an integration that the person belongs to."""
    belonging = belonging_to(user)
    registered = in_force().filter(integration__in=belonging.values("pk"))
    of_project = Availability.objects.filter(project__in=belonging.values("project"))
    return Q(pk__in=registered.values("connection")) | Q(pk__in=of_project.values("connection"))


def in_force() -> QuerySet[Registration]:
    """Registrations that count: those of connections narrowed to elsewhere meanwhile don't."""
    return Registration.objects.filter(
        Q(connection__availability=None)
        | Q(connection__availability__integration=F("integration"))
        | Q(connection__availability__project=F("integration__project"))
    )


def opening(connection: Connection) -> QuerySet[Integration]:
    """Those whose people may use the connection: `through_integrations`, of integrations."""
    registered = in_force().filter(connection=connection)
    of_project = Availability.objects.filter(connection=connection)
    return Integration.objects.filter(
        Q(pk__in=registered.values("integration")) | Q(project__in=of_project.values("project"))
    )
