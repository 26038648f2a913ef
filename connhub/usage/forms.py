"""What a person types about integrations, their members and their keys."""

import re
from collections.abc import Collection
from datetime import timedelta
from typing import Any, cast

from django import forms
from django.core.validators import RegexValidator
from django.db.models import Count, Q
from django.utils.functional import cached_property

from connhub.accounts.models import Environment, User
from connhub.connections.models import LINK_NAME, Connection
from connhub.forms import NO_CONTROLS, LifetimeForm

from . import audience, policies, registration
from .availability import Audience, audience_of, losing
from .gains import Gains, gains
from .models import Integration, Kind, Membership, Project

SLUG_RULE = RegexValidator(
    r"^(?!new$)[a-z][a-z0-9_-]*$",
    "Use lower-case letters, digits, hyphens and underscores, start with a letter; not just “new”.",
)
SHOWN_AT_ONCE = 100


PACKAGED = (
    "An integration app is packaged: nobody registers connections with it by hand any more. Make an "
    "integration and register what it needs, then package it. That can't be undone."
)


def _integration_name() -> forms.CharField:
    return forms.CharField(label="Integration name", max_length=80, validators=[NO_CONTROLS])


def _kind(help_text: str) -> forms.ChoiceField:
    return forms.ChoiceField(
        choices=Kind.choices,
        initial=Kind.INTEGRATION,
        required=False,
        widget=forms.RadioSelect,
        help_text=help_text,
    )


class IntegrationForm(forms.Form):
    """A new integration, in a project that is there or a new one."""

    name = _integration_name()
    slug = forms.CharField(
        max_length=50,
        validators=[SLUG_RULE],
        help_text="Stands in addresses and commands. It can't change later.",
        widget=forms.TextInput(
            {"class": "mono", "data-slug-from": "#id_name", "autocomplete": "off"}
        ),
    )
    new_project = forms.CharField(
        label="Name of the new project",
        max_length=80,
        required=False,
        validators=[NO_CONTROLS],
        help_text="Integrations of one project may share connections that are available to it.",
    )

    kind = _kind(
        "An integration app is packaged: nobody registers connections with it by hand, so that it "
        "may use only those that are available to its project. To have it come with others, make an "
        "integration, register them, and make it an app then."
    )

    def __init__(self, *args, by: User, **kwargs):
        super().__init__(*args, **kwargs)
        projects = policies.projects_open_to(by)
        if projects.exists():
            self.fields["project"] = forms.ModelChoiceField(
                projects, to_field_name="slug", required=False, empty_label="A new project"
            )
            self.order_fields(["name", "slug", "project", "new_project", "kind"])
        else:
            self.fields["new_project"].label = "Project name"
            self.fields["new_project"].required = True

    def clean_kind(self) -> str:
        return self.cleaned_data["kind"] or Kind.INTEGRATION

    def clean_slug(self) -> str:
        slug = self.cleaned_data["slug"]
        if Integration.objects.filter(slug=slug).exists():
            raise forms.ValidationError("This slug can't be used. Choose another.")
        return slug

    def clean(self) -> None:
        super().clean()
        if self.cleaned_data.get("project") and self.cleaned_data.get("new_project"):
            self.add_error("new_project", "Choose a project or name a new one, not both.")
        elif not self.errors and not self.chosen_project:
            self.add_error("new_project", "Name the new project, or choose one that is there.")

    @property
    def chosen_project(self) -> Project | str:
        return self.cleaned_data.get("project") or self.cleaned_data.get("new_project", "")


class EditIntegrationForm(forms.Form):
    """What may change of an integration: its name, its project, and that it becomes an app."""

    name = _integration_name()
    project = forms.ModelChoiceField(
        Project.objects.none(),
        to_field_name="slug",
        empty_label=None,
        help_text="Its people may use what is available to the project.",
    )
    kind = _kind(PACKAGED)

    def __init__(self, *args, integration: Integration, by: User, **kwargs):
        self.integration = integration
        was = {"name": integration.name, "project": integration.project.slug}
        super().__init__(*args, **kwargs)
        self.initial = was
        mine = Q(pk__in=policies.projects_open_to(by).values("pk"))
        choices = Project.objects.filter(mine | Q(pk=integration.project_id))
        cast(forms.ModelChoiceField, self.fields["project"]).queryset = choices
        if integration.kind == Kind.APP:
            del self.fields["kind"]

    @property
    def values(self) -> dict[str, Any]:
        return self.cleaned_data | {"kind": self.cleaned_data.get("kind") or self.integration.kind}


