"""Asks for what OAuth 2.0 needs: URLs, switches, scopes and extra parameters."""

import re
from typing import Any

from django import forms

from connhub.forms import Switch

from .custom import MethodDefinition
from .forms import MONO, AddressField, ServiceForm

TOKEN_AUTH = [
    ("client_secret_basic", "Basic header (client_secret_basic)"),
    ("client_secret_post", "Form body (client_secret_post)"),
    ("none", "None: a public client with PKCE"),
]
DELIMITERS = [("space", "Space"), (",", "Comma"), (";", "Semicolon"), ("+", "Plus")]
FORMATS = [("form", "Form"), ("json", "JSON")]
SCOPE = re.compile(r"[\x21-\x7e]{1,200}")
PARAMETER = re.compile(r"[A-Za-z0-9_.-]{1,60}")
MOST_SCOPES, MOST_PARAMETERS = 200, 20
OWN_AUTHORIZE = {
    *("client_id", "redirect_uri", "response_type", "scope", "state"),
    *("code_challenge", "code_challenge_method"),
}
OWN_TOKEN = {
    *("client_id", "client_secret", "code", "code_verifier", "redirect_uri", "refresh_token"),
    *("scope", "assertion", "client_assertion", "client_assertion_type", "grant_type"),
}


class ScopesField(forms.CharField):
    """A scope on each line and, after a space, what it allows; a * before it turns it on at first."""

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.Textarea(MONO | {"rows": 4, "placeholder": "*read Read records"})
        super().__init__(max_length=20000, required=False, widget=widget, **kwargs)

    def clean(self, value: Any) -> list[dict[str, Any]]:
        scopes = [_scope(text) for text in _lines(super().clean(value), MOST_SCOPES)]
        names = [scope["name"] for scope in scopes]
        if len(set(names)) < len(names):
            raise forms.ValidationError("A scope is there twice.")
        return scopes


def _scope(text: str) -> dict[str, Any]:
    name, _, label = text.partition(" ")
    is_default = name.startswith("*") and len(name) > 1
    name = name[is_default:]
    if not SCOPE.fullmatch(name) or len(label) > 200:
        raise forms.ValidationError(
            "Write one scope on each line, then a space and what it allows."
        )
    return {"name": name, "label": label.strip(), "default": is_default}


class ParametersField(forms.CharField):
    """`name=value` on each line; names that ConnHub sets itself are refused."""

    def __init__(self, *, own: set[str], **kwargs: Any) -> None:
        self.own = own
        widget = forms.Textarea(MONO | {"rows": 2, "placeholder": "name=value"})
        super().__init__(max_length=4000, required=False, widget=widget, **kwargs)

    def clean(self, value: Any) -> dict[str, str]:
        found = {}
        for text in _lines(super().clean(value), MOST_PARAMETERS):
            name, sign, given = text.partition("=")
            if not sign or not PARAMETER.fullmatch(name.strip()):
                raise forms.ValidationError("Write name=value, one on each line.")
            if name.strip() in self.own:
                raise forms.ValidationError(f"{name.strip()} is set by ConnHub.")
            found[name.strip()] = given.strip()
        return found


def _lines(text: str, most: int) -> list[str]:
    lines = [each.strip() for each in text.splitlines() if each.strip()]
    if len(lines) > most:
        raise forms.ValidationError(f"At most {most} lines can be used here.")
    if any(not each.isprintable() for each in lines):
        raise forms.ValidationError("Use ordinary characters.")
    return lines


class TokenForm(ServiceForm):
    """What both grant types ask."""

    token_url = AddressField(label="Token URL")
    revoke_url = AddressField(label="Revoke URL", required=False)
    token_auth = forms.ChoiceField(label="Client authentication", choices=TOKEN_AUTH)
    token_format = forms.ChoiceField(label="Token request", choices=FORMATS)
    scopes = ScopesField(
        label="Scopes",
        help_text="One on each line, then a space and what it allows. "
        "A * in front turns it on for new connections.",
    )
    scope_delimiter = forms.ChoiceField(label="Scope delimiter", choices=DELIMITERS)
    token_params = ParametersField(
        label="Extra token parameters", own=OWN_TOKEN, help_text="name=value, one on each line."
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

    def config(self) -> dict[str, Any]:
        cleaned = self.cleaned_data
        names = ("token_url", "revoke_url", "token_auth", "token_format", "token_params")
        given = {name: cleaned[name] for name in names if cleaned[name]}
        return given | {"scope_delimiter": self._delimiter}

    @property
    def method(self) -> MethodDefinition:
        method = super().method
        method.scopes = self.cleaned_data["scopes"]
        return method

    @classmethod
    def initial_of(cls, method: MethodDefinition) -> dict[str, Any]:
        config = dict(method.config)
        for name in ("authorize_params", "token_params"):
            pairs = config.get(name, {}).items()
            config[name] = "\n".join(f"{key}={value}" for key, value in pairs)
        if config.get("scope_delimiter", " ") == " ":
            config["scope_delimiter"] = "space"
        scopes = [
            f"{'*' if scope.get('default') else ''}{scope['name']} {scope.get('label', '')}".strip()
            for scope in method.scopes
        ]
        return config | {"scopes": "\n".join(scopes)}


class ClientCredentialsForm(TokenForm):
    kind = "oauth2_client_credentials"
    about = "ConnHub gets tokens for itself; nobody signs in."

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offered = self.fields["token_auth"]
        assert isinstance(offered, forms.ChoiceField)
        offered.choices = TOKEN_AUTH[:2]


class AuthorizationCodeForm(TokenForm):
    kind = "oauth2_code"
    about = "People sign in at the service and allow ConnHub in."
    authorize_url = AddressField(label="Authorize URL")
    refresh_url = AddressField(
        label="Refresh URL", required=False, help_text="Only where it isn't the token URL."
    )
    pkce = forms.BooleanField(
        label="PKCE",
        required=False,
        initial=True,
        widget=Switch,
        help_text="Leave it on unless the service refuses it.",
    )
    authorize_params = ParametersField(
        label="Extra authorize parameters",
        own=OWN_AUTHORIZE,
        help_text="name=value, one on each line.",
    )

    def method_groups(self, own: list[str]) -> list[tuple[str, str, list[str]]]:
        first = ["authorize_url", "token_url", "refresh_url", "revoke_url", "pkce"]
        return super().method_groups([*first, *(name for name in own if name not in first)])

    def clean(self) -> dict[str, Any]:
        super().clean()
        if self.cleaned_data.get("token_auth") == "none" and not self.cleaned_data.get("pkce"):
            self.add_error("pkce", "It is needed where there is no client secret.")
        return self.cleaned_data

    def config(self) -> dict[str, Any]:
        cleaned = self.cleaned_data
        names = ("authorize_url", "refresh_url", "authorize_params")
        given = {name: cleaned[name] for name in names if cleaned[name]}
        return super().config() | given | {"pkce": cleaned["pkce"]}
