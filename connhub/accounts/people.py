"""What a person changes about themself, and what super admins change about people."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Model
from django.dispatch import Signal

from connhub.audit.log import record
from connhub.errors import Refusal

from . import mail, second_factor
from .ending import end_access
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
    """Set a new password; admin tokens and sessions end, but for the session with the key `here`."""
    user.set_password(to)
    user.save(update_fields=["password"])
    end_access(user, by=by, but=here)
    record("person.password_changed", by=by, on=user, fields=["password"])


@transaction.atomic
def prefer_letters(user: User, *, unwanted: Iterable[str], by: User) -> None:
    """Say which kinds of letters somebody doesn't want."""
    user.unwanted_letters = sorted(unwanted)
    user.save(update_fields=["unwanted_letters"])
    record("person.letters_chosen", by=by, on=user, fields=["unwanted_letters"], change=False)


@transaction.atomic
def change_role(user: User, *, to: str, by: User) -> None:
    """Give somebody another role; their sessions and admin tokens end.

    Raises:
        PermissionDenied: `by` is no super admin.
        LastSuperAdmin: nobody else could administer the account.
    """
    user = _to_change(user, by=by) if to == Role.SUPER_ADMIN else _about_to_leave(user, by=by)
    if user.role == to:
        return
    was, user.role = user.role, to
    user.save(update_fields=["role"])
    end_access(user, by=by)
    record("person.role_changed", by=by, on=user, fields=["role"], detail={"was": was, "to": to})


@transaction.atomic
def reactivate(user: User, *, by: User) -> None:
    """Let somebody in again; what ended with their account doesn't come back.

    Raises:
        PermissionDenied: `by` is no super admin.
    """
    user = _to_change(user, by=by)
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
    user = _about_to_leave(user, by=by)
    user.is_active = False
    user.save(update_fields=["is_active"])
    end_access(user, by=by)
    leaving.send(sender=User, person=user, by=by)
    record("person.deactivated", by=by, on=user)


@transaction.atomic
def delete(user: User, *, by: User) -> None:
    """Take a person's account away, and all they were granted. Raises: as `deactivate` does."""
    user = _about_to_leave(user, by=by)
    leaving.send(sender=User, person=user, by=by)
    # Under the record's lock: what somebody else was adding of theirs is there by now, and goes.
    record("person.deleted", by=by, on=user)
    User.objects.filter(pk=user.pk).delete()


@transaction.atomic
def reset_second_factor(user: User, *, by: User) -> None:
    """Take somebody's second factor away, end their sessions and admin tokens, and write to them.

    Raises:
        PermissionDenied: `by` is no super admin.
        NothingToReset: they have none.
    """
    by = require_now(by, "account.administer")
    if not second_factor.forget(user):
        raise NothingToReset
    end_access(user, by=by)
    record("second_factor.reset", by=by, on=user, change=False)
    context = {"person": user, "by": by, "required": second_factor.is_required()}
    mail.send(user.email, "Your second factor was reset", "accounts/mail/reset_factor.txt", context)


def locked(user: User) -> User:
    """The person as they are now; nobody ends their account or changes their role until the commit.

    Before any other lock but `lock_admins`, which whoever locks several people takes first.

    Raises:
        PermissionDenied: there is no such account any more.
    """
    found = User.objects.select_for_update(no_key=True).filter(pk=user.pk).first()
    if found is None:
        raise PermissionDenied
    return found


def require_now(by: User, action: str, thing: Model | None = None) -> User:
    """The person, `locked`, if they may do it to the thing as they are now. Raises: PermissionDenied.

    However long it took to get here: who was deactivated meanwhile does nothing any more.
    """
    by = locked(by)
    require(by, action, thing)
    return by


def _to_change(user: User, *, by: User) -> User:
    """The person, locked for a super admin to change."""
    lock_admins()
    rows = User.objects.select_for_update(no_key=True).filter(pk__in=[by.pk, user.pk])
    found = {person.pk: person for person in rows.order_by("pk")}
    if found.keys() != {by.pk, user.pk}:
        raise PermissionDenied
    require(found[by.pk], "account.administer")
    return found[user.pk]


def _about_to_leave(user: User, *, by: User) -> User:
    """The person, locked for a super admin to change, who isn't the last one.

    So of two who end or demote each other at once, the second is refused.
    """
    user = _to_change(user, by=by)
    # Whoever ends somebody else's stays a super admin themself.
    others = User.objects.filter(role=Role.SUPER_ADMIN, is_active=True).exclude(pk=user.pk)
    if by == user and not others.exists():
        raise LastSuperAdmin
    return user
