"""What a person changes about themself, and how an account ends."""

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.dispatch import Signal

from connhub.audit.log import record
from connhub.errors import Refusal

from .models import Role, User
from .policies import require_super_admin

# Sent with `person` and `by` in the transaction that ends an account: what is theirs ends with it.
leaving = Signal()


class LastSuperAdmin(Refusal):
    code = "last-super-admin"
    text = "This is the only active super admin. Make somebody else one first."


@transaction.atomic
def rename(user: User, *, to: str, by: User) -> None:
    user.name = to
    user.save(update_fields=["name"])
    record("person.renamed", by=by, on=user, fields=["name"], change=False)


@transaction.atomic
def change_password(user: User, *, to: str, by: User) -> None:
    """Set a new password; every other session of the person ends."""
    user.set_password(to)
    user.save(update_fields=["password"])
    record("person.password_changed", by=by, on=user, fields=["password"])


@transaction.atomic
def deactivate(user: User, *, by: User) -> None:
    """End a person's access from the next request on, and destroy the credentials they gave.

    Raises:
        PermissionDenied: `by` is no super admin.
        LastSuperAdmin: nobody else could administer the account.
    """
    require_super_admin(by)
    user = _about_to_leave(user)
    user.is_active = False
    user.save(update_fields=["is_active"])
    leaving.send(sender=User, person=user, by=by)
    record("person.deactivated", by=by, on=user)


@transaction.atomic
def delete(user: User, *, by: User) -> None:
    """Take a person's account away, and all they were granted. Raises: as `deactivate` does."""
    require_super_admin(by)
    user = _about_to_leave(user)
    leaving.send(sender=User, person=user, by=by)
    User.objects.filter(pk=user.pk).delete()
    record("person.deleted", by=by, on=user)


def locked(user: User) -> User:
    """The person as they are now; nobody ends their account until the commit.

    Raises:
        PermissionDenied: there is no such account any more.
    """
    found = User.objects.select_for_update().filter(pk=user.pk).first()
    if found is None:
        raise PermissionDenied
    return found


def _about_to_leave(user: User) -> User:
    # All of them, so that of two who end each other's account the second is refused.
    super_admins = User.objects.select_for_update().filter(role=Role.SUPER_ADMIN, is_active=True)
    if {admin.pk for admin in super_admins.order_by("pk")} == {user.pk}:
        raise LastSuperAdmin
    return locked(user)
