"""Asks for a sign-in request: what is sent where, and where the token is in its answer."""

from typing import Any

from django import forms
from django.core.validators import RegexValidator

from connhub.forms import Switch

from .addresses import PLACEHOLDER
from .custom import MethodDefinition
from .fields import MONO, AddressField, ParametersField, in_lines, line
from .row_forms import RowsForm
from .token_forms import PlacedTokenForm, seconds

VERBS = [("POST", "POST"), ("PUT", "PUT"), ("GET", "GET")]
FORMATS = [("json", "JSON"), ("form", "Form"), ("basic", "Basic header")]
FIELD_NAME = RegexValidator(
    r"\A[a-z][a-z0-9_]*\Z", "Use lower-case letters, digits and underscores; start with a letter."
)
ANSWER_PATH = RegexValidator(
    r"\A[^\s.]+(\.[^\s.]+)*\Z", "Write the names on the way to it with dots between them."
)
LOGIN = ["login_url", "login_method", "login_format", "login_body"]
ANSWER = ["token_path", "expires_in_path", "expires_in_s"]


class TwoStepForm(RowsForm, PlacedTokenForm):
    """A sign-in request with the fields that a person fills in, then calls with its token."""

    kind = "two_step"
    about = "ConnHub signs in by a request of its own; calls carry the token from its answer."
    row, title = "field", "Sign-in field"
    decides = frozenset({"login", "fields", "apply"})

    login_url = AddressField(label="Login URL")
    login_method = forms.ChoiceField(label="Login method", choices=VERBS, initial="POST")
    login_format = forms.ChoiceField(label="Login request", choices=FORMATS, initial="json")
    login_body = ParametersField(
        label="What is sent",
        own=set(),
        help_text="name=value, one on each line; {name} stands for a sign-in field. "
        "Left blank, every field is sent under its own name.",
    )
    token_path = line(
        "Token in the answer",
        200,
        validators=[ANSWER_PATH],
        widget=forms.TextInput(MONO | {"placeholder": "data.token"}),
        help_text="The names on the way to it, such as data.token or items.0.id.",
    )
    expires_in_path = line(
        "Lifetime in the answer",
        200,
        required=False,
        validators=[ANSWER_PATH],
        widget=forms.TextInput(MONO | {"placeholder": "data.expires_in"}),
        help_text="Where the answer says how many seconds the token lives, if it does.",
    )
    expires_in_s = seconds(
        "Token lifetime in seconds", 60, required=False, help_text="If the answer doesn't say."
    )

    def method_groups(self, own: list[str]) -> list[tuple[str, str, list[str]]]:
        rows = super().method_groups([])
        groups = PlacedTokenForm.method_groups(self, LOGIN)
        return [groups[0], *rows, ("Answer", "", ANSWER), *groups[1:]]

    def row_fields(self, n: int) -> dict[str, forms.Field]:
        return {
            "name": line(
                "Field name",
                50,
                validators=[FIELD_NAME],
                required=n == 1,
                widget=forms.TextInput(MONO | {"placeholder": "password"}),
            ),
            "label": line("Display name", 60, required=False),
            "secret": forms.BooleanField(
                label="Secret", required=False, initial=True, widget=Switch
            ),
        }

    def is_secret(self, name: str) -> bool:
        is_own = any(name == self.value(n, "name") and self.value(n, "secret") for n in self.filled)
        return is_own or super().is_secret(name)

    def clean(self) -> dict[str, Any]:
        super().clean()
        for n in self.filled:
            if self.value(n, "name") in self._names[: self.filled.index(n)]:
                self.add_error(f"field_{n}_name", "This field is there already.")
        for n in range(1, self.shown + 1):
            if self.value(n, "label") and not self.value(n, "name") and n > 1:
                self.add_error(f"field_{n}_name", "Enter a name for it.")
        if not self.errors:
            self._check_login()
        return self.cleaned_data

    def _check_login(self) -> None:
        body, shape = self._body, self.cleaned_data["login_format"]
        if shape == "basic" and not {"username", "password"} <= body.keys():
            self.add_error("login_body", "A Basic header needs a username and a password.")
        if shape != "basic" and self.cleaned_data["login_method"] == "GET":
            self.add_error("login_method", "GET sends no body. Choose POST, or the Basic header.")
        used = {*PLACEHOLDER.findall(" ".join([*body.values(), self.cleaned_data["login_url"]]))}
        if unused := [name for name in self._names if name not in used]:
            self.add_error("login_body", f"{{{unused[0]}}} is asked for, but not sent.")

    @property
    def _names(self) -> list[str]:
        return [self.value(n, "name") for n in self.filled]

    @property
    def _body(self) -> dict[str, str]:
        return self.cleaned_data["login_body"] or {name: f"{{{name}}}" for name in self._names}

    def config(self) -> dict[str, Any]:
        cleaned = self.cleaned_data
        login = {
            "url": cleaned["login_url"],
            "method": cleaned["login_method"],
            "format": cleaned["login_format"],
            "body": self._body,
            "token_path": cleaned["token_path"],
        }
        for name in ("expires_in_path", "expires_in_s"):
            if cleaned[name]:
                login[name] = cleaned[name]
        fields = [self._field(n) for n in self.filled]
        return PlacedTokenForm.config(self) | {"fields": fields, "login": login}

    def _field(self, n: int) -> dict[str, Any]:
        """What the row says; what else a field that is edited or copied has stays."""
        name = self.value(n, "name")
        stored = self.base_method.config.get("fields", []) if self.base_method else []
        before: dict[str, Any] = next((field for field in stored if field["name"] == name), {})
        label = self.value(n, "label") or name.replace("_", " ").capitalize()
        return before | {"name": name, "label": label, "secret": bool(self.value(n, "secret"))}

    @classmethod
    def initial_of(cls, method: MethodDefinition) -> dict[str, Any]:
        login = method.config["login"]
        asked = {
            f"field_{n}_{name}": value
            for n, field in enumerate(method.config["fields"], 1)
            for name, value in ({"secret": True} | field).items()
        }
        return (
            PlacedTokenForm.initial_of(method)
            | asked
            | {name: login.get(name, "") for name in ANSWER}
            | {
                f"login_{name}": login[name]
                for name in ("url", "method", "format")
                if name in login
            }
            | {"login_body": in_lines(login["body"])}
        )
