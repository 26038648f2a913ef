"""What a person types to change a connection's life: a confirmation, a copy's names, new secrets."""

from typing import Any

from django import forms

from connhub.accounts.models import Environment
from connhub.services.models import AuthMethod

from .auth import METHODS
from .fields import form_field
from .forms import LINK_NAME_RULE, RenameForm, free_link_name
from .models import Connection


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


class DuplicateForm(RenameForm):
    """The name and link name of a copy."""

    link_name = forms.CharField(
        label="Connection link name",
        max_length=50,
        validators=[LINK_NAME_RULE],
        help_text="Flows refer to the connection by this name. It can't change later.",
        widget=forms.TextInput(
            {"class": "mono", "data-slug-from": "#id_name", "autocomplete": "off"}
        ),
    )

    def clean_link_name(self) -> str:
        return free_link_name(self.cleaned_data["link_name"])


class ReconnectForm(forms.Form):
    """New secrets alone: the service and everything else about the connection stay."""

    def __init__(self, *args: Any, method: AuthMethod, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for spec in METHODS[method.kind].fields(method):
            if spec.secret:
                self.fields[spec.name] = form_field(spec)
