"""What a person types about a connection, cleaned; saving it is the operations' business."""

from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from typing import Any

from django import forms
from django.core.validators import RegexValidator
from django.utils.functional import cached_property

from connhub.accounts import environments
from connhub.accounts.models import Environment, User
from connhub.accounts.policies import may_use_all_environments
from connhub.egress import guard
from connhub.forms import Described, SecretField
from connhub.services.addresses import PLACEHOLDER, Unfilled, fill, fill_config
from connhub.services.models import AuthMethod, OAuthApp, Service

from .access import main_settings
from .auth import METHODS
from .auth.base import Field
from .editing import endpoints_vary
from .fields import NO_CONTROLS, form_field, service_parameters
from .lifecycle import BadLinkName, Details
from .models import LINK_NAME, AccessMode, Connection, Settings, Status, is_link_name

PARAMETER, SECRET = "p_", "s_"
LINK_NAME_RULE = RegexValidator(
    LINK_NAME, "Use lower-case letters, digits and underscores, and start with a letter."
)
ASK_AGAIN = "Enter it again: it would be sent to a different place."
MODES = [
    (
        AccessMode.PROXY,
        Described("Proxy only", "Flows make calls through ConnHub and never see the secret."),
    ),
    (
        AccessMode.CREDENTIALS,
        Described("Proxy and credentials", "Flows may also fetch the secret."),
    ),
]
SHOW = [("mine", "Created by me"), ("shared", "Shared with me")]


class FilterForm(forms.Form):
    """The listing's filters, all optional; one that makes no sense is passed over."""

    q = forms.CharField(required=False, max_length=80)
    show = forms.ChoiceField(required=False, choices=SHOW)
    service = forms.ChoiceField(required=False)
    status = forms.TypedChoiceField(
        required=False, coerce=int, empty_value=None, choices=Status.choices
    )
    environment = forms.ChoiceField(required=False)
    sort = forms.ChoiceField(
        required=False, choices=[(name, name) for name in ("name", "status", "created", "modified")]
    )

    def __init__(
        self, *args: Any, services: Iterable[Service], environments: Iterable[Environment]
    ) -> None:
        super().__init__(*args)
        for name, offered in (("service", services), ("environment", environments)):
            field = self.fields[name]
            assert isinstance(field, forms.ChoiceField)
            field.choices = partial(_slugs, offered)

    @cached_property
    def wanted(self) -> dict[str, Any]:
        self.is_valid()
        return self.cleaned_data

    @property
    def sorting(self) -> str:
        return self.wanted.get("sort") or "name"


class ReadinessForm(FilterForm):
    """The readiness board's filters; with `gaps` only what is missing or doesn't work is shown."""

    gaps = forms.ChoiceField(required=False, choices=[("1", "Only gaps")])


def _slugs(offered: Iterable[Service | Environment]) -> list[tuple[str, str]]:
    return [(thing.slug, thing.name) for thing in offered]


class RenameForm(forms.Form):
    name = forms.CharField(label="Connection name", max_length=80, validators=[NO_CONTROLS])


def free_link_name(link_name: str) -> str:
    """The link name, if a new connection may have it. Raises: ValidationError."""
    if not is_link_name(link_name) or Connection.objects.filter(link_name=link_name).exists():
        raise forms.ValidationError(BadLinkName.text)
    return link_name


