"""Rows that say who administers an object: the base of those beside each model that is shared."""

from django.conf import settings
from django.contrib.auth.models import Permission
from django.db import models
from guardian.models import GroupObjectPermissionBase, UserObjectPermissionBase

PREFIX = "administer_"


class Granted(models.Model):
    """Since when, and by whom."""

    granted_at = models.DateTimeField(auto_now_add=True)
    granted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )

    class Meta:
        abstract = True


class UserGrant(Granted, UserObjectPermissionBase):
    """That a person administers one object; subclasses name the object."""

    # A super admin's own doing, undone in one click.
    to_self = models.BooleanField(default=False)

    class Meta(UserObjectPermissionBase.Meta):
        abstract = True
        default_permissions = ()
        indexes = [models.Index(fields=["user", "permission"])]


class TeamGrant(Granted, GroupObjectPermissionBase):
    """That a team administers one object; subclasses name the object."""

    class Meta(GroupObjectPermissionBase.Meta):
        abstract = True
        default_permissions = ()
        indexes = [models.Index(fields=["group", "permission"])]


def lock_admins() -> None:
    """Let nobody else change who administers what until the commit.

    Whoever takes this lock takes it before any other.
    """
    # The rows that every grant points at; a foreign key's own lock on them is not in the way.
    kinds = Permission.objects.filter(codename__startswith=PREFIX).order_by("pk")
    list(kinds.select_for_update(of=("self",), no_key=True).values_list("pk"))
