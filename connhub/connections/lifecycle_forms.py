"""What a person types to change a connection's life: a confirmation, a copy's names, new secrets."""

from typing import Any

from django import forms

from connhub.accounts.models import Environment

from .access import settings_for
from .auth import METHODS
from .editing import asked_of
from .fields import end_date_field, form_field
from .forms import LinkNameField, NameForm
from .models import Connection
from .versioned_form import VersionedForm


class ConfirmForm(forms.Form):
    """Has the link name typed before something is broken that the highest environment uses."""

    link_name = forms.CharField(
        max_length=50,
        widget=forms.TextInput({"class": "mono", "autocomplete": "off", "spellcheck": "false"}),
    )

    def __init__(self, *args: Any, connection: Connection, must_type: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.wanted = connection.link_name
        if not must_type:
            del self.fields["link_name"]
            return
        highest = Environment.objects.order_by("position").last()
        self.fields["link_name"].label = f"Type {self.wanted} to go on"
        self.fields["link_name"].help_text = f"{highest} used it in the last 7 days."

    def clean_link_name(self) -> str:
        if self.cleaned_data["link_name"] != self.wanted:
            raise forms.ValidationError(f"That is not {self.wanted}.")
        return self.wanted


class DuplicateForm(NameForm):
    """The name and link name of a copy."""

    link_name = LinkNameField()


class ReconnectForm(VersionedForm):
    """New secrets alone: the service and everything else about the connection stay."""

    def __init__(
        self, *args: Any, connection: Connection, environment: Environment | None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.initial["version"] = connection.version
        self.method = connection.auth_method
        self.parameters = settings_for(connection, environment).parameters
        self.asked = [spec for spec in asked_of(connection) if spec.secret]
        self.fields |= {spec.name: form_field(spec) for spec in self.asked}
        self.fields |= end_date_field(self.asked)

    def clean(self) -> dict[str, Any]:
        """The secrets must be of use to the method, together with what stays."""
        cleaned = super().clean() or {}
        self.ends_at = cleaned.get("ends_on")
        fault = METHODS[self.method.kind].fault(self.parameters | self.secrets, self.method)
        if fault and not self.errors:
            name, text = fault
            self.add_error(name if name in self.fields else None, text)
        return cleaned

    @property
    def secrets(self) -> dict[str, str]:
        """Those that were given, by name."""
        asked = {spec.name for spec in self.asked}
        return {name: value for name, value in self.cleaned_data.items() if name in asked and value}
