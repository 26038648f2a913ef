"""Who may do what with an integration, and which connections a person may bring into one."""

from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet

from connhub.accounts import environments
from connhub.accounts.models import Environment, Role, User
from connhub.accounts.policies import may_use_all_environments
from connhub.connections.models import Connection
from connhub.connections.policies import usable_by
from connhub.sharing import roles

from .models import Availability, Integration, Project, Registration


def may_create(user: User) -> bool:
    """Whether they may make integrations: it takes the role admin."""
    return user.is_active and user.role in (Role.ADMIN, Role.SUPER_ADMIN)


def require_create(user: User) -> None:
    if not may_create(user):
        raise PermissionDenied


def may_administer(user: User, integration: Integration) -> bool:
    """Whether they may register connections, add members and issue keys.

    A super admin who hasn't shared it to themself may not.
    """
    return roles.is_admin(user, integration)


def require_admin(user: User, integration: Integration) -> None:
    if not may_administer(user, integration):
        raise PermissionDenied


def require_issue(user: User, integration: Integration, environment: Environment) -> None:
    """A key of any but the lowest environment takes the role admin as well."""
    require_admin(user, integration)
    if not (may_use_all_environments(user) or environment == environments.lowest()):
        raise PermissionDenied


def belonging_to(user: User) -> QuerySet[Integration]:
    """Those the person administers or is a member of; to a super admin, too, only those."""
    joined = Q(pk__in=user.memberships.values("integration"))
    return Integration.objects.filter(roles.administered_by(user, Integration) | joined)


def projects_open_to(user: User) -> QuerySet[Project]:
    """Where they may add an integration, which may use all that is available to the project."""
    administered = roles.administered(user, Integration)
    return Project.objects.filter(pk__in=administered.values("project"))


def usable_connections(user: User) -> QuerySet[Connection]:
    """Those the person administers, or may use already in an integration that they belong to."""
    return Connection.objects.live().filter(usable_by(user))


def through_integrations(user: User) -> Q:
    """The condition that a connection may be used in an integration that the person belongs to."""
    belonging = belonging_to(user)
    registered = Registration.objects.filter(integration__in=belonging.values("pk"))
    of_project = Availability.objects.filter(project__in=belonging.values("project"))
    return Q(pk__in=registered.values("connection")) | Q(pk__in=of_project.values("connection"))
