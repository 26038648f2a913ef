"""Who administers an object: people and teams, each with one and the same role, admin."""

from collections.abc import Sequence
from typing import Any

from django.contrib.auth.models import Group, Permission
from django.db import models
from django.db.models import Q
from guardian.shortcuts import get_users_with_perms
from guardian.utils import get_group_obj_perms_model, get_user_obj_perms_model

from connhub.accounts.models import User


def permission(model: type[models.Model]) -> str:
    """The one permission that makes somebody an admin of such an object."""
    return f"administer_{model._meta.model_name}"


def administered_by(user: User, model: type[models.Model]) -> Q:
    """The condition that the person administers the object, by themself or through a team."""
    thing: Any = model  # guardian's types speak of instances alone
    people, teams = get_user_obj_perms_model(thing), get_group_obj_perms_model(thing)
    as_admin = Q(permission__codename=permission(model))
    mine = people._default_manager.filter(as_admin, user=user)
    ours = teams._default_manager.filter(as_admin, group__user=user)
    return Q(pk__in=mine.values("content_object")) | Q(pk__in=ours.values("content_object"))


def administered(user: User, model: type[models.Model]) -> models.QuerySet:
    """The objects that the person administers."""
    return model._default_manager.filter(administered_by(user, model))


def is_admin(user: User, thing: models.Model) -> bool:
    """Whether the person administers the object; nobody who is deactivated does."""
    return user.is_active and administered(user, type(thing)).filter(pk=thing.pk).exists()


def admins(thing: models.Model) -> models.QuerySet[User]:
    """The active people who administer the object, directly or through a team."""
    people = get_users_with_perms(
        thing, only_with_perms_in=[permission(type(thing))], with_superusers=False
    )
    return User.objects.filter(pk__in=people, is_active=True)


def grant(thing: models.Model, to: User | Group, *, by: User | None) -> bool:
    """Make a person or team an admin of the object; False if they already were."""
    of_user = isinstance(to, User)
    grants = get_user_obj_perms_model(thing) if of_user else get_group_obj_perms_model(thing)
    _, created = grants._default_manager.get_or_create(
        permission=_permission_for(type(thing)),
        content_object=thing,
        defaults={"granted_by": by},
        **{"user" if of_user else "group": to},
    )
    return created


def grant_new(things: Sequence[models.Model], to: User, *, by: User) -> None:
    """Make a person the first admin of objects of one kind that were made just now."""
    if not things:
        return
    grants = get_user_obj_perms_model(things[0])
    found = _permission_for(type(things[0]))
    grants._default_manager.bulk_create(
        (
            grants(permission=found, content_object=thing, user=to, granted_by=by)
            for thing in things
        ),
        batch_size=1000,
    )


def _permission_for(model: type[models.Model]) -> Permission:
    return Permission.objects.get(
        content_type__app_label=model._meta.app_label, codename=permission(model)
    )
