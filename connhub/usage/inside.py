"""Creating a connection inside an integration: it is registered there."""

from collections.abc import Mapping

from django import forms

from connhub.accounts.models import User
from connhub.connections.models import Connection

from . import registration
from .audience import INTEGRATION, PROJECT
from .models import Integration, Registration


class InIntegration:
    """The integration that a new connection is for."""

    def __init__(self, integration: Integration):
        self.integration = integration
        self.about = f"It will be registered with {integration}."
        self.url = integration.get_absolute_url()
        self.query: Mapping[str, str] = {"integration": integration.slug}

    def check(self, form: forms.Form) -> None:
        """Nobody else can be meant by “Available to” than those who could use it here."""
        to = form.cleaned_data.get("to")
        here = {INTEGRATION: self.integration, PROJECT: self.integration.project}
        if to in here and form.cleaned_data.get(to) not in (None, here[to]):
            form.add_error(to, f"{self.integration} couldn't use it then.")

    def lock(self, *, by: User) -> None:
        registration.lock_for(self.integration, by=by)

    def settle(self, connection: Connection, *, by: User) -> None:
        registration.register(self.integration, [connection], by=by, how=Registration.How.CREATED)
