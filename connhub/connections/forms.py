"""What a person types about a connection, cleaned; saving it is the operations' business."""

from collections.abc import Callable, Iterable, Sequence
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
from connhub.forms import NO_CONTROLS, Described, Switch
from connhub.services import oauth_apps
from connhub.services.addresses import PLACEHOLDER, Unfilled, fill, fill_config
from connhub.services.models import AuthMethod, OAuthApp, Service

from .auth import METHODS, is_interactive
from .auth.base import Field
from .fields import form_field, parameters_of
from .lifecycle import BadLinkName, Details
from .models import LINK_NAME, AccessMode, Connection, Status, is_link_name
from .tagging import LONGEST, MOST, BadTags, parsed

PARAMETER, SECRET = "p_", "s_"
LINK_NAME_RULE = RegexValidator(
    LINK_NAME, "Use lower-case letters, digits and underscores, and start with a letter."
)
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
FILTERS = ("q", "show", "service", "status", "environment", "tag", "owner", "integration")
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
    tag = forms.CharField(required=False, max_length=40)
    owner = forms.IntegerField(required=False, min_value=1, max_value=2**31)
    integration = forms.SlugField(required=False, max_length=50)
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
    tags = forms.CharField(
        max_length=1000,
        required=False,
        validators=[NO_CONTROLS],
        help_text=f"Separated by commas: at most {MOST}, of {LONGEST} characters each.",
    )
    access_mode = forms.ChoiceField(
        choices=MODES,
        initial=AccessMode.PROXY,
        widget=forms.RadioSelect,
        help_text="Proxy only: flows never get the secret. Databases need proxy and credentials.",
    )
    login_user = forms.BooleanField(
        label="Use Credentials of Login User",
        required=False,
        widget=Switch,
        help_text="Each person signs in with their own account, and a flow acts for the one it"
        " names. The connection has no credential of its own.",
    )
    field_order = [
        "name",
        "link_name",
        "description",
        "tags",
        "access_mode",
        "environment",
        "login_user",
    ]

    stored_at: datetime | None = None  # since when there are secrets
    own_app: OAuthApp | None = None
    kept_tags: Sequence[str] = ()  # as they are, where they stay as they are
    unserved: Sequence[Environment | None] = ()

    def __init__(self, *args: Any, method: AuthMethod, **kwargs: Any) -> None:
        self.method, self.service, self.kind = method, method.service, METHODS[method.kind]
        super().__init__(*args, **kwargs)
        if not self.kind.is_http:
            self.fields.pop("access_mode", None)
        if not self.kind.offers_login_user(method):
            self.fields.pop("login_user", None)
        self._add_parameters()
        if is_interactive(method):
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
        asked: list[Field] = [*parameters_of(self.method), *self._own_fields()]
        for spec in asked:
            self.fields[prefix_of(spec) + spec.name] = form_field(spec, self.stored_at)
        # What each login user fills in for themself; the page hides it while the switch is on.
        names = {spec.name for spec in self.kind.personal_fields(self.method)}
        self.personal = {prefix_of(spec) + spec.name for spec in asked if spec.name in names}
        for name in self.personal:
            self.fields[name].widget.attrs["data-personal"] = ""
            if self.wants_login_user:
                self.fields[name].required = False

    @property
    def wants_login_user(self) -> bool:
        return "login_user" in self.fields and bool(self["login_user"].data)

    def _own_fields(self) -> Iterable[Field]:
        return self.kind.fields(self.method)

    def _add_app(self) -> None:
        app = self.own_app
        self.unserved = [] if app else self._unserved()
        if app is None and not self.unserved:
            return
        stored_at = app.created_at if app and app.client_secret else None
        for spec in self.kind.app_fields(self.method):
            self.fields[spec.name] = form_field(spec, stored_at)
        if app:
            self.fields["client_id"].initial = app.client_id

    def _unserved(self) -> list[Environment | None]:
        """The environments (None: all at once) for which the connection brings its own app."""
        raise NotImplementedError

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

    def clean_tags(self) -> list[str]:
        if self.fields["tags"].has_changed(self["tags"].initial, self.cleaned_data["tags"]):
            try:
                return parsed(self.cleaned_data["tags"])
            except BadTags as refusal:
                raise forms.ValidationError(refusal.text) from None
        return list(self.kept_tags)

    def clean(self) -> dict[str, Any]:
        super().clean()
        self._check_addresses()
        if not self.errors and "test" not in self.data:  # a test tells it, and more
            self._check_values()
        return self.cleaned_data

    def _check_values(self) -> None:
        """What was typed must be of use to the method; secrets that are kept are not looked at."""
        fault = self.kind.fault(self._values(PARAMETER) | self._values(SECRET), self.method)
        if not fault:
            return
        name, text = fault
        if PARAMETER + name in self.fields:
            self.add_error(PARAMETER + name, text)
        elif not self.stored_at:
            self.add_error(SECRET + name, text)

    def _check_addresses(self) -> None:
        """What was typed must make addresses that ConnHub can call."""
        parameters = self._values(PARAMETER)
        if "p_host" in self.fields and parameters.get("host"):
            self._refuse_bad("p_host", lambda: guard.parse_host(parameters["host"]))
        asked = parameters_of(self.method)
        if asked and not self.errors:
            self._refuse_bad(PARAMETER + asked[0].name, lambda: self._fill_addresses(parameters))

    def _fill_addresses(self, parameters: dict[str, str]) -> None:
        fill_config(self.method.config, parameters)
        base_url = self.method.config.get("base_url") or self.service.base_url
        if PLACEHOLDER.search(base_url):
            guard.parse_url(fill(base_url, parameters), ports=guard.ANY_PORT)

    def _refuse_bad(self, name: str, check: Callable[[], object]) -> None:
        try:
            check()
        except (guard.BadAddress, Unfilled) as error:
            self.add_error(name, str(error))

    def _values(self, prefix: str) -> dict[str, str]:
        unasked = self.personal if self.wants_login_user else set()
        return {
            name.removeprefix(prefix): str(value)
            for name, value in self.cleaned_data.items()
            if name.startswith(prefix) and value not in (None, "") and name not in unasked
        }

    @property
    def details(self) -> Details:
        cleaned = self.cleaned_data
        default_mode = AccessMode.PROXY if self.kind.is_http else AccessMode.CREDENTIALS
        scopes = [*cleaned.get("scopes", []), *cleaned.get("more_scopes", "").split()]
        return Details(
            name=cleaned["name"],
            description=cleaned["description"],
            tags=cleaned["tags"],
            access_mode=cleaned.get("access_mode") or default_mode,
            login_user=cleaned.get("login_user", False),
            scopes=list(dict.fromkeys(scopes)),
            parameters=self._values(PARAMETER),
            secrets=self._values(SECRET),
            client_id=cleaned.get("client_id", ""),
            client_secret=cleaned.get("client_secret", ""),
        )


