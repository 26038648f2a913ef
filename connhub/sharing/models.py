from django.conf import settings
from django.db import models
from guardian.models import GroupObjectPermissionBase, UserObjectPermissionBase


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
