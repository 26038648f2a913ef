"""What a person is to a connection, what holds of it, and which ones they may use."""

from collections.abc import Callable, Sequence

from django.core.exceptions import PermissionDenied
from django.db.models import Q

from connhub.accounts.models import User
from connhub.sharing import roles

from .models import Connection

# Who else may use which connections; added to in the `ready()` of the app that knows.
ways_to_use: list[Callable[[User], Q]] = []


def usable_by(user: User) -> Q:
    """The condition that the person may use the connection: as its admin, or through what uses it."""
    usable = roles.administered_by(user, Connection)
    for way in ways_to_use:
        usable |= way(user)
    return usable


def is_user(user: User, connection: Connection) -> bool:
    """Whether they may use it, as its admin or through what uses it."""
    return Connection.objects.live().filter(usable_by(user), pk=connection.pk).exists()


def state_of(connection: Connection) -> frozenset[str]:
    """Whether it is disabled, deleted or both."""
    at = {"disabled": connection.disabled_at, "deleted": connection.deleted_at}
    return frozenset(word for word, moment in at.items() if moment)


def require_admin_of_all(user: User, connections: Sequence[Connection]) -> None:
    """For what is done with many at once, such as an export: one that isn't theirs stops it."""
    ids = {connection.pk for connection in connections}
    if not user.is_active or roles.administered(user, Connection).filter(pk__in=ids).count() < len(
        ids
    ):
        raise PermissionDenied