def prefix_of(spec: Field) -> str:
    return SECRET if spec.secret else PARAMETER


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
        may_use_all = may_use_all_environments(by)
        self.stages: list[Environment | None] = [environments.lowest()]
        if may_use_all:
            self.stages = [None, *Environment.objects.all()]
        super().__init__(*args, method=method, **kwargs)
        offered = self.fields["environment"]
        assert isinstance(offered, forms.ChoiceField)
        offered.choices = [
            (stage.slug, stage.name) if stage else ("", "Same for all") for stage in self.stages
        ]
        if not may_use_all:
            offered.initial = offered.choices[0][0]
            offered.help_text = "Credentials for other environments take the role admin."

    def _add_app(self) -> None:
        super()._add_app()
        if 0 < len(self.unserved) < len(self.stages):
            for name in ("client_id", "client_secret"):
                self.fields[name].required = self.fields[name].widget.is_required = False
            names = ", ".join(str(stage or "all environments at once") for stage in self.unserved)
            self.fields["client_id"].help_text = f"No shared OAuth app serves {names}."

    def _unserved(self) -> list[Environment | None]:
        return oauth_apps.unserved(self.method, self.stages)

    def clean(self) -> dict[str, Any]:
        super().clean()
        if "client_id" in self.fields and "environment" in self.cleaned_data:
            self._check_app()
        return self.cleaned_data

    def _check_app(self) -> None:
        """Where some environments have a shared app, the others still need one."""
        cleaned = self.cleaned_data
        is_needed = self.chosen_environment in self.unserved or cleaned.get("client_secret")
        if is_needed and not cleaned.get("client_id") and "client_id" not in self.errors:
            self.add_error("client_id", "Enter it: no shared OAuth app serves this environment.")
        needs_secret = self.method.config.get("token_auth") != "none"
        if (
            cleaned.get("client_id")
            and needs_secret
            and not cleaned.get("client_secret")
            and "client_secret" not in self.errors
        ):
            self.add_error("client_secret", "Enter the secret of this client id.")

    def clean_link_name(self) -> str:
        return free_link_name(self.cleaned_data["link_name"])

    @property
    def chosen_environment(self) -> Environment | None:
        return Environment.objects.filter(slug=self.cleaned_data.get("environment") or "").first()
