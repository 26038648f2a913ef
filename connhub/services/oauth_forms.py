"""Asks for what OAuth 2.0 needs: URLs, switches, scopes and extra parameters."""

from typing import Any

from django import forms

from connhub.forms import Switch

from .fields import AddressField, ParametersField
from .token_forms import ScopedForm

TOKEN_AUTH = [
    ("client_secret_basic", "Basic header (client_secret_basic)"),
    ("client_secret_post", "Form body (client_secret_post)"),
    ("private_key_jwt", "Signed with a private key (private_key_jwt)"),
    ("none", "None (the client id alone)"),
]
ALGORITHMS = [("RS256", "RS256"), ("PS256", "PS256"), ("ES256", "ES256")]
FORMATS = [("form", "Form"), ("json", "JSON")]
OWN_AUTHORIZE = {
    *("client_id", "redirect_uri", "response_type", "scope", "state"),
    *("code_challenge", "code_challenge_method"),
}
CLIENT = ["token_auth", "algorithm", "key_id", "token_format", "token_params", "expires_in_s"]
SCOPES = ["scopes", "scope_delimiter"]


class TokenForm(ScopedForm):
    """What both grant types ask."""

    token_url = AddressField(label="Token URL")
    revoke_url = AddressField(label="Revoke URL", required=False)
    token_auth = forms.ChoiceField(
        label="Client authentication", choices=TOKEN_AUTH, initial="client_secret_basic"
    )
    algorithm = forms.ChoiceField(
        label="Signature",
        choices=ALGORITHMS,
        initial="RS256",
        required=False,
        help_text="For private_key_jwt.",
    )
    key_id = forms.BooleanField(
        label="Ask for a key id",
        required=False,
        widget=Switch,
        help_text="For private_key_jwt, where the service tells keys apart by it.",
    )
    token_format = forms.ChoiceField(label="Token request", choices=FORMATS, initial="form")

    def method_groups(self, own: list[str]) -> list[tuple[str, str, list[str]]]:
        addresses = [name for name in own if name not in (*CLIENT, *SCOPES)]
        first, *others = super().method_groups(addresses)
        return [first, ("Scopes", "", SCOPES), ("Token request", "", CLIENT), *others]

    def config(self) -> dict[str, Any]:
        given = self.given("token_url", "revoke_url", "token_auth", "token_format")
        if self.cleaned_data["token_auth"] == "private_key_jwt":
            given |= {"algorithm": self.cleaned_data["algorithm"] or "RS256"} | self.given("key_id")
        return super().config() | given


class ClientCredentialsForm(TokenForm):
    kind = "oauth2_client_credentials"
    about = "ConnHub gets tokens for itself; nobody signs in."


class AuthorizationCodeForm(TokenForm):
    kind = "oauth2_code"
    about = "People sign in at the service and allow ConnHub in."
    authorize_url = AddressField(label="Authorize URL")
    refresh_url = AddressField(
        label="Refresh URL", required=False, help_text="Only where it isn't the token URL."
    )
    issuer = AddressField(
        label="Issuer",
        required=False,
        help_text="If the service names itself in its answers (RFC 9207), exactly so.",
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

    @property
    def needs_test_path(self) -> bool:
        return False

    def method_groups(self, own: list[str]) -> list[tuple[str, str, list[str]]]:
        first = ["authorize_url", "token_url", "refresh_url", "revoke_url", "issuer", "pkce"]
        return super().method_groups([*first, *(name for name in own if name not in first)])

    def clean(self) -> dict[str, Any]:
        super().clean()
        if self.cleaned_data.get("token_auth") == "none" and not self.cleaned_data.get("pkce"):
            self.add_error("pkce", "It is needed where there is no client secret.")
        return self.cleaned_data

    def config(self) -> dict[str, Any]:
        given = self.given("authorize_url", "refresh_url", "issuer", "authorize_params")
        return super().config() | given | {"pkce": self.cleaned_data["pkce"]}
