"""The rules of sharing, asked of the table by the kind of object."""

from django.core.exceptions import PermissionDenied
from django.db import models, transaction

from connhub.accounts.models import User
from connhub.accounts.people import require_now
from connhub.accounts.permissions import may, require

from .kinds import kind_of


def may_share(user: User, thing: models.Model) -> bool:
    """Whether they may add and remove admins: its admins may, a super admin by role alone may not."""
    return may(user, f"{kind_of(thing).name}.share", thing)


def may_share_to_self(user: User, thing: models.Model) -> bool:
    """Whether they may make themself an admin of what they don't administer."""
    return may(user, f"{kind_of(thing).name}.share_to_self", thing) and not may_share(user, thing)


def may_see_admins(user: User, thing: models.Model) -> bool:
    """Whether they may see who administers it, and since when."""
    return may(user, f"{kind_of(thing).name}.see_admins", thing)


def require_see_admins(user: User, thing: models.Model) -> None:
    require(user, f"{kind_of(thing).name}.see_admins", thing)


@transaction.atomic  # which locking takes, and the pages have none around it
def require_share(user: User, thing: models.Model) -> None:
    """Asked of both as they are in the database now. Raises: PermissionDenied."""
    require_now(user, f"{kind_of(thing).name}.share", _there(thing))


@transaction.atomic
def require_share_to_self(user: User, thing: models.Model) -> None:
    """Asked of both as they are in the database now. Raises: PermissionDenied."""
    require_now(user, f"{kind_of(thing).name}.share_to_self", _there(thing))


def _there(thing: models.Model) -> models.Model:
    found = kind_of(thing).live().filter(pk=thing.pk).first()
    if found is None:
        raise PermissionDenied
    return found
