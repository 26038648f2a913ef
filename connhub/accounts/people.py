"""What a person changes about themself, and what super admins change about people."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.dispatch import Signal

from connhub.audit.log import record
from connhub.errors import Refusal

from . import mail, second_factor, sessions
from .grants import lock_admins
from .models import Role, User
from .permissions import require

# Sent with `person` and `by` in the transaction that ends an account: what is theirs ends with it.
leaving = Signal()


@dataclass(frozen=True, slots=True)
class Left:
    """So many things of one kind, and where to see to them; some stand in the way of leaving."""

    count: int
    words: str
    url: str
    blocks: bool = False


# What a person leaves behind; added to in the `ready()` of the apps that know.
left_behind: list[Callable[[User], Sequence[Left]]] = []


class LastSuperAdmin(Refusal):
    code = "last-super-admin"
    text = "This is the only active super admin. Make somebody else one first."


class NothingToReset(Refusal):
    code = "no-second-factor"
    text = "They have no second factor."


@transaction.atomic
def rename(user: User, *, to: str, by: User) -> None:
    user.name = to
    user.save(update_fields=["name"])
    record("person.renamed", by=by, on=user, fields=["name"], change=False)


@transaction.atomic
def change_password(user: User, *, to: str, by: User, here: str | None = None) -> None:
    """Set a new password; every session of the person but the one with the key `here` ends."""
    user.set_password(to)
    user.save(update_fields=["password"])
    sessions.end_all(user, but=here)
    record("person.password_changed", by=by, on=user, fields=["password"])


@transaction.atomic
def prefer_letters(user: User, *, unwanted: Iterable[str], by: User) -> None:
    """Say which kinds of letters somebody doesn't want."""
    user.unwanted_letters = sorted(unwanted)
    user.save(update_fields=["unwanted_letters"])
    record("person.letters_chosen", by=by, on=user, fields=["unwanted_letters"], change=False)


@transaction.atomic
def change_role(user: User, *, to: str, by: User) -> None:
    """Give somebody another role; their sessions end.

    Raises:
        PermissionDenied: `by` is no super admin.
        LastSuperAdmin: nobody else could administer the account.
    """
    require(by, "account.administer")
    user = _about_to_leave(user, by=by) if to != Role.SUPER_ADMIN else locked(user)
    if user.role == to:
        return
    was, user.role = user.role, to
    user.save(update_fields=["role"])
    sessions.end_all(user)
    record("person.role_changed", by=by, on=user, fields=["role"], detail={"was": was, "to": to})


@transaction.atomic
def reactivate(user: User, *, by: User) -> None:
    """Let somebody in again; what ended with their account doesn't come back.

    Raises:
        PermissionDenied: `by` is no super admin.
    """
    require(by, "account.administer")
    user = locked(user)
    if user.is_active:
        return
    user.is_active = True
    user.save(update_fields=["is_active"])
    record("person.reactivated", by=by, on=user)


@transaction.atomic
def deactivate(user: User, *, by: User) -> None:
    """End a person's access from the next request on, and destroy the credentials they gave.

    Raises:
        PermissionDenied: `by` is no super admin.
        LastSuperAdmin: nobody else could administer the account.
    """
    require(by, "account.administer")
    user = _about_to_leave(user, by=by)
    user.is_active = False
    user.save(update_fields=["is_active"])
    sessions.end_all(user)
    leaving.send(sender=User, person=user, by=by)
    record("person.deactivated", by=by, on=user)


@transaction.atomic
def delete(user: User, *, by: User) -> None:
    """Take a person's account away, and all they were granted. Raises: as `deactivate` does."""
    require(by, "account.administer")
    user = _about_to_leave(user, by=by)
    leaving.send(sender=User, person=user, by=by)
    User.objects.filter(pk=user.pk).delete()
    record("person.deleted", by=by, on=user)


@transaction.atomic
def reset_second_factor(user: User, *, by: User) -> None:
    """Take somebody's second factor away, end their sessions and write to them.

    Raises:
        PermissionDenied: `by` is no super admin.
        NothingToReset: they have none.
    """
    require(by, "account.administer")
    if not second_factor.forget(user):
        raise NothingToReset
    sessions.end_all(user)
    record("second_factor.reset", by=by, on=user, change=False)
    context = {"person": user, "by": by, "required": second_factor.is_required()}
    mail.send(user.email, "Your second factor was reset", "accounts/mail/reset_factor.txt", context)


def locked(user: User) -> User:
    """The person as they are now; nobody ends their account until the commit.

    Raises:
        PermissionDenied: there is no such account any more.
    """
    found = User.objects.select_for_update().filter(pk=user.pk).first()
    if found is None:
        raise PermissionDenied
    return found


def _about_to_leave(user: User, *, by: User) -> User:
    """The person, locked as all super admins are; `by` must still be one.

    So of two who end or demote each other at once, the second is refused.
    """
    lock_admins()
    require(locked(by), "account.administer")
    super_admins = User.objects.select_for_update().filter(role=Role.SUPER_ADMIN, is_active=True)
    if {admin.pk for admin in super_admins.order_by("pk")} == {user.pk}:
        raise LastSuperAdmin
    return locked(user)
