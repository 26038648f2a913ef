"""Asks for credentials to try a service with, which are used once."""

from typing import Any

from django import forms

from connhub.forms import SecretField
from connhub.services.models import AuthMethod

from .auth import METHODS
from .auth.base import Field
from .fields import form_field, service_parameters

PREFIX = "try_"


class TryForm(forms.Form):
    """What a connection to the service would ask: its parameters and what the auth method needs."""

    def __init__(self, *args: Any, method: AuthMethod, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        kind = METHODS[method.kind]
        asked = [*service_parameters(method.service), *kind.fields(method)]
        if kind.interactive:
            asked += _app_fields(method)
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


def _app_fields(method: AuthMethod) -> list[Field]:
    """The OAuth app, as far as the method proves itself with one."""
    fields = [Field("client_id", "Client id")]
    proof = method.config.get("token_auth")
    if proof == "private_key_jwt":
        fields.append(Field("client_secret", "Private key", kind="multiline", secret=True))
    elif proof != "none":
        fields.append(Field("client_secret", "Client secret", secret=True))
    return fields
