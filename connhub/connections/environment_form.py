"""What a connection has of its own in one environment, as a person types it."""

from collections.abc import Iterable
from typing import Any

from django import forms

from connhub.accounts.models import Environment
from connhub.forms import Switch
from connhub.services.addresses import fill
from connhub.services.fields import AddressField
from connhub.services.models import AuthMethod

from .access import at_the_service, settings_for
from .auth.base import Field
from .creating import Own
from .credential_form import PARAMETER, SECRET, CredentialForm
from .editing import asked_of
from .models import Connection
from .versioned_form import VersionedForm


class PlaceForm(CredentialForm):
    """Endpoint, parameters and secrets of one environment; the rest is the connection's."""

    field_order = ["on", "base_url"]

    def __init__(self, *args: Any, environment: Environment, **kwargs: Any) -> None:
        self.environment = environment
        super().__init__(*args, **kwargs)
        if self.kind.is_http:
            self.fields["base_url"] = AddressField(
                label="Endpoint",
                required=False,
                help_text="Where the service answers for this environment, if not at "
                f"{self.service.base_url}.",
            )
        self.order_fields(self.field_order)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if url := cleaned.get("base_url"):
            self._refuse_bad("base_url", lambda: self._require_host(url))
        return cleaned

    def _require_host(self, url: str) -> None:
        at_the_service(self.method, fill(url, self._values(PARAMETER)))

    @property
    def given(self) -> dict[str, Any]:
        """What `own_settings.give` takes."""
        return {
            "parameters": self._values(PARAMETER),
            "secrets": self._values(SECRET),
            "ends_at": self.cleaned_data.get("ends_on"),
            "base_url": self.cleaned_data.get("base_url", ""),
        }


class OwnForm(PlaceForm, VersionedForm):
    """What an environment of a connection that there is has of its own."""

    def __init__(self, *args: Any, connection: Connection, **kwargs: Any) -> None:
        self.connection = connection
        super().__init__(*args, method=connection.auth_method, **kwargs)
        stored = settings_for(connection, self.environment)
        self.initial = {"base_url": stored.base_url, "version": connection.version}
        self.initial |= {PARAMETER + name: value for name, value in stored.parameters.items()}

    def _own_fields(self) -> Iterable[Field]:
        return asked_of(self.connection)

    @property
    def given(self) -> dict[str, Any]:
        return super().given | {"seen": self.cleaned_data["version"]}


class FirstOwnForm(PlaceForm):
    """A part of the form for a new connection; counts only while its switch is on."""

    def __init__(self, typed: Any = None, *, method: AuthMethod, environment: Environment) -> None:
        prefix = f"own-{environment.slug}"
        self.title = str(environment)
        self.is_on = bool(typed and typed.get(f"{prefix}-on"))
        super().__init__(
            typed if self.is_on else None, prefix=prefix, method=method, environment=environment
        )
        self.fields["on"] = forms.BooleanField(
            label=f"{environment} has its own", required=False, widget=Switch
        )
        self.order_fields(self.field_order)

    @property
    def given_own(self) -> Own:
        return Own(self.environment, **self.given)