class DeleteIntegrationForm(forms.Form):
    """Has the slug typed before keys end that `used_in`, the highest environment, used lately."""

    slug = forms.CharField(
        max_length=50,
        widget=forms.TextInput({"class": "mono", "autocomplete": "off", "spellcheck": "false"}),
    )

    def __init__(self, *args, integration: Integration, used_in: Environment | None, **kwargs):
        super().__init__(*args, **kwargs)
        self.wanted = integration.slug
        if used_in is None:
            del self.fields["slug"]
            return
        self.fields["slug"].label = f"Type {self.wanted} to go on"
        self.fields["slug"].help_text = f"A key for {used_in} was used in the last 7 days."

    def clean_slug(self) -> str:
        if self.cleaned_data["slug"] != self.wanted:
            raise forms.ValidationError(f"That is not {self.wanted}.")
        return self.wanted


class ProjectForm(forms.Form):
    """The name of a project, new or renamed."""

    name = forms.CharField(label="Project name", max_length=80, validators=[NO_CONTROLS])


class RegisterForm(forms.Form):
    """The connections to register: a search, and a list to tick; what is ticked stays listed."""

    q = forms.CharField(label="Search", max_length=80, required=False)
    connections = forms.Field(
        widget=forms.SelectMultiple,
        error_messages={"required": "Tick the box of at least one connection."},
    )

    def __init__(self, *args, integration: Integration, by: User, **kwargs):
        super().__init__(*args, **kwargs)
        registrable = registration.registrable(integration, by=by)
        self.registrable = registrable.select_related("service")
        self.integration, self.by = integration, by

    @property
    def ticked(self) -> set[str]:
        """Link names, as the browser sent them."""
        return set(self["connections"].data or ()) if self.is_bound else set()

    @cached_property
    def chosen(self) -> list[Connection]:
        """What is ticked and can be registered."""
        well_formed = {name for name in self.ticked if re.fullmatch(LINK_NAME, name)}
        return list(self.registrable.filter(link_name__in=well_formed))

    def clean_connections(self) -> list[Connection]:
        if len(self.chosen) < len(self.ticked):
            raise forms.ValidationError(
                "One of these can't be registered any more. Reload the page and choose again."
            )
        return self.chosen

    @property
    def found(self) -> list[Connection]:
        """Those to list: the ticked first, then what matches the search."""
        text = str(self.data.get("q", "")).replace("\0", "").strip()[:80]
        matching = Q(name__icontains=text) | Q(link_name__icontains=text)
        others = self.registrable.filter(matching).exclude(pk__in=[c.pk for c in self.chosen])
        return self.chosen + list(others[:SHOWN_AT_ONCE])

    @cached_property
    def gains(self) -> Gains:
        """Who gains access by what is ticked; while nothing is, by whatever is listed."""
        return gains(self.integration, self.chosen or self.found, viewer=self.by)

    @property
    def has_any(self) -> bool:
        return self.registrable.exists()


class MemberForm(forms.Form):
    """Somebody of the account, by their address."""

    email = forms.EmailField(
        label="E-mail address",
        max_length=254,
        help_text="Of somebody who has an account here already.",
        widget=forms.EmailInput({"autocomplete": "off"}),
    )

    def __init__(self, *args, integration: Integration, **kwargs):
        super().__init__(*args, **kwargs)
        self.integration = integration

    def clean_email(self) -> str:
        email = self.cleaned_data["email"].lower()
        person = User.objects.filter(email=email, is_active=True).first()
        if person is None:
            raise forms.ValidationError("Nobody can be added by this address. Check the spelling.")
        if Membership.objects.filter(integration=self.integration, user=person).exists():
            raise forms.ValidationError("They are a member already.")
        self.person = person
        return email


class KeyForm(LifetimeForm):
    """A new key: what for, and for how long."""

    field_order = ["name", "days"]
    name = forms.CharField(
        label="Key name",
        max_length=80,
        validators=[NO_CONTROLS],
        help_text="What presents it, so that you know it again: “nightly sync on my laptop”.",
    )


