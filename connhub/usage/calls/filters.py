"""What a list of calls is narrowed by: all of it stands in the URL."""

from datetime import date, timedelta
from functools import cached_property
from typing import Any

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db.models import QuerySet
from django.utils import timezone

from connhub.accounts.models import Environment
from connhub.days import midnight
from connhub.forms import NO_CONTROLS

from .models import FAILED, Call

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
OUTCOMES = {"ok": "Went well", "failed": "Failed"}
# Without a day, what only few calls may fit is looked for this far back.
SPAN = timedelta(days=1)
A_DAY = [MinValueValidator(date(2000, 1, 1)), MaxValueValidator(date(2199, 12, 31))]


def _line(longest: int, **attrs: str) -> forms.CharField:
    widget = forms.TextInput(attrs={"type": "search", **attrs})
    return forms.CharField(
        required=False, max_length=longest, validators=[NO_CONTROLS], widget=widget
    )


class FilterForm(forms.Form):
    """How a call ended, where, whose it was, what it asked for, and when.

    `place` is the field that the calls are told apart by: integration or connection.
    """

    outcome = forms.ChoiceField(choices=[("", "Any"), *OUTCOMES.items()], required=False)
    environment = forms.ChoiceField(required=False)
    place = forms.ChoiceField(required=False)
    flow = _line(60)
    step = _line(80)
    method = forms.ChoiceField(choices=[("", "Any"), *zip(METHODS, METHODS, strict=True)], required=False)  # fmt: skip
    day = forms.DateField(
        required=False, validators=A_DAY, widget=forms.DateInput({"type": "date"}, "%Y-%m-%d")
    )
    path = _line(300, placeholder="Starts with, of a day")

    def __init__(self, query: Any, *, place: str, choices: list[tuple[int, str]]) -> None:
        super().__init__(query)
        self.places = place
        self.fields["place"].label = place.capitalize()
        offered = {
            "environment": list(Environment.objects.values_list("pk", "name")),
            "place": choices,
        }
        for name, found in offered.items():
            of_field = self.fields[name]
            assert isinstance(of_field, forms.ChoiceField)
            of_field.choices = [("", "Any"), *found]

    def clean(self) -> dict:
        if self.cleaned_data.get("path") and not self.cleaned_data.get("day"):
            self.add_error("day", "Choose the day on which to look for the path.")
        return self.cleaned_data

    @property
    def is_used(self) -> bool:
        return any(self.data.get(name) for name in self.fields)

    @property
    def names_a_flow(self) -> bool:
        """Whether it asks by names that only those may read who see the place."""
        return bool(self.data.get("flow") or self.data.get("step"))

    @cached_property
    def since(self) -> date | None:
        """The day that is looked through, or from which on; None where all of them are."""
        wanted = self.cleaned_data
        # Failed calls have an index of their own.
        is_selective = any(
            value and name != "day" and (name, value) != ("outcome", "failed")
            for name, value in wanted.items()
        )
        return wanted["day"] or ((timezone.localdate() - SPAN) if is_selective else None)

    @property
    def before(self) -> str:
        """The day before what is looked through."""
        return (self.since - SPAN).isoformat() if self.since else ""

    def of(self, calls: QuerySet[Call]) -> QuerySet[Call]:
        """Those that fit; none while something typed can't be understood."""
        if not self.is_valid():
            return calls.none()
        wanted = self.cleaned_data
        exact = {
            "environment": wanted["environment"],
            self.places: wanted["place"],
            "flow": wanted["flow"],
            "step": wanted["step"],
            "method": wanted["method"],
            "path__startswith": wanted["path"],
        }
        calls = calls.filter(**{name: value for name, value in exact.items() if value})
        if outcome := wanted["outcome"]:
            than = "gte" if outcome == "failed" else "lt"
            calls = calls.filter(**{f"status__{than}": FAILED})
        if self.since:
            calls = calls.filter(at__gte=midnight(self.since))
        if day := wanted["day"]:
            calls = calls.filter(at__lt=midnight(day + SPAN))
        return calls
