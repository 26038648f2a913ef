"""What a connection has of its own in one environment, as a person types it."""

from typing import Any

from connhub.accounts.models import Environment
from connhub.services.addresses import fill
from connhub.services.forms import AddressField

from .access import settings_for
from .forms import PARAMETER, SECRET, ConnectionForm
from .models import Connection


class OwnForm(ConnectionForm):
    """Endpoint, parameters and secrets of one environment; the rest is the connection's."""

    name = description = access_mode = login_user = None  # type: ignore[assignment]
    field_order = ["base_url"]

    def __init__(
        self, *args: Any, connection: Connection, environment: Environment, **kwargs: Any
    ) -> None:
        super().__init__(*args, method=connection.auth_method, **kwargs)
        stored = settings_for(connection, environment)
        if self.kind.is_http:
            self.fields["base_url"] = AddressField(
                label="Endpoint",
                required=False,
                help_text="Where the service answers for this environment, if not at "
                f"{self.service.base_url}.",
            )
        self.order_fields(self.field_order)
        self.initial = {"base_url": stored.base_url}
        self.initial |= {PARAMETER + name: value for name, value in stored.parameters.items()}
        self.groups = []

    def _add_app(self) -> None:
        """The OAuth app is the connection's, or the service's for the environment."""

    def _add_scopes(self) -> None:
        """Scopes are the connection's."""

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if url := cleaned.get("base_url"):
            self._refuse_bad("base_url", lambda: fill(url, self._values(PARAMETER)))
        return cleaned

    @property
    def given(self) -> dict[str, Any]:
        """What `own_settings.give` takes."""
        return {
            "parameters": self._values(PARAMETER),
            "secrets": self._values(SECRET),
            "base_url": self.cleaned_data.get("base_url", ""),
        }
