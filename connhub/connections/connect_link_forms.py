"""What an admin says to make a connect link, and what its visitor types."""

from typing import Any

from django import forms

from connhub.accounts import mail
from connhub.accounts.models import Environment
from connhub.forms import NO_CONTROLS

from .connect_links.making import places
from .lifecycle_forms import ReconnectForm
from .models import Connection

ALL = "all"


class ConnectLinkForm(forms.Form):
    """For which environment, if there is a choice, and a word to whoever gets it."""

    environment = forms.ChoiceField()
    email = forms.EmailField(
        label="E-mail",
        required=False,
        help_text="ConnHub sends the link there. You can copy it as well.",
    )
    note = forms.CharField(
        max_length=300,
        required=False,
        validators=[NO_CONTROLS],
        help_text="Shown to whoever opens the link.",
    )

    def __init__(
        self, *args: Any, connection: Connection, by: Any, named: Environment | None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        if not mail.is_set_up():
            del self.fields["email"]
        found = places(connection, by)
        if named is not None and named not in found:
            found.append(named)
        self.found = {place.slug if place else ALL: place for place in found}
        choices = [(key, str(place or "All environments")) for key, place in self.found.items()]
        if len(choices) < 2:
            del self.fields["environment"]
            return
        self.fields["environment"] = forms.ChoiceField(choices=choices)
        self.order_fields(["environment"])
        self.initial["environment"] = named.slug if named else choices[0][0]

    @property
    def details(self) -> dict[str, Any]:
        """What `making.make` takes."""
        cleaned = dict(self.cleaned_data)
        only = next(iter(self.found.values()), None)
        chosen = cleaned.pop("environment", None)
        return cleaned | {"environment": self.found[chosen] if chosen else only}


class VisitorName(forms.Form):
    """Who the visitor says that they are."""

    used_by = forms.CharField(
        label="Your name",
        max_length=80,
        required=False,
        validators=[NO_CONTROLS],
        widget=forms.TextInput({"autocomplete": "name"}),
    )


class VisitorForm(VisitorName, ReconnectForm):
    """The secrets that the auth method asks for, typed by somebody without an account."""

    field_order: list[str] = []

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields.pop("ends_on", None)  # for admins to say
        self.order_fields([*(name for name in self.fields if name != "used_by"), "used_by"])
