"""Register, among what the listing does to many connections at once."""

from typing import Any

from django import forms
from django.db.models import Count

from connhub.accounts.models import User
from connhub.connections.bulk import Action
from connhub.connections.models import Connection
from connhub.errors import Refusal

from . import policies, registration
from .models import Integration


class AlreadyRegistered(Refusal):
    code = "already-registered"
    text = "It is registered there already."


class IntegrationField(forms.ModelChoiceField):
    """An integration, and how many people will see what is registered with it."""

    def label_from_instance(self, obj: Any) -> str:
        return f"{obj} ({obj.members} member{'' if obj.members == 1 else 's'})"


class IntegrationForm(forms.Form):
    """The integration to register connections with: one that they administer."""

    integration = IntegrationField(
        Integration.objects.none(), to_field_name="slug", empty_label="Choose an integration"
    )

    def __init__(self, *args: Any, by: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["integration"]
        assert isinstance(field, IntegrationField)
        mine = policies.open_for_registering(by)
        field.queryset = mine.annotate(members=Count("memberships")).order_by("name")

    @property
    def has_any(self) -> bool:
        return self.fields["integration"].queryset.exists()  # type: ignore[attr-defined]

    @property
    def says(self) -> str:
        if self.has_any:
            return (
                "Who gains: flows of the integration may use what you register, its members see the "
                "connections there, and by name the exports and imports that other integrations run "
                "over them."
            )
        return "There is no integration whose connections you may change."


def register(connection: Connection, *, integration: Integration, by: User) -> str | None:
    """Register one of them; a disabled one is registered all the same, and that is said.

    Raises: AlreadyRegistered, or as `registration.register` does.
    """
    if not registration.register(integration, [connection], by=by):
        raise AlreadyRegistered
    return "Registered. It is disabled: calls over it fail." if connection.disabled_at else None


REGISTER = Action("register", "Register", "Registered.", register, form=IntegrationForm)
