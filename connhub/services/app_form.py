"""Asks for the client id and secret that all connections of a service share."""

from typing import Any

from django import forms

from connhub.forms import NO_CONTROLS, EndDateField, SecretField

from .models import AuthMethod, OAuthApp


class AppForm(forms.Form):
    client_id = forms.CharField(label="Client id", max_length=300, validators=[NO_CONTROLS])
    client_secret = SecretField(label="Client secret", max_length=4000, required=False)

    def __init__(
        self, *args: Any, stored: OAuthApp | None, method: AuthMethod | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        if method and method.kind == "oauth1":
            self._ask_for_consumer(method)
        self.fields["ends_at"] = EndDateField(
            stored=stored.ends_at if stored else None, label="Client secret ends on"
        )
        self.stored = stored
        if stored:
            self.initial["client_id"] = stored.client_id
            if stored.client_secret:
                field = self.fields["client_secret"]
                assert isinstance(field, SecretField)
                field.stored_at = stored.changed_at or stored.created_at

    def _ask_for_consumer(self, method: AuthMethod) -> None:
        """In the words of OAuth 1.0a; with RSA-SHA1 the secret is a private key."""
        self.fields["client_id"].label = "Consumer key"
        has_key = method.config.get("signature_method") == "RSA-SHA1"
        self.fields["client_secret"] = SecretField(
            label="Private key" if has_key else "Consumer secret",
            multiline=has_key,
            max_length=8000,
            required=False,
        )

    def clean(self) -> dict[str, Any]:
        super().clean()
        client_id = self.cleaned_data.get("client_id")
        given = self.cleaned_data.get("client_secret", "refused")
        kept = self.stored if self.stored and self.stored.client_secret and not given else None
        if kept and client_id and client_id != kept.client_id:
            self.add_error("client_secret", "Enter the secret of this client id.")
        return self.cleaned_data
