"""Who administers an object: people and teams, each with one and the same role, admin."""

from django.contrib.auth.models import Group, Permission
from django.db import models
from guardian.shortcuts import get_objects_for_user, get_users_with_perms
from guardian.utils import get_group_obj_perms_model, get_user_obj_perms_model

from connhub.accounts.models import User


def permission(model: type[models.Model]) -> str:
    """The one permission that makes somebody an admin of such an object."""
    return f"administer_{model._meta.model_name}"


def administered(user: User, model: type[models.Model]) -> models.QuerySet:
    """The objects that the person administers, by themself or through a team."""
    return get_objects_for_user(
        user, permission(model), klass=model, with_superuser=False, accept_global_perms=False
    )


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
        permission=Permission.objects.get(
            content_type__app_label=thing._meta.app_label, codename=permission(type(thing))
        ),
        content_object=thing,
        defaults={"granted_by": by},
        **{"user" if of_user else "group": to},
    )
    return created
