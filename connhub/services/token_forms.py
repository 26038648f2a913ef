"""What is asked of every method whose calls carry a token: where it goes, and its scopes."""

from typing import Any

from django import forms

from .custom import MethodDefinition
from .fields import MONO, NOT_A_KEY, WIRE_NAME, ParametersField, ScopesField, line
from .forms import ServiceForm

PLACES = [("header", "Header"), ("query", "Query string")]
DELIMITERS = [("space", "Space"), (",", "Comma"), (";", "Semicolon"), ("+", "Plus")]
BEARER = {"in": "header", "name": "Authorization", "prefix": "Bearer "}
LONGEST_S = 10 * 365 * 86400
# In the order in which a form shows them.
PLACE = ["apply_in", "apply_name", "apply_prefix"]
OWN_TOKEN = {
    *("client_id", "client_secret", "code", "code_verifier", "redirect_uri", "refresh_token"),
    *("scope", "assertion", "client_assertion", "client_assertion_type", "grant_type"),
}


def seconds(label: str, least: int, most: int = LONGEST_S, **kwargs: Any) -> forms.IntegerField:
    """A field for a span, in seconds."""
    return forms.IntegerField(label=label, min_value=least, max_value=most, **kwargs)


class PlacedTokenForm(ServiceForm):
    """A method whose token goes into the Authorization header, as RFC 6750 says, or elsewhere."""

    decides = frozenset({"apply"})

    apply_in = forms.ChoiceField(label="Param type", choices=PLACES, initial="header")
    apply_name = line(
        "Parameter name",
        validators=[WIRE_NAME],
        initial=BEARER["name"],
        widget=forms.TextInput(MONO),
    )
    apply_prefix = line(
        "Text before the token", 40, required=False, strip=False, initial=BEARER["prefix"]
    )

    def method_groups(self, own: list[str]) -> list[tuple[str, str, list[str]]]:
        first = super().method_groups([name for name in own if name not in PLACE])
        return [*first, ("Token", "Where each call carries it.", PLACE)]

    def clean(self) -> dict[str, Any]:
        super().clean()
        name, place = self.cleaned_data.get("apply_name"), self.cleaned_data.get("apply_in")
        if name and place == "header" and NOT_A_KEY.fullmatch(name):
            self.add_error("apply_name", "This header can't carry a token.")
        return self.cleaned_data

    def config(self) -> dict[str, Any]:
        place = placed(self.cleaned_data)
        return {} if place == BEARER else {"apply": place}

    @classmethod
    def initial_of(cls, method: MethodDefinition) -> dict[str, Any]:
        place = BEARER | {"prefix": ""} | method.config["apply"] if "apply" in method.config else {}
        return super().initial_of(method) | {f"apply_{name}": text for name, text in place.items()}


def placed(cleaned: dict[str, Any]) -> dict[str, str]:
    """Where the token goes, in the words of an auth method's `apply`."""
    return {
        "in": cleaned.get("apply_in") or "header",
        "name": cleaned.get("apply_name") or BEARER["name"],
        "prefix": cleaned.get("apply_prefix") or "",
    }


class ScopedForm(PlacedTokenForm):
    """A method whose token is asked for with scopes."""

    scopes = ScopesField(
        label="Scopes",
        help_text="One on each line, then a space and what it allows. "
        "A * in front turns it on for new connections.",
    )
    scope_delimiter = forms.ChoiceField(
        label="Scope delimiter", choices=DELIMITERS, initial="space"
    )
    token_params = ParametersField(
        label="Extra token parameters", own=OWN_TOKEN, help_text="name=value, one on each line."
    )
    expires_in_s = seconds(
        "Token lifetime in seconds", 60, required=False, help_text="If the service doesn't say."
    )

    def clean(self) -> dict[str, Any]:
        super().clean()
        delimiter = self._delimiter
        if any(delimiter in scope["name"] for scope in self.cleaned_data.get("scopes", [])):
            self.add_error("scope_delimiter", "One of the scopes has it in its name.")
        return self.cleaned_data

    @property
    def _delimiter(self) -> str:
        chosen = self.cleaned_data.get("scope_delimiter") or "space"
        return " " if chosen == "space" else chosen

    def given(self, *names: str) -> dict[str, Any]:
        """Those of the fields that something was typed into."""
        return {name: self.cleaned_data[name] for name in names if self.cleaned_data[name]}

    def config(self) -> dict[str, Any]:
        given = self.given("token_params", "expires_in_s")
        return super().config() | given | {"scope_delimiter": self._delimiter}

    @property
    def method(self) -> MethodDefinition:
        method = super().method
        method.scopes = self.cleaned_data["scopes"]
        return method

    @classmethod
    def initial_of(cls, method: MethodDefinition) -> dict[str, Any]:
        initial = super().initial_of(method)
        if initial.get("scope_delimiter", " ") == " ":
            initial["scope_delimiter"] = "space"
        scopes = [
            f"{'*' if scope.get('default') else ''}{scope['name']} {scope.get('label', '')}".strip()
            for scope in method.scopes
        ]
        return initial | {"scopes": "\n".join(scopes)}
