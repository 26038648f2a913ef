"""What a person types about a flow: its name, and its steps, each over a connection."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, cast

from django import forms
from django.core.validators import RegexValidator
from django.db.models import Q, QuerySet
from django.http import QueryDict
from django.utils.functional import cached_property

from connhub.connections.models import LINK_NAME, Connection
from connhub.forms import NO_CONTROLS

from .attaching import selection_of
from .flows import MOST_STEPS, RESERVED, DeclaredStep
from .models import Flow, Step
from .selecting import Place, Selection, choosable, select

SLUG = RegexValidator(
    r"^[a-z][a-z0-9_-]*$",
    "Use lower-case letters, digits, hyphens and underscores, and start with a letter.",
)
TAKEN = "This slug can't be used. Choose another."
# Buttons that change the form and save nothing.
PRESSED = ("add", "remove", "search", "choices", "back")
SHOWN_AT_ONCE = 20
LONGEST_SEARCH = 80


class StepForm(forms.Form):
    """One step; `found` are the connections to choose from, while it is open."""

    name = forms.CharField(label="Step", max_length=80, validators=[NO_CONTROLS])
    kind = forms.ChoiceField(choices=Step.Kind.choices)
    connection = forms.CharField(
        max_length=50,
        validators=[RegexValidator(LINK_NAME)],
        error_messages={"required": "Choose a connection."},
    )

    def __init__(self, typed: Mapping[str, Any] | None, *, initial: Mapping, number: int):
        prefix = f"step-{number}"
        super().__init__(typed, initial=dict(initial), prefix=prefix, use_required_attribute=False)
        self.number = number
        self.search = ""
        self.is_searched = False
        self.chosen: Connection | None = None
        self.found: list[Connection] | None = None
        self.has_more = False

    @property
    def title(self) -> str:
        return f"Step {self['name'].value() or self.number + 1}"

    @property
    def is_blank(self) -> bool:
        return not (self["name"].value() or self["connection"].value())


class Seen:
    """Whether the person was shown what would be registered: the link names they send with it."""

    selection: Selection
    typed: QueryDict | None

    @property
    def was_seen(self) -> bool:
        seen = self.typed.getlist("seen") if self.typed else []
        return {each.link_name for each in self.selection.to_register} <= set(seen)


class FlowForm(Seen, forms.Form):
    """A flow that is made, or another name and other steps for one that is there.

    While a step is added or taken away or a connection is looked for, nothing is checked.
    """

    name = forms.CharField(label="Flow name", max_length=80, validators=[NO_CONTROLS])
    slug = forms.CharField(
        max_length=60,
        validators=[SLUG],
        help_text="Calls name the flow by it, and so do addresses. It can't change later.",
        widget=forms.TextInput(
            {"class": "mono", "data-slug-from": "#id_name", "autocomplete": "off"}
        ),
    )

    def __init__(self, typed: QueryDict | None, *, place: Place, flow: Flow | None = None):
        self.typed, self.place, self.flow = typed, place, flow
        is_final = typed is not None and not any(name in typed for name in PRESSED)
        initial = {"name": flow.name} if flow else {}
        if typed is not None:
            initial = {name: typed.get(name, "") for name in ("name", "slug")}
        super().__init__(typed if is_final else None, initial=initial)
        if flow:
            del self.fields["slug"]
        self.selection = Selection([], [], {})

    def clean_slug(self) -> str:
        slug = self.cleaned_data["slug"]
        if slug in RESERVED or Flow.objects.filter(slug=slug).exists():
            raise forms.ValidationError(TAKEN)
        return slug

    def clean(self) -> None:
        super().clean()
        names: set[str] = set()
        for row in self._filled:
            row.full_clean()
            name = row.cleaned_data.get("name")
            if name in names:
                row.add_error("name", "Another step has this name.")
            names |= {name} if name else set()
        links = {row.cleaned_data.get("connection", "") for row in self._filled} - {""}
        self.selection = select(links - self._kept.keys(), self.place)
        for row in self._filled:
            if why := self.selection.refused.get(row.cleaned_data.get("connection", "")):
                row.add_error("connection", why)

    def is_valid(self) -> bool:
        return super().is_valid() and not any(row.errors for row in self._filled)

    @property
    def steps(self) -> list[DeclaredStep]:
        return [DeclaredStep(**row.cleaned_data) for row in self._filled]

    @property
    def parts(self) -> list[StepForm]:
        """For the list of all that is wrong."""
        return self._filled if self.is_bound else []

    @property
    def may_add(self) -> bool:
        return len(self.rows) < MOST_STEPS

    @cached_property
    def rows(self) -> list[StepForm]:
        """The steps as they are to be shown, each with its connection or some to choose from."""
        rows = [self._row(number, values) for number, values in self._values()]
        typed = {row["connection"].value() or "" for row in rows}
        links = {link_name for link_name in typed if re.fullmatch(LINK_NAME, link_name)}
        chosen = self._kept | {
            each.link_name: each for each in self._choices.filter(link_name__in=links)
        }
        searched = _number(self.typed, "search", "choices")
        if self.typed and "add" in self.typed and rows:
            rows[-1].fields["name"].widget.attrs["autofocus"] = True
        for row in rows:
            row.chosen = chosen.get(row["connection"].value() or "")
            if row.chosen is None or row.number == searched:
                self._open(row, searched)
        return rows

    @property
    def searched(self) -> StepForm | None:
        """The step whose connections are looked for."""
        number = _number(self.typed, "choices")
        return next((row for row in self.rows if row.number == number), None)

    @property
    def _filled(self) -> list[StepForm]:
        return [row for row in self.rows if not row.is_blank]

    def _values(self) -> Iterable[tuple[int, Mapping[str, Any]]]:
        if self.typed is None:
            return enumerate([_as_typed(step) for step in self._steps] or [{}])
        numbers = [int(n) for n in dict.fromkeys(self.typed.getlist("row")) if _is_number(n)]
        removed = _number(self.typed, "remove")
        kept = [number for number in numbers[:MOST_STEPS] if number != removed]
        if "add" in self.typed and len(kept) < MOST_STEPS:
            kept.append(max(numbers, default=-1) + 1)
        fields = StepForm.base_fields
        return [
            (n, {name: self.typed.get(f"step-{n}-{name}", "") for name in fields}) for n in kept
        ]

    def _row(self, number: int, values: Mapping[str, Any]) -> StepForm:
        typed = {f"step-{number}-{name}": value for name, value in values.items()}
        return StepForm(typed if self.is_bound else None, initial=values, number=number)

    def _open(self, row: StepForm, searched: int | None) -> None:
        found = self._first
        if self.typed and row.number == searched:
            row.is_searched = True
            row.search = _search(self.typed.get(f"step-{row.number}-q", ""))
            if row.search:
                found = self._some(row.search)
        others = [each for each in found if each != row.chosen]
        row.has_more = len(found) > SHOWN_AT_ONCE
        row.found = [*([row.chosen] if row.chosen else []), *others[:SHOWN_AT_ONCE]]

    @cached_property
    def _kept(self) -> dict[str, Connection]:
        """What the flow has already, by link name."""
        return {step.connection.link_name: step.connection for step in self._steps}

    @cached_property
    def _steps(self) -> list[Step]:
        if self.flow is None:
            return []
        return list(self.flow.steps.select_related("connection__service").order_by("name"))

    @cached_property
    def _choices(self) -> QuerySet[Connection]:
        return choosable(self.place).select_related("service").order_by("name", "link_name")

    @cached_property
    def _first(self) -> list[Connection]:
        return self._some("")

    def _some(self, text: str) -> list[Connection]:
        matching = Q(name__icontains=text) | Q(link_name__icontains=text) if text else Q()
        return list(self._choices.filter(matching)[: SHOWN_AT_ONCE + 1])


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
        self.search = _search(typed.get("q", "") if typed else searched)
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


def _as_typed(step: Step) -> dict[str, str]:
    return {"name": step.name, "kind": step.kind, "connection": step.connection.link_name}


def _number(typed: QueryDict | None, *names: str) -> int | None:
    """The number of the step that one of these buttons belongs to."""
    sent = next((str(typed[name]) for name in names if name in typed), "") if typed else ""
    return int(sent) if _is_number(sent) else None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 5


def _search(text: str) -> str:
    return text.replace("\0", "").strip()[:LONGEST_SEARCH]
