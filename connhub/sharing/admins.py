"""Adding and removing admins of an object; whoever does it is one, and one always stays."""

from collections.abc import Iterable, Sequence

from django.contrib.auth.models import Group
from django.db import models, transaction
from django.db.models import Q

from connhub.accounts.grants import lock_admins
from connhub.accounts.models import Team, User
from connhub.audit.log import record, record_each
from connhub.errors import Refusal

from . import letters, policies, roles
from .kinds import kind_of

Admin = User | Group


class LastAdmin(Refusal):
    code = "last-admin"
    text = "Nobody active would administer it any more. Add another admin first."


class NotAnAdmin(Refusal):
    code = "not-an-admin"
    text = "This is no admin of it any more. Reload the page."


class CantBeAdded(Refusal):
    code = "cant-be-added"
    text = "One of those chosen can't be added any more. Reload the page and choose again."


class AlreadyAdmin(Refusal):
    code = "already-admin"
    text = "You administer it already."


class NotSharedToSelf(Refusal):
    code = "not-shared-to-self"
    text = "You haven't shared it to yourself, or have undone it already. Reload the page."


@transaction.atomic
def add(
    thing: models.Model, chosen: Sequence[Admin], *, by: User, tell: bool = True
) -> list[Admin]:
    """Make people and teams admins of the object; those who weren't yet.

    The people who administer it only now are told by letter, unless `tell` is off.

    Raises:
        PermissionDenied: `by` is no admin of it.
        CantBeAdded: one of them is deactivated or gone.
    """
    lock_admins()
    policies.require_share(by, thing)
    added = _new_among(chosen, thing)
    if len(added) < len(chosen):
        roles.adopt([thing], chosen, by=by)
    told = list(people_of(added).exclude(pk__in=roles.admins(thing))) if tell else []
    roles.grant_each([thing], added, by=by)
    name = kind_of(thing).name
    record_each(f"{name}.shared", ((thing, [], {"whom": str(each)}) for each in added), by=by)
    letters.shared([thing], told, by=by)
    return added


@transaction.atomic
def tell(things: Sequence[models.Model], chosen: Iterable[Admin], *, by: User) -> None:
    """Write one letter to each of the people, and of the teams' people, about all the things."""
    letters.shared(things, people_of(chosen), by=by)


def people_of(chosen: Iterable[Admin]) -> models.QuerySet[User]:
    """The active people among them, and of the teams among them."""
    people, teams = _ids(chosen)
    is_one = Q(pk__in=people) | Q(groups__in=teams)
    return User.objects.filter(is_one, is_active=True).distinct()


def require_there(chosen: Iterable[Admin]) -> list[User]:
    """The same, if none of them is deactivated or gone. Raises: CantBeAdded."""
    people, teams = _ids(chosen)
    found = list(people_of(chosen))
    if not people <= {person.pk for person in found}:
        raise CantBeAdded
    if teams and Team.objects.filter(pk__in=teams).count() < len(teams):
        raise CantBeAdded
    return found


def _new_among(chosen: Sequence[Admin], thing: models.Model) -> list[Admin]:
    """Those who have no grant of their own yet. Raises: CantBeAdded, as `require_there` does."""
    people, teams = _ids(chosen)
    active = User.objects.filter(pk__in=people, is_active=True)
    of_people = roles.granted(thing, active) if people else {}
    of_teams = roles.granted(thing, Team.objects.filter(pk__in=teams)) if teams else {}
    if of_people.keys() != people or of_teams.keys() != teams:
        raise CantBeAdded
    new = (a for a in chosen if not (of_people if isinstance(a, User) else of_teams)[a.pk])
    return list(dict.fromkeys(new))


def _ids(chosen: Iterable[Admin]) -> tuple[set[int], set[int]]:
    """Of the people, and of the teams."""
    each = [(isinstance(admin, User), admin.pk) for admin in chosen]
    return {pk for is_person, pk in each if is_person}, {pk for is_p, pk in each if not is_p}


@transaction.atomic
def remove(thing: models.Model, admin: Admin, *, by: User) -> None:
    """Take the role from a person or team, from the next request on; somebody may be `by` themself.

    Raises:
        PermissionDenied: `by` is no admin of it.
        NotAnAdmin: they have no grant of their own.
        LastAdmin: nobody active would administer it.
    """
    lock_admins()
    policies.require_share(by, thing)
    _take(thing, roles.grants_of(thing, admin), NotAnAdmin)
    record(f"{kind_of(thing).name}.unshared", by=by, on=thing, detail={"whom": str(admin)})


@transaction.atomic
def share_to_self(thing: models.Model, *, by: User) -> None:
    """Make a super admin an admin of somebody else's object, whose admins are told by letter.

    Raises:
        PermissionDenied: `by` is no super admin, or it is gone.
        AlreadyAdmin: they administer it already.
    """
    lock_admins()
    policies.require_share_to_self(by, thing)
    if roles.is_admin(by, thing):
        raise AlreadyAdmin
    others = list(roles.admins(thing))
    roles.grant(thing, by, by=by, to_self=True)
    record(f"{kind_of(thing).name}.shared_to_self", by=by, on=thing)
    letters.shared_to_self(thing, others, by=by)


@transaction.atomic
def undo_share_to_self(thing: models.Model, *, by: User) -> None:
    """Take back what `share_to_self` gave.

    Raises:
        NotSharedToSelf: there is nothing to take back.
        LastAdmin: nobody else active administers it.
    """
    lock_admins()
    _take(thing, roles.grants_of(thing, by).filter(to_self=True), NotSharedToSelf)
    record(f"{kind_of(thing).name}.self_share_undone", by=by, on=thing)


def _take(thing: models.Model, grants: models.QuerySet, otherwise: type[Refusal]) -> None:
    deleted, _ = grants.delete()
    if not deleted:
        raise otherwise
    if not roles.admins(thing).exists():
        raise LastAdmin
