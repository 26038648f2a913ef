"""What a person types about a service, cleaned; saving it is the operations' business."""

import re
from collections.abc import Iterable
from typing import Any

from django import forms
from django.core.validators import RegexValidator, URLValidator

from connhub.accounts.models import Environment
from connhub.forms import Switch

from .addresses import PLACEHOLDER
from .custom import LIMITS, RESERVED, Definition, MethodDefinition, SlugTaken, addresses
from .fields import (
    HOST_RULE,
    MONO,
    PREFIX_RULE,
    AddressField,
    HeadersField,
    LinesField,
    host_in,
    in_lines,
    line,
)
from .gallery import AUTH_LABELS
from .limits import METHODS, Limits
from .models import Service

SLUG_RULE = RegexValidator(
    r"\A[a-z0-9]+([_-][a-z0-9]+)*\Z",
    "Use lower-case letters, digits and single hyphens or underscores between them.",
)
PATH_RULE = RegexValidator(r"\A/[^\s#{}\\]*\Z", "Start with a slash, without spaces or braces.")
NO_WAY_UP = RegexValidator(
    r"/(\.|%2e){1,2}(/|\?|\Z)", "Leave out . and .. as parts of it.", inverse_match=True, flags=re.I
)
# What the auth methods call their secrets: an address is no place for one.
SECRET = re.compile(
    r"token|access_token|refresh_token|session_token|password|client_secret|private_key"
    r"|secret_access_key|key_[0-9]+"
)
ENDPOINT = "endpoint_"
CATEGORY = "Custom"