class ConnectionForm(forms.Form):
    """What is asked about a connection, both when it is made and when it is edited."""

    name = forms.CharField(label="Connection name", max_length=80, validators=[NO_CONTROLS])
    description = forms.CharField(max_length=300, required=False, validators=[NO_CONTROLS])
    access_mode = forms.ChoiceField(
        choices=MODES,
        initial=AccessMode.PROXY,
        widget=forms.RadioSelect,
        help_text="Proxy only: flows never get the secret. Databases need proxy and credentials.",
    )
    field_order = ["name", "link_name", "description", "access_mode", "environment"]

    stored_at: datetime | None = None  # since when there are secrets
    own_app: OAuthApp | None = None

    def __init__(self, *args: Any, method: AuthMethod, **kwargs: Any) -> None:
        self.method, self.service, self.kind = method, method.service, METHODS[method.kind]
        super().__init__(*args, **kwargs)
        if not self.kind.is_http:
            self.fields.pop("access_mode", None)
        self._add_parameters()
        if self.kind.interactive:
            self._add_app()
        if self.kind.has_scopes:
            self._add_scopes()
        own = [name for name in self.fields if name.startswith((PARAMETER, SECRET))]
        self.groups = [
            (
                f"Sign in to {self.service}",
                "Secrets are encrypted, and never shown in a browser again.",
                [*own, "client_id", "client_secret", "scopes", "more_scopes"],
            )
        ]

    def _add_parameters(self) -> None:
        asked: list[Field] = [*service_parameters(self.service), *self.kind.fields(self.method)]
        for spec in asked:
            prefix = SECRET if spec.secret else PARAMETER
            self.fields[prefix + spec.name] = form_field(spec, self.stored_at)

    def _add_app(self) -> None:
        app = self.own_app
        if app is None and self.service.oauth_apps.filter(shared=True).exists():
            return
        self.fields["client_id"] = forms.CharField(
            label="Client id",
            max_length=300,
            initial=app.client_id if app else "",
            validators=[NO_CONTROLS],
        )
        has_key = self.method.config.get("token_auth") == "private_key_jwt"
        self.fields["client_secret"] = SecretField(
            label="Private key" if has_key else "Client secret",
            multiline=has_key,
            max_length=8000 if has_key else 4000,
            required=self.method.config.get("token_auth") != "none",
            stored_at=app.created_at if app and app.client_secret else None,
        )

    def _add_scopes(self) -> None:
        known = self.method.scopes
        if known:
            self.fields["scopes"] = forms.MultipleChoiceField(
                choices=[(s["name"], Described(s["name"], s.get("label", ""))) for s in known],
                initial=[s["name"] for s in known if s.get("default")],
                widget=forms.CheckboxSelectMultiple,
                required=False,
                help_text="What ConnHub may do there.",
            )
        self.fields["more_scopes"] = forms.CharField(
            label="Other scopes" if known else "Scopes",
            required=False,
            max_length=2000,
            validators=[NO_CONTROLS],
            help_text="Separated by spaces, as the service's documentation spells them.",
        )

    def clean(self) -> dict[str, Any]:
        super().clean()
        self._check_addresses()
        return self.cleaned_data

    def _check_addresses(self) -> None:
        """What was typed must make addresses that ConnHub can call."""
        parameters = self._values(PARAMETER)
        if "p_host" in self.fields and parameters.get("host"):
            self._refuse_bad("p_host", lambda: guard.parse_host(parameters["host"]))
        if self.service.parameters and not self.errors:
            first = PARAMETER + self.service.parameters[0]["name"]
            self._refuse_bad(first, lambda: self._fill_addresses(parameters))

    def _fill_addresses(self, parameters: dict[str, str]) -> None:
        fill_config(self.method.config, parameters)
        if PLACEHOLDER.search(self.service.base_url):
            guard.parse_url(fill(self.service.base_url, parameters), ports=guard.ANY_PORT)

    def _refuse_bad(self, name: str, check: Callable[[], object]) -> None:
        try:
            check()
        except (guard.BadAddress, Unfilled) as error:
            self.add_error(name, str(error))

    def _values(self, prefix: str) -> dict[str, str]:
        return {
            name.removeprefix(prefix): str(value)
            for name, value in self.cleaned_data.items()
            if name.startswith(prefix) and value not in (None, "")
        }

    @property
    def details(self) -> Details:
        cleaned = self.cleaned_data
        default_mode = AccessMode.PROXY if self.kind.is_http else AccessMode.CREDENTIALS
        scopes = [*cleaned.get("scopes", []), *cleaned.get("more_scopes", "").split()]
        return Details(
            name=cleaned["name"],
            description=cleaned["description"],
            access_mode=cleaned.get("access_mode") or default_mode,
            scopes=list(dict.fromkeys(scopes)),
            parameters=self._values(PARAMETER),
            secrets=self._values(SECRET),
            client_id=cleaned.get("client_id", ""),
            client_secret=cleaned.get("client_secret", ""),
        )


