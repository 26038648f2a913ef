"""What a person types about a service, cleaned; saving it is the operations' business."""

from typing import Any

from django import forms
from django.core.validators import RegexValidator, URLValidator

from connhub.accounts.models import Environment
from connhub.egress import guard
from connhub.forms import Switch

from .addresses import PLACEHOLDER
from .custom import RESERVED, Definition, MethodDefinition, SlugTaken
from .gallery import AUTH_LABELS
from .models import Service

NO_CONTROLS = RegexValidator(r"\A[^\x00-\x1f\x7f]*\Z", "Use a single line of ordinary characters.")
SLUG_RULE = RegexValidator(
    r"\A[a-z0-9]+([_-][a-z0-9]+)*\Z",
    "Use lower-case letters, digits and single hyphens or underscores between them.",
)
PATH_RULE = RegexValidator(r"\A/[^\s#{}\\]*\Z", "Start with a slash, without spaces or braces.")
BAD_BRACES = "Write what differs per connection as {name}, in lower-case letters."
WHOLE_HOST = "Only a part of the host name may differ per connection, not what it ends with."
ENDPOINT = "endpoint_"
MONO = {"class": "mono", "autocomplete": "off", "spellcheck": "false"}
CATEGORY = "Custom"


class AddressField(forms.CharField):
    """An https URL (http where the operator allows it) that may have {placeholders}."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("widget", forms.URLInput(MONO | {"placeholder": "https://"}))
        super().__init__(max_length=300, validators=[NO_CONTROLS], **kwargs)

    def clean(self, value: Any) -> str:
        url = super().clean(value)
        if url:
            check_address(url)
        return url


def check_address(url: str) -> None:
    """Raises: ValidationError, with a plain sentence."""
    filled = PLACEHOLDER.sub("x", url)
    if "{" in filled or "}" in filled:
        raise forms.ValidationError(BAD_BRACES)
    if "?" in filled or "#" in filled:
        raise forms.ValidationError("Leave out what begins with ? or #.")
    try:
        guard.parse_url(filled, ports=guard.ANY_PORT)
    except guard.BadAddress as error:
        raise forms.ValidationError(str(error)) from None
    host = url.split("//", 1)[1].split("/", 1)[0]
    if PLACEHOLDER.search(".".join(host.split(".")[-2:])):
        raise forms.ValidationError(WHOLE_HOST)


def line(label: str, max_length: int = 80, **kwargs: Any) -> forms.CharField:
    """A field for one line of text."""
    validators = [NO_CONTROLS, *kwargs.pop("validators", [])]
    return forms.CharField(label=label, max_length=max_length, validators=validators, **kwargs)


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
        validators=[PATH_RULE],
        widget=forms.TextInput(MONO | {"placeholder": "/me"}),
        help_text="A call that changes nothing and shows that the credential works.",
    )

    def __init__(self, *args: Any, service: Service | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.stages = {ENDPOINT + stage.slug: stage for stage in Environment.objects.all()}
        for name, stage in self.stages.items():
            self.fields[name] = AddressField(label=f"Base URL in {stage}", required=False)
        if service:
            del self.fields["slug"]
        self.groups = [
            ("Test request", "", ["test_method", "test_path"]),
            (
                "Endpoints",
                "Only where an environment has an address of its own.",
                list(self.stages),
            ),
        ]

    def clean_base_url(self) -> str:
        return self.cleaned_data["base_url"].rstrip("/")

    def clean_slug(self) -> str:
        slug = self.cleaned_data["slug"]
        if slug in RESERVED or Service.objects.filter(slug=slug).exists():
            raise forms.ValidationError(SlugTaken.text)
        return slug

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
        **{ENDPOINT + stage.slug: url for stage, url in definition.endpoints.items()},
    }


class ServiceForm(DetailsForm):
    """A service with one auth method; subclasses ask for what their kind of method needs."""

    kind = ""
    about = ""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        own = [name for name in self.fields if name in type(self).declared_fields]
        own = [name for name in own if name not in DetailsForm.declared_fields]
        self.groups = [*self.method_groups(own), *self.groups]

    def method_groups(self, own: list[str]) -> list[tuple[str, str, list[str]]]:
        return [(AUTH_LABELS[self.kind], self.about, own)]

    @property
    def method(self) -> MethodDefinition:
        """The auth method that the valid form describes."""
        return MethodDefinition(self.kind, AUTH_LABELS[self.kind], self.config())

    def config(self) -> dict[str, Any]:
        return {"help": self.cleaned_data.get("help", "")}

    @classmethod
    def initial_of(cls, method: MethodDefinition) -> dict[str, Any]:
        """The method as the form's initial values."""
        return dict(method.config)


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
