"""Asks for what a signature of Amazon's is made for: the service and the region."""

from typing import Any

from django import forms
from django.core.validators import RegexValidator

from .fields import MONO, line
from .forms import ServiceForm

NAME = RegexValidator(
    r"\A([a-z0-9-]+|\{[a-z][a-z0-9_]*\})\Z",
    "Use lower-case letters, digits and hyphens, or a {name} for what differs per connection.",
)


class SigV4Form(ServiceForm):
    kind = "aws_sigv4"
    about = "Every call is signed with an access key; the secret itself is never sent."
    service = line(
        "Signing name",
        validators=[NAME],
        widget=forms.TextInput(MONO | {"placeholder": "execute-api"}),
        help_text="The service's name in signatures, such as s3 or execute-api.",
    )
    region = line(
        "Region",
        validators=[NAME],
        widget=forms.TextInput(MONO | {"placeholder": "us-east-1"}),
        help_text="Such as eu-central-1, or {region} to ask for it per connection.",
    )
    help = line("Where people find the access key", 300, required=False)

    def config(self) -> dict[str, Any]:
        names = ("service", "region")
        return super().config() | {name: self.cleaned_data[name] for name in names}
