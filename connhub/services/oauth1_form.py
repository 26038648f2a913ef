"""Asks for what OAuth 1.0a needs: three URLs, or none where the service shows a token."""

from typing import Any

from django import forms

from connhub.forms import Switch

from .addresses import PLACEHOLDER
from .custom import MethodDefinition
from .forms import BAD_BRACES, AddressField, ServiceForm, line
from .oauth_forms import ParametersField

SIGNATURE_METHODS = [
    ("HMAC-SHA1", "HMAC-SHA1"),
    ("HMAC-SHA256", "HMAC-SHA256"),
    ("RSA-SHA1", "RSA-SHA1: signs with a private key"),
    ("PLAINTEXT", "PLAINTEXT: sends the secrets themselves, over https"),
]
OWN_AUTHORIZE = {"oauth_token", "oauth_callback", "oauth_verifier"}
URLS = ("request_token_url", "authorize_url", "access_token_url")
MOST_SECONDS = 10 * 365 * 86400


class OAuth1Form(ServiceForm):
    kind = "oauth1"
    about = (
        "People sign in at the service, and every call is signed. Where the service shows token and "
        "token secret to its admins instead, leave the three URLs out."
    )
    request_token_url = AddressField(
        label="Request token URL", required=False, help_text="Gives the temporary credentials."
    )
    authorize_url = AddressField(label="Authorize URL", required=False)
    access_token_url = AddressField(label="Access token URL", required=False)
    signature_method = forms.ChoiceField(label="Signature method", choices=SIGNATURE_METHODS)
    realm = line(
        "Realm",
        100,
        required=False,
        help_text="Only if the service wants one. {name} stands for what differs per connection.",
    )
    body_hash = forms.BooleanField(
        label="Body hash",
        required=False,
        widget=Switch,
        help_text="Signs bodies that are no forms, too. Only if the service wants it.",
    )
    authorize_params = ParametersField(
        label="Extra authorize parameters",
        own=OWN_AUTHORIZE,
        help_text="name=value, one on each line.",
    )
    expires_in_s = forms.IntegerField(
        label="Seconds that a token lives",
        required=False,
        min_value=1,
        max_value=MOST_SECONDS,
        help_text="Only if tokens end.",
    )
    help = line("Where people find key and secret", 300, required=False)

    def clean_realm(self) -> str:
        realm = self.cleaned_data["realm"]
        if {"{", "}"} & set(PLACEHOLDER.sub("", realm)):
            raise forms.ValidationError(BAD_BRACES)
        return realm

    def clean(self) -> dict[str, Any]:
        super().clean()
        given = [name for name in URLS if self.cleaned_data.get(name)]
        for name in URLS:
            if given and name not in given and name not in self.errors:
                self.add_error(name, "Enter all three URLs, or none.")
        return self.cleaned_data

    def config(self) -> dict[str, Any]:
        names = (*URLS, "realm", "body_hash", "authorize_params", "expires_in_s")
        given = {name: self.cleaned_data[name] for name in names if self.cleaned_data[name]}
        return (
            super().config() | given | {"signature_method": self.cleaned_data["signature_method"]}
        )

    @classmethod
    def initial_of(cls, method: MethodDefinition) -> dict[str, Any]:
        pairs = method.config.get("authorize_params", {}).items()
        return dict(method.config) | {
            "authorize_params": "\n".join(f"{name}={value}" for name, value in pairs)
        }
