"""Asks who in the account a connection is for: of one that there is, and of a new one."""

from typing import Any

from django import forms
from django.db.models import QuerySet

from connhub.accounts.models import User
from connhub.connections.models import Connection

from . import policies
from .availability import Audience, narrow

EVERYBODY, PROJECT, INTEGRATION = "account", "project", "integration"
CHOICES = [
    (EVERYBODY, "Whole account"),
    (PROJECT, "One project"),
    (INTEGRATION, "One integration"),
]


class OneOf(forms.ModelChoiceField):
    """Asked, and wanted, only while the choice is narrowed to one."""

    is_optional = False


def fields(by: User) -> dict[str, forms.Field]:
    """The choice, and the projects and integrations that are theirs to choose from."""
    places = _open_to(by)
    return {
        "to": _choice(CHOICES),
        PROJECT: OneOf(
            places[PROJECT], to_field_name="slug", required=False, empty_label="Choose a project",
            help_text="Usable in all its integrations, without registration, and in no others.",
        ),
        INTEGRATION: OneOf(
            places[INTEGRATION], to_field_name="slug", required=False,
            empty_label="Choose an integration", help_text="Registered there, and nowhere else.",
        ),
    }  # fmt: skip


def _open_to(by: User) -> dict[str, QuerySet]:
    mine = policies.open_for_registering(by)
    return {PROJECT: policies.projects_open_to(by), INTEGRATION: mine}


def _choice(choices: list[tuple[str, str]], required: bool = True) -> forms.ChoiceField:
    return forms.ChoiceField(
        label="Available to",
        choices=choices,
        widget=forms.RadioSelect,
        initial=EVERYBODY,
        required=required,
    )


def check(form: forms.Form) -> None:
    """What the choice is narrowed to has to be named."""
    to = form.cleaned_data.get("to", "")
    if to in (PROJECT, INTEGRATION) and not form.cleaned_data.get(to) and to not in form.errors:
        form.add_error(to, "Choose one.")


def kind_of(audience: Audience) -> str:
    if audience.project:
        return PROJECT
    return INTEGRATION if audience.integration else EVERYBODY


def chosen(cleaned: dict[str, Any]) -> Audience:
    """What the valid form says."""
    to = cleaned["to"]
    only = cleaned.get(to)
    return Audience(**{to: only}) if only else Audience()


class AvailableTo:
    """Asked of a new connection by those who have a project or an integration to choose."""

    def fields(self, by: User) -> dict[str, forms.Field]:
        offered = [name for name, places in _open_to(by).items() if places.exists()]
        if not offered:
            return {}
        asked = fields(by)
        choices = [choice for choice in CHOICES if choice[0] in (EVERYBODY, *offered)]
        return {"to": _choice(choices, required=False), **{name: asked[name] for name in offered}}

    def check(self, form: forms.Form) -> None:
        check(form)

    def settle(self, connection: Connection, cleaned: dict[str, Any], *, by: User) -> None:
        if "to" in cleaned:
            narrow(connection, chosen(cleaned), by=by)