class CreateForm(ConnectionForm):
    """A new connection: also its link name, and the environments that it serves."""

    link_name = forms.CharField(
        label="Connection link name",
        max_length=50,
        validators=[LINK_NAME_RULE],
        help_text="Flows refer to the connection by this name. It can't change later.",
        widget=forms.TextInput(
            {"class": "mono", "data-slug-from": "#id_name", "autocomplete": "off"}
        ),
    )
    environment = forms.ChoiceField(
        label="Environments",
        widget=forms.RadioSelect,
        required=False,
        help_text="One set of credentials serves all environments unless you choose a single one.",
    )

    def __init__(self, *args: Any, method: AuthMethod, by: User, **kwargs: Any) -> None:
        super().__init__(*args, method=method, **kwargs)
        offered = self.fields["environment"]
        assert isinstance(offered, forms.ChoiceField)
        if may_use_all_environments(by):
            every = [(stage.slug, stage.name) for stage in Environment.objects.all()]
            offered.choices = [("", "Same for all"), *every]
        else:
            lowest = environments.lowest()
            offered.choices = [(lowest.slug, lowest.name)]
            offered.initial = lowest.slug
            offered.help_text = "Credentials for other environments take the role admin."

    def clean_link_name(self) -> str:
        return free_link_name(self.cleaned_data["link_name"])

    @property
    def chosen_environment(self) -> Environment | None:
        return Environment.objects.filter(slug=self.cleaned_data.get("environment") or "").first()

    @property
    def test_values(self) -> dict[str, str]:
        return self._values(PARAMETER) | self._values(SECRET)


class EditForm(ConnectionForm):
    """A connection as it is; a secret left blank stays, unless it would go to another place."""

    def __init__(self, *args: Any, connection: Connection, **kwargs: Any) -> None:
        self.connection = connection
        self.stored: Settings = main_settings(connection)
        self.stored_at = self._since_when()
        app = connection.oauth_app
        self.own_app = app if app and not app.shared else None
        super().__init__(*args, method=connection.auth_method, **kwargs)
        self.initial.update(
            {PARAMETER + name: value for name, value in self.stored.parameters.items()},
            name=connection.name,
            description=connection.description,
            access_mode=connection.access_mode,
            **self._scopes(),
        )

    def _since_when(self) -> datetime | None:
        credential = (
            self.connection.credentials.filter(user=None, environment=self.stored.environment)
            .live()
            .first()
        )
        return credential.connected_at if credential else None

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
        return self.cleaned_data

    def _ask_secrets_again(self) -> None:
        """A stored secret never goes to a new place: there it has to be entered again."""
        if self.stored.parameters != self._values(PARAMETER):
            self._ask_again(SECRET, ASK_AGAIN)
            if endpoints_vary(self.method):
                self._ask_again("client_secret", ASK_AGAIN)
        if self.own_app and self.own_app.client_id != self.cleaned_data["client_id"]:
            self._ask_again("client_secret", "Enter the secret of this client id.")

    def _ask_again(self, prefix: str, text: str) -> None:
        for name, field in self.fields.items():
            is_kept = getattr(field, "stored_at", None) and not self.cleaned_data.get(name)
            if name.startswith(prefix) and is_kept and name not in self.errors:
                self.add_error(name, text)

    @property
    def details(self) -> Details:
        details = super().details
        details.login_user = self.connection.login_user
        return details
