"""Asks for the named parameters of a service that takes API keys."""

from typing import Any

from django import forms

from connhub.forms import Switch

from .custom import MethodDefinition
from .fields import MONO, NOT_A_KEY, WIRE_NAME, line
from .row_forms import RowsForm

PLACES = [("header", "Header"), ("query", "Query string"), ("form", "Form body")]


class ApiKeyForm(RowsForm):
    """One or several named parameters, each with its place."""

    kind = "api_key"
    row, title = "key", "Parameter"
    decides = frozenset({"keys"})

    def row_fields(self, n: int) -> dict[str, forms.Field]:
        return {
            "name": line(
                "Parameter name",
                validators=[WIRE_NAME],
                required=n == 1,
                widget=forms.TextInput(MONO),
            ),
            "label": line("Display name", 60, required=False),
            "in": forms.ChoiceField(
                label="Param type", choices=PLACES, required=n == 1, initial="header"
            ),
            "prefix": line("Text before the value", 40, required=False, strip=False),
            "secret": forms.BooleanField(
                label="Secret", required=False, initial=True, widget=Switch
            ),
        }

    def clean(self) -> dict[str, Any]:
        super().clean()
        seen = set()
        for n in range(1, self.shown + 1):
            name, place = self.value(n, "name"), self.value(n, "in")
            key = (place, name.lower() if place == "header" else name)
            if name and key in seen:
                self.add_error(f"key_{n}_name", "This parameter is there already.")
            if name and place == "header" and NOT_A_KEY.fullmatch(name):
                self.add_error(f"key_{n}_name", "This header can't carry a key.")
            if not name and self.value(n, "label"):
                self.add_error(f"key_{n}_name", "Enter the name that the service expects.")
            seen.add(key)
        return self.cleaned_data

    def config(self) -> dict[str, Any]:
        return {"keys": [self._key(n) for n in self.filled]}

    def _key(self, n: int) -> dict[str, Any]:
        return {
            "name": self.value(n, "name"),
            "label": self.value(n, "label") or self.value(n, "name"),
            "in": self.value(n, "in") or "header",
            "prefix": self.value(n, "prefix"),
            "secret": bool(self.value(n, "secret")),
            "help": self._helps.get(self.value(n, "name"), ""),
        }

    @property
    def _helps(self) -> dict[str, str]:
        """What no field shows: the help of each key that is edited or copied."""
        stored = self.base_method.config.get("keys", []) if self.base_method else []
        return {key["name"]: key.get("help", "") for key in stored}

    @classmethod
    def initial_of(cls, method: MethodDefinition) -> dict[str, Any]:
        return super().initial_of(method) | {
            f"key_{n}_{name}": value
            for n, key in enumerate(method.config.get("keys", []), 1)
            for name, value in key.items()
        }
