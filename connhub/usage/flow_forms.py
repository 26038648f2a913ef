"""What a person types about flows, apps and functions."""

from typing import cast

from django import forms
from django.core.validators import RegexValidator
from django.db.models import Q
from django.http import QueryDict

from connhub.forms import NO_CONTROLS

from . import data_objects, flows, functions
from .attaching import selection_of
from .models import Flow, Step
from .selecting import Place, Selection
from .use_forms import (
    PRESSED,
    SHOWN_AT_ONCE,
    DeclaringForm,
    NamedUseForm,
    Seen,
    UseForm,
    search_text,
)

SLUG = RegexValidator(
    r"^[a-z][a-z0-9_-]*$",
    "Use lower-case letters, digits, hyphens and underscores, and start with a letter.",
)
FUNCTION_NAME = RegexValidator(
    functions.NAME, "Use letters, digits, hyphens and underscores, and start with a letter."
)


class StepForm(NamedUseForm):
    """One step of a flow."""

    noun = "Step"
    twice = "Another step has this name."

    kind = forms.ChoiceField(choices=Step.Kind.choices)
    field_order = ["name", "kind"]


class DataObjectForm(NamedUseForm):
    """One external data object of an app."""

    noun = "Data object"
    twice = "Another data object has this name."


class FunctionUseForm(UseForm):
    """One connection that a function uses."""


def _slug(help_text: str) -> forms.CharField:
    widget = forms.TextInput({"class": "mono", "data-slug-from": "#id_name", "autocomplete": "off"})
    return forms.CharField(max_length=60, validators=[SLUG], help_text=help_text, widget=widget)


class FlowForm(DeclaringForm):
    """A flow and its steps."""

    sort, row = flows.SORT, StepForm

    name = forms.CharField(label="Flow name", max_length=80, validators=[NO_CONTROLS])
    slug = _slug("Calls name the flow by it, and so do addresses. It can't change later.")


class AppForm(DeclaringForm):
    """An app and its external data objects."""

    sort, row = data_objects.SORT, DataObjectForm

    name = forms.CharField(label="App name", max_length=80, validators=[NO_CONTROLS])
    slug = _slug("Stands in addresses. It can't change later.")


class FunctionForm(DeclaringForm):
    """A function and the connections that it uses: at least one."""

    sort, row = functions.SORT, FunctionUseForm

    name = forms.CharField(
        label="Function name",
        max_length=60,
        validators=[FUNCTION_NAME],
        help_text="Calls name the function by it, and so do addresses. It can't change later.",
        widget=forms.TextInput({"class": "mono", "autocomplete": "off"}),
    )

    def clean(self) -> None:
        super().clean()
        if not self.filled:
            self.add_error(None, "Choose at least one connection that it uses.")


class AttachForm(Seen, forms.Form):
    """One of one's own flows that stand alone, found by its name."""

    flow = forms.ModelChoiceField(
        Flow.objects.none(),
        to_field_name="slug",
        error_messages={
            "required": "Choose a flow.",
            "invalid_choice": "This flow doesn't stand alone any more. Reload the page.",
        },
    )

    def __init__(self, typed: QueryDict | None, *, place: Place, searched: str = ""):
        is_final = typed is not None and not any(name in typed for name in PRESSED)
        super().__init__(typed if is_final else None)
        self.typed, self.place = typed, place
        self.search = search_text(typed.get("q", "") if typed else searched)
        self.own = Flow.objects.alone().filter(owner=place.by)
        cast(forms.ModelChoiceField, self.fields["flow"]).queryset = self.own
        self.selection = Selection([], [], {})

    def clean_flow(self) -> Flow:
        flow = self.cleaned_data["flow"]
        self.selection = selection_of(flow, self.place)
        for name, why in self.selection.refused.items():
            self.add_error("flow", f"{name}: {why}")
        return flow

    @property
    def picked(self) -> str:
        return self.typed.get("flow", "") if self.typed else ""

    @property
    def found(self) -> list[Flow]:
        """Those to choose from: the one that is picked first."""
        matching = Q(name__icontains=self.search) | Q(slug__icontains=self.search)
        some = self.own.filter(matching).prefetch_related("steps__connection")
        return list(some.order_by("name", "slug")[:SHOWN_AT_ONCE])

    @property
    def has_any(self) -> bool:
        return self.own.exists()
