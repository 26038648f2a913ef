"""Who administers an object: people and teams, each with one and the same role, admin."""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from django.contrib.auth.models import Group, Permission
from django.db import models
from django.db.models import Exists, OuterRef, Q
from guardian.utils import get_group_obj_perms_model, get_user_obj_perms_model

from connhub.accounts.grants import PREFIX
from connhub.accounts.models import User
from connhub.row_by_row import there_is


def permission(model: type[models.Model]) -> str:
    """The one permission that makes somebody an admin of such an object."""
    return f"{PREFIX}{model._meta.model_name}"


def user_grants(model: type[models.Model]) -> models.QuerySet:
    """That people administer objects of the kind, each by themself: all that such rows can say."""
    thing: Any = model  # guardian's types speak of instances alone
    return get_user_obj_perms_model(thing)._default_manager.all()


def team_grants(model: type[models.Model]) -> models.QuerySet:
    """That teams administer objects of the kind."""
    thing: Any = model
    return get_group_obj_perms_model(thing)._default_manager.all()


def administered_by(user: User, model: type[models.Model]) -> Q:
    """The condition that the person administers the object, by themself or through a team."""
    mine = user_grants(model).filter(user=user).values("content_object")
    ours = team_grants(model).filter(group__user=user).values("content_object")
    # One list of both: PostgreSQL would read the whole table for the one or the other.
    return Q(pk__in=mine.union(ours, all=True))


def administers(user: User | OuterRef, model: type[models.Model], of: str = "pk") -> Q:
    """`administered_by`, asked row by row of the object that `of` leads to.

    Fast where few rows are looked at, however many the person administers.
    """
    mine = user_grants(model).filter(user=user, content_object=OuterRef(of))
    ours = team_grants(model).filter(group__user=user, content_object=OuterRef(of))
    return Q(there_is(mine)) | Q(there_is(ours))


def administering(things: models.QuerySet) -> Q:
    """The condition that a person administers one of the objects: `administered_by`, of people."""
    people = user_grants(things.model).filter(content_object__in=things.values("pk"))
    teams = team_grants(things.model).filter(content_object__in=things.values("pk"))
    members = User.groups.through.objects.filter(group__in=teams.values("group"))
    return Q(pk__in=people.values("user")) | Q(pk__in=members.values("user"))


def administered(user: User, model: type[models.Model]) -> models.QuerySet:
    """The objects that the person administers."""
    return model._default_manager.filter(administered_by(user, model))


def is_admin(user: User, thing: models.Model) -> bool:
    """Whether the person administers the object; nobody who is deactivated does."""
    if not user.is_active:
        return False
    # By the grants of this object alone: those of the person may be thousands.
    mine = user_grants(type(thing)).filter(user=user, content_object=thing)
    ours = team_grants(type(thing)).filter(group__user=user, content_object=thing)
    return mine.values("pk").union(ours.values("pk"), all=True).exists()


def is_shared_to_self(user: User, thing: models.Model) -> bool:
    """Whether the person, a super admin, made themself its admin and hasn't undone it yet."""
    return grants_of(thing, user).filter(to_self=True).exists()


def admins(thing: models.Model) -> models.QuerySet[User]:
    """The active people who administer the object, directly or through a team."""
    things = type(thing)._default_manager.filter(pk=thing.pk)
    return User.objects.filter(administering(things), is_active=True)


def unadministered(model: type[models.Model], *, without: User | None = None) -> Q:
    """The condition that nobody active administers the object, `without` not counted."""
    staying = User.objects.filter(is_active=True)
    if without:
        staying = staying.exclude(pk=without.pk)
    of_it = Q(content_object=OuterRef("pk"))
    people = user_grants(model).filter(of_it, user__in=staying)
    teams = team_grants(model).filter(of_it, group__user__in=staying)
    return ~Exists(people) & ~Exists(teams)


def grants_of(thing: models.Model, to: User | Group) -> models.QuerySet:
    """What makes just this person or team an admin of the object: one row or none."""
    if isinstance(to, User):
        return user_grants(type(thing)).filter(content_object=thing, user=to)
    return team_grants(type(thing)).filter(content_object=thing, group=to)


def grant(thing: models.Model, to: User | Group, *, by: User | None, to_self: bool = False) -> bool:
    """Make a person or team an admin of the object; False if they already were.

    `to_self` marks what a super admin shared to themself, until somebody else grants it.
    """
    of_user = isinstance(to, User)
    given = {"granted_by": by, "to_self": to_self} if of_user else {"granted_by": by}
    row, created = grants_of(thing, to).get_or_create(
        permission=_permission_for(type(thing)),
        content_object=thing,
        defaults=given,
        **{"user" if of_user else "group": to},
    )
    if created or to_self or not getattr(row, "to_self", False):
        return created
    row.granted_by, row.to_self = by, False
    row.save(update_fields=["granted_by", "to_self"])
    return True


def grant_new(things: Sequence[models.Model], to: User, *, by: User) -> None:
    """Make a person the first admin of objects of one kind that were made just now."""
    if not things:
        return
    grants = user_grants(type(things[0])).model
    found = _permission_for(type(things[0]))
    grants._default_manager.bulk_create(
        (
            grants(permission=found, content_object=thing, user=to, granted_by=by)
            for thing in things
        ),
        batch_size=1000,
    )


def granted(thing: models.Model, among: models.QuerySet[Any]) -> dict[int, bool]:
    """Of each of the people, or of the teams, by key: whether they have a grant of their own."""
    of_users = among.model is User
    grants = user_grants(type(thing)) if of_users else team_grants(type(thing))
    theirs = grants.filter(content_object=thing, **{_grantee(of_users): OuterRef("pk")})
    return dict(among.order_by().values_list("pk", Exists(theirs)))


def adopt(things: Sequence[models.Model], to: Iterable[User | Group], *, by: User) -> None:
    """What super admins among them shared to themselves is from now on granted by `by`."""
    people = [admin for admin in to if isinstance(admin, User)]
    if things and people:
        own = user_grants(type(things[0])).filter(content_object__in=things, user__in=people)
        own.filter(to_self=True).update(to_self=False, granted_by=by)


def grant_each(things: Sequence[models.Model], to: Iterable[User | Group], *, by: User) -> None:
    """Make people and teams admins of objects of one kind; those who are stay as they are.

    One query for people and one for teams, however many.
    """
    if not things:
        return
    model, chosen = type(things[0]), list(to)
    known = {"permission": _permission_for(model), "granted_by": by}
    for of_users, grants in ((True, user_grants(model)), (False, team_grants(model))):
        grants.model._default_manager.bulk_create(
            (
                grants.model(content_object=thing, **{_grantee(of_users): admin}, **known)
                for thing in things
                for admin in chosen
                if isinstance(admin, User) == of_users
            ),
            batch_size=1000,
            ignore_conflicts=True,
        )


def _grantee(of_users: bool) -> str:
    return "user" if of_users else "group"


@cache
def _permission_for(model: type[models.Model]) -> Permission:
    """Read once: migrating alone makes another row of it."""
    return Permission.objects.get(
        content_type__app_label=model._meta.app_label, codename=permission(model)
    )


def forget_permissions(**signal: Any) -> None:
    """Read them again, once something was migrated."""
    _permission_for.cache_clear()
