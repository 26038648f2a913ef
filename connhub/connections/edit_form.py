"""What a person changes about a connection, cleaned; saving it is the operations' business."""

from collections.abc import Iterable
from typing import Any

from django import forms

from connhub.accounts.models import Environment
from connhub.services import oauth_apps

from .access import main_settings
from .auth import is_interactive
from .auth.base import Field
from .credential_form import PARAMETER, SECRET
from .editing import OtherSecretsWouldMove, asked_of, endpoints_vary, would_move
from .forms import ConnectionForm
from .models import Connection, Settings
from .versioned_form import VersionedForm

ASK_AGAIN = "Enter it again: it would be sent to a different place."


class EditForm(ConnectionForm, VersionedForm):
    """A connection as it is; a secret left blank stays, unless it would go to another place."""

    def __init__(self, *args: Any, connection: Connection, **kwargs: Any) -> None:
        self.connection = connection
        self.stored: Settings = main_settings(connection)
        self._look_at_stored()
        app = connection.oauth_app
        self.own_app = app if app and not app.shared else None
        self.kept_tags = connection.tags
        super().__init__(*args, method=connection.auth_method, **kwargs)
        self.initial.update(
            {PARAMETER + name: value for name, value in self.stored.parameters.items()},
            version=connection.version,
            name=connection.name,
            description=connection.description,
            tags=", ".join(connection.tags),
            access_mode=connection.access_mode,
            login_user=connection.login_user,
            **self._scopes(),
        )
        self.needed = {name for name in self.personal if self.fields[name].required}
        if connection.login_user:
            for name in self.personal:
                self.fields[name].required = False

    def _own_fields(self) -> Iterable[Field]:
        return asked_of(self.connection)

    def _unserved(self) -> list[Environment | None]:
        if self.connection.oauth_app:
            return []
        return oauth_apps.unserved(self.method, [self.stored.environment])

    def _look_at_stored(self) -> None:
        """Since when there are secrets, and when they are said to end."""
        credential = (
            self.connection.credentials.filter(user=None, environment=self.stored.environment)
            .live()
            .first()
        )
        if credential:
            self.stored_at, self.ends_at = credential.connected_at, credential.ends_at

    def _scopes(self) -> dict[str, Any]:
        known = {scope["name"] for scope in self.method.scopes}
        asked = self.connection.scopes
        return {
            "scopes": [scope for scope in asked if scope in known],
            "more_scopes": " ".join(scope for scope in asked if scope not in known),
        }

    def clean(self) -> dict[str, Any]:
        super().clean()
        if not self.errors:
            self._ask_secrets_again()
        if not self.errors:
            self._ask_all_or_none()
        self._ask_to_give_up()
        return self.cleaned_data

    def _ask_secrets_again(self) -> None:
        """A stored secret never goes to a new place: there it has to be entered again."""
        if self.stored.parameters != self._values(PARAMETER):
            if not self.wants_login_user:
                self._ask_again(SECRET, ASK_AGAIN)
                self._refuse_to_move_others()
            if endpoints_vary(self.method):
                self._ask_again("client_secret", ASK_AGAIN)
        if self.own_app and self.own_app.client_id != self.cleaned_data["client_id"]:
            self._ask_again("client_secret", "Enter the secret of this client id.")

    def _refuse_to_move_others(self) -> None:
        """What the edit would refuse; a sign-in gives up the others instead, by its own rule."""
        if is_interactive(self.method):
            return
        if others := would_move(self.connection):
            self.add_error(self._first_moved(), OtherSecretsWouldMove(others).text)

    def _first_moved(self) -> str:
        before, after = self.stored.parameters, self._values(PARAMETER)
        moved = [n for n in before.keys() | after if before.get(n, "") != after.get(n, "")]
        return next(name for name in self.fields if name.removeprefix(PARAMETER) in moved)

    def _ask_again(self, prefix: str, text: str) -> None:
        spared = self._optional_secrets() if self._values(SECRET) else set()
        for name, field in self.fields.items():
            is_kept = getattr(field, "stored_at", None) and not self.cleaned_data.get(name)
            if name.startswith(prefix) and is_kept and name not in {*self.errors, *spared}:
                self.add_error(name, text)

    def _optional_secrets(self) -> set[str]:
        """Left blank beside one that is typed, they are most likely not stored either."""
        asked = self.kind.fields(self.method)
        return {SECRET + item.name for item in asked if item.secret and not item.required}

    def _ask_all_or_none(self) -> None:
        """Whoever turns login users off may connect it at once, with all that takes, or later."""
        given = {name for name in self.personal if self.cleaned_data.get(name)}
        if self.connection.login_user and not self.wants_login_user and given:
            for name in self.needed - given:
                self.add_error(name, "Enter this too, or leave all of them blank.")

    def _ask_to_give_up(self) -> None:
        """What would be destroyed is named, and has to be ticked first."""
        lost = () if self.errors else self._lost()
        if not lost:
            return
        label, about = lost
        self.fields["give_up"] = forms.BooleanField(label=label, help_text=about, required=False)
        if not self["give_up"].data:
            self.add_error("give_up", "Tick this to go on, or leave the connection as it was.")

    def _lost(self) -> tuple[str, str] | tuple[()]:
        credentials = self.connection.credentials.live()
        if not self.connection.login_user:
            if not self.wants_login_user or not credentials.own().exists():
                return ()
            return (
                "Destroy the stored credential",
                "It ends here and at the service. From then on, flows have to name a user.",
            )
        people = credentials.of_users().values("user").distinct().count()
        if not people or (self.wants_login_user and not self._moves):
            return ()
        whose = "the sign-in of 1 person" if people == 1 else f"the sign-ins of {people} people"
        if self.wants_login_user:
            return f"Destroy {whose}", "They have to authorize again for what changes."
        return f"Destroy {whose}", "Every call fails until you connect it with a credential."

    @property
    def _moves(self) -> bool:
        """Whether login users' credentials would go to another place or client."""
        details, app = self.details, self.connection.oauth_app
        is_other_client = details.client_id not in ("", app.client_id if app else "")
        is_moved = details.parameters != self.stored.parameters
        return is_moved or is_other_client or bool(details.client_secret)
