"""Asks for the named parameters of a service that takes API keys."""

import re
from typing import Any

from django import forms
from django.core.validators import RegexValidator

from connhub.forms import Switch

from .custom import MethodDefinition
from .forms import MONO, ServiceForm, line

WIRE_NAME = RegexValidator(
    r"\A[A-Za-z0-9_.\[\]-]+\Z", "Use letters, digits, hyphens, dots and underscores."
)
PLACES = [("header", "Header"), ("query", "Query string"), ("form", "Form body")]
# Set by ConnHub or the connection itself; a credential there would break every call.
NOT_A_KEY = re.compile(
    r"host|cookie|connection|content-length|transfer-encoding|te|trailer|upgrade|proxy-.*", re.I
)
MOST_KEYS = 10


class ApiKeyForm(ServiceForm):
    """One or several named parameters, each with its place; rows left blank are passed over."""

    kind = "api_key"
    rows = forms.IntegerField(
        required=False, min_value=1, max_value=MOST_KEYS, widget=forms.HiddenInput
    )

    def __init__(self, *args: Any, rows: int = 1, **kwargs: Any) -> None:
        self.shown = max(1, min(rows, MOST_KEYS))
        super().__init__(*args, **kwargs)

    def method_groups(self, own: list[str]) -> list[tuple[str, str, list[str]]]:
        self.initial["rows"] = self.shown
        return [
            (f"Parameter {n}" if self.shown > 1 else "Parameter", "", self._add_row(n))
            for n in range(1, self.shown + 1)
        ]

    def _add_row(self, n: int) -> list[str]:
        fields: dict[str, forms.Field] = {
            "name": line(
                "Parameter name",
                validators=[WIRE_NAME],
                required=n == 1,
                widget=forms.TextInput(MONO),
            ),
            "label": line("Display name", 60, required=False),
            "in": forms.ChoiceField(label="Param type", choices=PLACES, required=n == 1),
            "prefix": line("Text before the value", 40, required=False, strip=False),
            "secret": forms.BooleanField(
                label="Secret", required=False, initial=True, widget=Switch
            ),
        }
        for name, field in fields.items():
            self.fields[f"key_{n}_{name}"] = field
        return [f"key_{n}_{name}" for name in fields]

    def clean(self) -> dict[str, Any]:
        super().clean()
        seen = set()
        for n in range(1, self.shown + 1):
            name, place = self._value(n, "name"), self._value(n, "in")
            key = (place, name.lower() if place == "header" else name)
            if name and key in seen:
                self.add_error(f"key_{n}_name", "This parameter is there already.")
            if name and place == "header" and NOT_A_KEY.fullmatch(name):
                self.add_error(f"key_{n}_name", "This header can't carry a key.")
            if not name and self._value(n, "label"):
                self.add_error(f"key_{n}_name", "Enter the name that the service expects.")
            seen.add(key)
        return self.cleaned_data

    def _value(self, n: int, name: str) -> Any:
        return self.cleaned_data.get(f"key_{n}_{name}") or ""

    def config(self) -> dict[str, Any]:
        return {"keys": [self._key(n) for n in range(1, self.shown + 1) if self._value(n, "name")]}

    def _key(self, n: int) -> dict[str, Any]:
        return {
            "name": self._value(n, "name"),
            "label": self._value(n, "label") or self._value(n, "name"),
            "in": self._value(n, "in") or "header",
            "prefix": self._value(n, "prefix"),
            "secret": bool(self._value(n, "secret")),
            "help": "",
        }

    @classmethod
    def initial_of(cls, method: MethodDefinition) -> dict[str, Any]:
        return {
            f"key_{n}_{name}": value
            for n, key in enumerate(method.config.get("keys", []), 1)
            for name, value in key.items()
        }