class RotateKeyForm(LifetimeForm):
    """The key that takes another's place: how long both work, and how long the new one."""

    field_order = ["overlap", "days"]
    overlap = forms.TypedChoiceField(
        label="Both work for",
        coerce=int,
        choices=[(1, "An hour"), (24, "A day"), (168, "A week"), (720, "30 days")],
        initial=168,
        help_text="Put the new key in place meanwhile. After this the old one ends by itself.",
    )

    @property
    def overlap_for(self) -> timedelta:
        return timedelta(hours=self.cleaned_data["overlap"])


class NamedChoiceField(forms.ModelChoiceField):
    """A choice of connections, told apart by their link names."""

    def label_from_instance(self, obj) -> str:
        return f"{obj.name} ({obj.link_name})"


class CountedChoiceField(forms.ModelChoiceField):
    """A choice of integrations, each with how many people will see what is registered with it."""

    def label_from_instance(self, obj) -> str:
        return f"{obj} ({obj.members} member{'' if obj.members == 1 else 's'})"


class RegisterWithForm(forms.Form):
    """The integration to register connections with: one that they administer.

    Where somebody gains access by it, that is shown first; `asks_again` until it was.
    """

    def __init__(self, *args, by: User, link_names: Collection[str] = (), **kwargs):
        super().__init__(*args, **kwargs)
        self.by, self.link_names = by, link_names
        self.asks_again = False
        mine = policies.open_for_registering(by)
        self.fields["integration"] = CountedChoiceField(
            mine.annotate(members=Count("memberships")).order_by("name"),
            to_field_name="slug",
            empty_label="Choose an integration",
        )
        self.has_any = mine.exists()

    @property
    def says(self) -> str:
        if not self.has_any:
            return "There is no integration whose connections you may change."
        if self.asks_again:
            number = self.gains.people
            gain = "1 person gains access" if number == 1 else f"{number} people gain access"
            return f"{gain}: {self.gains}."
        return (
            "Who gains: flows of the integration may use what you register, its members see the "
            "connections there, and by name the exports and imports that other integrations run "
            "over them. You see who gains access before."
        )

    def clean(self) -> None:
        super().clean()
        integration = self.cleaned_data.get("integration")
        if integration is None or self.data.get("seen") == integration.slug:
            return
        connections = policies.usable_connections(self.by).filter(link_name__in=self.link_names)
        self.gains = gains(integration, connections, viewer=self.by)
        self.asks_again = bool(self.gains.people)


class ReplaceForm(forms.Form):
    """The connection that takes over. `seen` is the one whose preview the person looked at."""

    seen = forms.CharField(required=False, max_length=50, widget=forms.HiddenInput)

    def __init__(self, *args, candidates, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["to"] = NamedChoiceField(
            candidates,
            label="Replace it by",
            to_field_name="link_name",
            empty_label="Choose a connection",
        )
        self.has_any = candidates.exists()

    @property
    def was_seen(self) -> bool:
        return self.cleaned_data["seen"] == self.cleaned_data["to"].link_name


class AvailabilityForm(forms.Form):
    """Whole account, one project, or one integration; what would stop working has to be ticked."""

    def __init__(self, *args, connection: Connection, by: User, **kwargs):
        super().__init__(*args, **kwargs)
        self.connection = connection
        self.fields |= audience.fields(by)
        now = audience_of(connection)
        self.initial = {
            "to": audience.kind_of(now),
            "project": now.project and now.project.slug,
            "integration": now.integration and now.integration.slug,
        }

    def clean(self) -> None:
        super().clean()
        audience.check(self)
        if self.errors:
            return
        names = [str(each) for each in losing(self.connection, self.audience)[:SHOWN_AT_ONCE]]
        if names:
            self._ask(names)

    def _ask(self, names: list[str]) -> None:
        self.fields["stops"] = forms.BooleanField(
            label=f"Stop it in {', '.join(names)}",
            required=False,
            help_text="Flows there can't call over it any more.",
        )
        if not self["stops"].data:
            self.add_error("stops", "Tick this to go on, or choose another audience.")

    @property
    def audience(self) -> Audience:
        return audience.chosen(self.cleaned_data)
