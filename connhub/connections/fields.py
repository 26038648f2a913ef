"""The form's fields for what services and auth methods ask for."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django import forms
from django.core.validators import RegexValidator

from connhub.forms import NO_CONTROLS, EndDateField, SecretField
from connhub.services.models import AuthMethod

from .auth import METHODS
from .auth.base import Field, declared


def parameters_of(method: AuthMethod) -> list[Field]:
    """What the service asks of every connection, such as a subdomain, and what this method adds."""
    asked = {spec["name"]: spec for spec in method.service.parameters}
    asked |= {spec["name"]: spec for spec in method.config.get("parameters", ())}
    return list(declared(asked.values()))


def end_date_field(
    asked: Iterable[Field], stored: datetime | None = None
) -> dict[str, EndDateField]:
    """The field `ends_on`, where any of what is asked for is a secret."""
    has_secret = any(spec.secret for spec in asked)
    return {"ends_on": EndDateField(stored=stored)} if has_secret else {}


def form_field(spec: Field, stored_at: datetime | None = None) -> forms.Field:
    """The form's field for one thing that a service or auth method asks for.

    `stored_at` says since when there is a secret already, which may be left as it is.
    """
    common: dict[str, Any] = {
        "label": spec.label,
        "help_text": spec.help,
        "required": spec.required,
    }
    if spec.secret:
        return SecretField(
            multiline=spec.kind == "multiline", stored_at=stored_at, max_length=20000, **common
        )
    if spec.kind == "choice":
        return forms.ChoiceField(choices=spec.choices, initial=spec.default, **common)
    if spec.kind == "number":
        return forms.IntegerField(initial=spec.default, min_value=0, max_value=10**9, **common)
    return _text_field(spec, common)


def _text_field(spec: Field, common: dict[str, Any]) -> forms.CharField:
    wide = spec.kind == "multiline"
    attrs = {"placeholder": spec.placeholder} if spec.placeholder else {}
    field = forms.CharField(
        initial=spec.default,
        max_length=20000 if wide else 300,
        widget=forms.Textarea(attrs | {"rows": "4"}) if wide else forms.TextInput(attrs),
        **common,
    )
    if not wide:
        field.validators.append(NO_CONTROLS)
    if spec.pattern:
        text = f"This doesn't look right. {spec.help}".strip()
        field.validators.append(RegexValidator(spec.pattern, text))
    return field


def shown_of(method: AuthMethod, parameters: Mapping[str, Any]) -> list[tuple[str, str, Any]]:
    """Name, label and value of everything that was typed and is no secret."""
    fields = {
        item.name: item for item in (*parameters_of(method), *METHODS[method.kind].fields(method))
    }
    return [
        (name, fields[name].label if name in fields else name.capitalize(), value)
        for name, value in parameters.items()
        if name not in fields or not fields[name].secret
    ]
