"""Which flows, apps and functions a person sees, and which uses of connections by them."""

from typing import Any

from django.db import models

from connhub.connections.models import Connection


class UserQuerySet(models.QuerySet):
    """Uses of connections, each through the path that leads to what has it."""

    of = ""

    def visible_to(self, user):
        """Those of the flows, apps or functions that the person sees."""
        things: Any = self.model._meta.get_field(self.of).related_model
        return self.filter(**{f"{self.of}__in": things.objects.visible_to(user)})


class StepQuerySet(UserQuerySet):
    of = "flow"


class FunctionUseQuerySet(UserQuerySet):
    of = "function"


class DataObjectQuerySet(UserQuerySet):
    of = "app"

    def visible_to(self, user):
        """Also those over connections that the person administers."""
        over = self.filter(connection__in=Connection.objects.visible_to(user))
        return super().visible_to(user) | over


class MayStandAloneQuerySet(models.QuerySet):
    def alone(self):
        """Those that belong to no integration."""
        return self.filter(integration=None)

    def visible_to(self, user):
        """Those of the integrations that the person sees, and one's own that stand alone.

        What stands alone, super admins see.
        """
        if user.is_super_admin:
            return self
        integrations: Any = self.model._meta.get_field("integration").related_model
        seen = self.filter(integration__in=integrations.objects.visible_to(user))
        return seen | self.alone().filter(owner=user)
