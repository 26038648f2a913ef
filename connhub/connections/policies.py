"""Who may do what with a connection. What the state allows is for the operations to know."""

from collections.abc import Callable, Sequence

from django.core.exceptions import PermissionDenied
from django.db.models import Q

from connhub.accounts import environments
from connhub.accounts.models import Environment, User
from connhub.accounts.policies import may_use_all_environments
from connhub.sharing import roles

from .models import Connection

# Who else may use which connections; added to in the `ready()` of the app that knows.
ways_to_use: list[Callable[[User], Q]] = []


def may_administer(user: User, connection: Connection) -> bool:
    """Whether they may rename, edit, test, revoke, share and delete it.

    A super admin who hasn't shared it to themself may not.
    """
    return roles.is_admin(user, connection)


def require_admin(user: User, connection: Connection) -> None:
    if not may_administer(user, connection):
        raise PermissionDenied


def usable_by(user: User) -> Q:
    """The condition that the person may use the connection: as its admin, or through what uses it."""
    usable = roles.administered_by(user, Connection)
    for way in ways_to_use:
        usable |= way(user)
    return usable


def may_use(user: User, connection: Connection) -> bool:
    """Whether they may sign in with their own credential, where the connection uses those."""
    usable = Connection.objects.live().filter(usable_by(user), pk=connection.pk)
    return user.is_active and usable.exists()


def require_use(user: User, connection: Connection) -> None:
    if not may_use(user, connection):
        raise PermissionDenied


def may_connect_in(user: User, environment: Environment | None) -> bool:
    """Whether they may give credentials for an environment (None: for all of them)."""
    if may_use_all_environments(user):
        return True
    return user.is_active and environment is not None and environment == environments.lowest()


def require_connect_in(user: User, environment: Environment | None) -> None:
    if not may_connect_in(user, environment):
        raise PermissionDenied


def require_admin_of_all(user: User, connections: Sequence[Connection]) -> None:
    """For what is done with many at once, such as an export: one that isn't theirs stops it."""
    ids = {connection.pk for connection in connections}
    if not user.is_active or roles.administered(user, Connection).filter(pk__in=ids).count() < len(
        ids
    ):
        raise PermissionDenied
