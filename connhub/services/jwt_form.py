"""Asks for the JWT that is signed with a person's key: its claims, and what becomes of it."""

from typing import Any

from django import forms

from connhub.forms import Switch

from .custom import MethodDefinition
from .fields import AddressField, ParametersField, line
from .token_forms import ScopedForm, seconds

USES = [("exchanged", "Exchanged for a token (RFC 7523)"), ("itself", "It is the token itself")]
ALGORITHMS = [(name, name) for name in ("RS256", "PS256", "ES256", "HS256")]
ENCODINGS = [("text", "Text, or PEM"), ("hex", "Hexadecimal")]
FORMATS = [("form", "Form"), ("json", "JSON")]
OWN_CLAIMS = {"iat", "exp", "jti"}
CLAIMS = ["issuer_label", "subject_label", "subject_required", "audience", "claims", "lifetime_s"]
KEY = ["algorithm", "key_label", "key_encoding", "key_id", "help"]
REQUEST = ["token_format", "token_params", "expires_in_s"]
SCOPES = ["scopes", "scope_delimiter"]


class JwtForm(ScopedForm):
    """A signed JWT, exchanged for a token or sent with each call."""

    kind = "jwt_bearer"
    about = "ConnHub signs a JWT with a key that is entered once."
    decides = frozenset({"apply", "exchange"})

    use = forms.ChoiceField(label="Use of the JWT", choices=USES, initial="exchanged")
    token_url = AddressField(
        label="Token URL", required=False, help_text="Where the JWT is exchanged."
    )
    algorithm = forms.ChoiceField(label="Signature", choices=ALGORITHMS, initial="RS256")
    key_label = line("Name of the key", 60, initial="Private key")
    key_encoding = forms.ChoiceField(
        label="The key is given as",
        choices=ENCODINGS,
        initial="text",
        help_text="Hexadecimal is for HS256 alone.",
    )
    key_id = forms.BooleanField(
        label="Ask for a key id",
        required=False,
        widget=Switch,
        help_text="It goes into the JWT's header as kid.",
    )
    help = line("Where people find the key", 300, required=False)
    issuer_label = line(
        "Name of the issuer",
        60,
        required=False,
        help_text="What people enter as iss, such as Client id. Left blank, it isn't asked for.",
    )
    subject_label = line(
        "Name of the subject",
        60,
        required=False,
        help_text="What people enter as sub, such as User. Left blank, it isn't asked for.",
    )
    subject_required = forms.BooleanField(
        label="The subject is required", required=False, initial=True, widget=Switch
    )
    audience = line("Audience", 300, required=False, help_text="aud; the token URL if left blank.")
    claims = ParametersField(
        label="Other claims",
        own=OWN_CLAIMS,
        help_text="name=value, one on each line. Write {name} for what differs per connection.",
    )
    lifetime_s = seconds(
        "Lifetime of the JWT in seconds",
        10,
        86400,
        initial=300,
        help_text="Many services take an hour (3600) at most.",
    )
    token_format = forms.ChoiceField(label="Token request", choices=FORMATS, initial="form")

    def method_groups(self, own: list[str]) -> list[tuple[str, str, list[str]]]:
        first, *others = super().method_groups(["use", "token_url"])
        return [
            first,
            ("Key", "", KEY),
            ("Claims", "", CLAIMS),
            ("Scopes", "", SCOPES),
            ("Token request", "Only where the JWT is exchanged.", REQUEST),
            *others,
        ]

    def clean(self) -> dict[str, Any]:
        super().clean()
        cleaned = self.cleaned_data
        if (
            cleaned.get("use") == "exchanged"
            and "token_url" in cleaned
            and not cleaned["token_url"]
        ):
            self.add_error("token_url", "Enter where the JWT is exchanged.")
        if cleaned.get("key_encoding") == "hex" and cleaned.get("algorithm") != "HS256":
            self.add_error("key_encoding", "Hexadecimal is for HS256 alone.")
        self.refuse_secrets("audience", [cleaned.get("audience") or ""])
        self.refuse_secrets("claims", (cleaned.get("claims") or {}).values())
        return cleaned

    def config(self) -> dict[str, Any]:
        names = (
            *("algorithm", "key_label", "lifetime_s", "token_url", "audience", "claims", "help"),
            *("issuer_label", "subject_label", "key_id"),
        )
        config = super().config() | self.given(*names)
        if self.cleaned_data["use"] == "itself":
            config["exchange"] = False
        elif self.cleaned_data["token_format"] == "json":
            config["token_format"] = "json"
        if self.cleaned_data["subject_label"] and not self.cleaned_data["subject_required"]:
            config["subject_required"] = False
        if self.cleaned_data["key_encoding"] == "hex":
            config["key_encoding"] = "hex"
        return config

    @classmethod
    def initial_of(cls, method: MethodDefinition) -> dict[str, Any]:
        use = "exchanged" if method.config.get("exchange", True) else "itself"
        return super().initial_of(method) | {"use": use}
