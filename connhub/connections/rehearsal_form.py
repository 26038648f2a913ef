"""Asks for credentials to try a service with, which are used once."""

from typing import Any

from django import forms

from connhub.forms import SecretField
from connhub.services.models import AuthMethod

from .auth import METHODS
from .fields import form_field, parameters_of

PREFIX = "try_"


class TryForm(forms.Form):
    """What a connection to the service would ask: its parameters and what the auth method needs."""

    def __init__(self, *args: Any, method: AuthMethod, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        kind = METHODS[method.kind]
        asked = [*parameters_of(method), *kind.fields(method)]
        if kind.is_interactive(method):
            asked += kind.app_fields(method)
        for spec in asked:
            self.fields[PREFIX + spec.name] = form_field(spec)

    @property
    def has_secrets(self) -> bool:
        return any(isinstance(field, SecretField) for field in self.fields.values())

    @property
    def values(self) -> dict[str, str]:
        return {
            name.removeprefix(PREFIX): str(value)
            for name, value in self.cleaned_data.items()
            if value not in (None, "")
        }