class DetailsForm(forms.Form):
    """What is said about any service of one's own: names, addresses and the test request."""

    name = line("Service name")
    slug = line(
        "Service link name",
        50,
        validators=[SLUG_RULE],
        help_text="It stands in addresses and in the redirect URI. It can't change later.",
        widget=forms.TextInput(MONO | {"data-slug-from": "#id_name"}),
    )
    category = line(
        "Category", 40, initial=CATEGORY, widget=forms.TextInput({"list": "categories"})
    )
    docs_url = forms.URLField(
        label="Documentation",
        required=False,
        max_length=200,
        assume_scheme="https",
        validators=[URLValidator(["https", "http"])],
    )
    base_url = AddressField(
        label="Base URL",
        help_text="All calls go below it. Write {name} for what differs per connection, "
        "such as https://{subdomain}.example.com/v1.",
    )
    test_method = forms.ChoiceField(
        label="Test method",
        choices=[(method, method) for method in ("GET", "HEAD", "POST")],
        initial="GET",
    )
    test_path = line(
        "Test path",
        200,
        required=False,
        validators=[PATH_RULE, NO_WAY_UP],
        widget=forms.TextInput(MONO | {"placeholder": "/me"}),
        help_text="A call that changes nothing and shows that the credential works.",
    )
    allowed_methods = forms.MultipleChoiceField(
        label="Methods",
        required=False,
        choices=[(method, method) for method in METHODS],
        widget=forms.CheckboxSelectMultiple,
    )
    allowed_paths = LinesField(
        rule=PREFIX_RULE,
        placeholder="/orders",
        label="Paths",
        help_text="Calls to these and to what is below them, one on each line. They come after "
        "the base URL.",
    )
    allowed_hosts = LinesField(
        rule=HOST_RULE,
        placeholder="*.example.com",
        label="Hosts of endpoints",
        help_text="Where connections may have an endpoint of their own, besides the hosts above.",
    )

    def __init__(self, *args: Any, service: Service | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.stages = {ENDPOINT + stage.slug: stage for stage in Environment.objects.all()}
        for name, stage in self.stages.items():
            self.fields[name] = AddressField(label=f"Base URL in {stage}", required=False)
        self.edited = service
        if service:
            del self.fields["slug"]
        self.groups = [
            ("Test request", "", ["test_method", "test_path"]),
            ("Limits", "What is left empty is not limited.", list(LIMITS)),
            (
                "Endpoints",
                "Only where an environment has an address of its own.",
                list(self.stages),
            ),
        ]

    def clean_base_url(self) -> str:
        return self.cleaned_data["base_url"].rstrip("/")

    def clean(self) -> dict[str, Any]:
        super().clean()
        for name, url in self.addresses().items():
            self.refuse_secrets(name, [url])
        self._require_test_within_limits()
        return self.cleaned_data

    def _require_test_within_limits(self) -> None:
        cleaned = self.cleaned_data
        allowed = Limits(
            tuple(cleaned.get("allowed_methods", ())), tuple(cleaned.get("allowed_paths", ()))
        )
        path, method = cleaned.get("test_path"), cleaned.get("test_method", "")
        if path and not (
            allowed.allow_method(method) and allowed.allow_path(path.partition("?")[0])
        ):
            self.add_error("test_path", "The test is a call that the limits below don't allow.")

    def refuse_secrets(self, field: str, texts: Iterable[str]) -> None:
        """Name the field where what was typed would show a secret."""
        found = PLACEHOLDER.findall(" ".join(texts))
        if secret := next(filter(self.is_secret, found), None):
            self.add_error(field, f"{{{secret}}} is a secret: this is no place for it.")

    def addresses(self) -> dict[str, str]:
        """The addresses that were typed and can be used, by field."""
        is_address = {n for n, field in self.fields.items() if isinstance(field, AddressField)}
        return {n: url for n, url in self.cleaned_data.items() if n in is_address and url}

    def is_secret(self, name: str) -> bool:
        """Whether the placeholder is what the auth method calls one of its secrets."""
        return SECRET.fullmatch(name) is not None

    def clean_slug(self) -> str:
        slug = self.cleaned_data["slug"]
        if slug in RESERVED or Service.objects.filter(slug=slug).exists():
            raise forms.ValidationError(SlugTaken.text)
        return slug

    @property
    def link_name(self) -> str:
        """What stands for the service in addresses: what was typed, or what it has already."""
        return self.edited.slug if self.edited else self.cleaned_data["slug"]

    def definition_with(self, methods: list[MethodDefinition], **more: Any) -> Definition:
        """The valid form as a definition with these auth methods."""
        cleaned = self.cleaned_data
        path = cleaned["test_path"]
        return Definition(
            name=cleaned["name"],
            category=cleaned["category"],
            docs_url=cleaned["docs_url"],
            base_url=cleaned["base_url"],
            test={"method": cleaned["test_method"], "path": path} if path else {},
            endpoints={
                stage: cleaned[name].rstrip("/")
                for name, stage in self.stages.items()
                if cleaned[name]
            },
            methods=methods,
            **{name: cleaned[name] for name in LIMITS},
            **more,
        )


def details_of(definition: Definition) -> dict[str, Any]:
    """A definition as the initial values of a `DetailsForm`."""
    return {
        "name": definition.name,
        "category": definition.category,
        "docs_url": definition.docs_url,
        "base_url": definition.base_url,
        "test_method": definition.test.get("method", "GET"),
        "test_path": definition.test.get("path", ""),
        **{name: list(getattr(definition, name)) for name in LIMITS},
        **{ENDPOINT + stage.slug: url for stage, url in definition.endpoints.items()},
    }


class ServiceForm(DetailsForm):
    """A service with one auth method; subclasses ask for what their kind of method needs.

    `base` is the definition that is edited or copied: what of it no field shows stays as it is.
    """

    kind = ""
    about = ""
    decides: frozenset[str] = frozenset()  # keys of the configuration besides the fields' names

    headers = HeadersField(
        label="Headers of every call",
        help_text="Those that the service always wants: name=value, one on each line.",
    )

    def __init__(self, *args: Any, base: Definition | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.base = base
        methods = base.methods if base else ()
        hosts = frozenset(map(host_in, addresses(base))) if base else frozenset()
        for field in self.fields.values():
            if isinstance(field, AddressField):
                field.known_hosts = hosts
        self.base_method = next((m for m in methods if m.kind == self.kind), None)
        own = [name for name in self.fields if name in type(self).declared_fields]
        own = [name for name in own if name not in ServiceForm.declared_fields]
        self.groups = [*self.method_groups(own), *self.groups, ("Every call", "", ["headers"])]

    def method_groups(self, own: list[str]) -> list[tuple[str, str, list[str]]]:
        return [(AUTH_LABELS[self.kind], self.about, own)]

    def clean(self) -> dict[str, Any]:
        super().clean()
        self.refuse_secrets("headers", (self.cleaned_data.get("headers") or {}).values())
        return self.cleaned_data

    @property
    def needs_test_path(self) -> bool:
        """Whether it takes a test request to be tested before it is saved."""
        return True

    def clean_test_path(self) -> str:
        path = self.cleaned_data["test_path"]
        if "test" in self.data and self.needs_test_path and not path:
            raise forms.ValidationError("Enter the path of a call to test with.")
        return path

    @property
    def method(self) -> MethodDefinition:
        """The auth method that the valid form describes."""
        label = self.base_method.label if self.base_method else AUTH_LABELS[self.kind]
        headers = self.cleaned_data["headers"]
        config = self._kept() | ({"headers": headers} if headers else {}) | self.config()
        return MethodDefinition(self.kind, label, config)

    def _kept(self) -> dict[str, Any]:
        decided = {*self.fields, *self.decides, "retired"}
        stored = self.base_method.config if self.base_method else {}
        return {name: value for name, value in stored.items() if name not in decided}

    @property
    def definition(self) -> Definition:
        """The valid form as a service with this one auth method."""
        return self.definition_with([self.method])

    def definition_with(self, methods: list[MethodDefinition], **more: Any) -> Definition:
        definition = super().definition_with(methods, **more)
        if self.base:
            definition.parameters = self.base.parameters
            called = {
                "method": self.base.test.get("method", "GET"),
                "path": self.base.test.get("path"),
            }
            if definition.test == called:
                definition.test = self.base.test
        return definition

    def config(self) -> dict[str, Any]:
        return {"help": self.cleaned_data.get("help", "")}

    @classmethod
    def initial_of(cls, method: MethodDefinition) -> dict[str, Any]:
        """The method as the form's initial values."""
        config = dict(method.config)
        for name in ("headers", "authorize_params", "token_params", "claims"):
            config[name] = in_lines(config.get(name, {}))
        return config


class NoAuthForm(ServiceForm):
    kind = "none"
    about = "Calls go out as they are."


class BearerForm(ServiceForm):
    kind = "bearer"
    about = "The Authorization header carries Bearer and the token."
    token_label = line("Name of the token", 60, initial="Token")
    help = line("Where people find it", 300, required=False)

    def config(self) -> dict[str, Any]:
        return super().config() | {"token_label": self.cleaned_data["token_label"]}


class BasicForm(ServiceForm):
    kind = "basic"
    about = "The Authorization header carries the two, encoded in Base64."
    username_label = line("Name of the user name", 60, initial="User name")
    username_secret = forms.BooleanField(
        label="The user name is a secret too", required=False, widget=Switch
    )
    password_label = line("Name of the password", 60, initial="Password")
    help = line("Where people find them", 300, required=False)

    def config(self) -> dict[str, Any]:
        names = ("username_label", "username_secret", "password_label")
        return super().config() | {name: self.cleaned_data[name] for name in names}
