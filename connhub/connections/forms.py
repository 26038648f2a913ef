"""What a person types about a connection, cleaned; saving it is the operations' business."""

from collections.abc import Iterable, Sequence
from typing import Any, Self

from django import forms
from django.core.validators import RegexValidator
from django.http import QueryDict
from django.utils.functional import cached_property

from connhub.accounts.models import Environment
from connhub.forms import NO_CONTROLS, Described, EndDateField, Switch
from connhub.services.models import AuthMethod, OAuthApp

from . import unused
from .auth import is_interactive
from .credential_form import PARAMETER, SECRET, CredentialForm, prefix_of
from .fields import form_field
from .lifecycle import BadLinkName, Details
from .listing import Choices
from .models import LINK_NAME, AccessMode, Connection, ConnectionQuerySet, Status, is_link_name
from .tagging import LONGEST, MOST, BadTags, parsed
from .versioned_form import VersionedForm

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
    unused = forms.TypedChoiceField(
        required=False, coerce=int, empty_value=None, choices=unused.CHOICES
    )
    sort = forms.ChoiceField(
        required=False, choices=[(name, name) for name in ("name", "status", "created", "modified")]
    )

    def __init__(
        self, query: QueryDict, choices: Choices, environments: Iterable[Environment]
    ) -> None:
        super().__init__(query)
        self.choices = choices
        offered = {
            "service": lambda: choices.services,
            "environment": lambda: [(place.slug, place.name) for place in environments],
        }
        for name, choices_of in offered.items():
            field = self.fields[name]
            assert isinstance(field, forms.ChoiceField)
            field.choices = choices_of

    @classmethod
    def over(
        cls, query: QueryDict, connections: ConnectionQuerySet, environments: Any = None
    ) -> Self:
        """As a URL's query has it, with the services of these connections to choose from."""
        return cls(query, Choices(connections), environments or Environment.objects.all())

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


class NameForm(forms.Form):
    name = forms.CharField(label="Connection name", max_length=80, validators=[NO_CONTROLS])


class RenameForm(NameForm, VersionedForm):
    """Another name for a connection."""


class LinkNameField(forms.CharField):
    """The link name of a new connection, suggested from the field `name`."""

    def __init__(self) -> None:
        super().__init__(
            label="Connection link name",
            max_length=50,
            validators=[LINK_NAME_RULE],
            help_text="Flows refer to the connection by this name. It can't change later.",
            widget=forms.TextInput(
                {"class": "mono", "data-slug-from": "#id_name", "autocomplete": "off"}
            ),
        )

    def clean(self, value: Any) -> str:
        link_name = super().clean(value)
        if not is_link_name(link_name) or Connection.objects.filter(link_name=link_name).exists():
            raise forms.ValidationError(BadLinkName.text)
        return link_name


class ConnectionForm(CredentialForm):
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

    own_app: OAuthApp | None = None
    kept_tags: Sequence[str] = ()  # as they are, where they stay as they are
    unserved: Sequence[Environment | None] = ()

    def __init__(self, *args: Any, method: AuthMethod, **kwargs: Any) -> None:
        super().__init__(*args, method=method, **kwargs)
        if not self.kind.is_http:
            del self.fields["access_mode"]
        if not self.kind.offers_login_user(method):
            del self.fields["login_user"]
        self._mark_personal()
        if is_interactive(method):
            self._add_app()
        if self.kind.has_scopes:
            self._add_scopes()
        own = [name for name in self.fields if name.startswith((PARAMETER, SECRET))]
        self.groups = [
            (
                f"Sign in to {self.service}",
                "Secrets are encrypted, and never shown in a browser again.",
                [
                    *(*own, "ends_on", "client_id", "client_secret", "client_secret_ends_on"),
                    *("scopes", "more_scopes"),
                ],
            )
        ]

    def _mark_personal(self) -> None:
        """What each login user fills in for themself; the page hides it while the switch is on."""
        names = {spec.name for spec in self.kind.personal_fields(self.method)}
        self.personal = {prefix_of(spec) + spec.name for spec in self.asked if spec.name in names}
        self.unasked = self.personal if self.wants_login_user else frozenset()
        for name in self.personal | (self.fields.keys() & {"ends_on"}):
            self.fields[name].widget.attrs["data-personal"] = ""
            if self.wants_login_user:
                self.fields[name].required = False

    @property
    def wants_login_user(self) -> bool:
        return "login_user" in self.fields and bool(self["login_user"].data)

    def _add_app(self) -> None:
        app = self.own_app
        self.unserved = [] if app else self._unserved()
        if app is None and not self.unserved:
            return
        stored_at = app.created_at if app and app.client_secret else None
        for spec in self.kind.app_fields(self.method):
            self.fields[spec.name] = form_field(spec, stored_at)
        if "client_secret" in self.fields:
            self.fields["client_secret_ends_on"] = EndDateField(
                stored=app.ends_at if app else None, label="Client secret ends on"
            )
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
            ends_at=cleaned.get("ends_on"),
            client_secret_ends_at=cleaned.get("client_secret_ends_on"),
        )
