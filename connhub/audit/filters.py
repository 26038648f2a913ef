"""What the audit log is narrowed by: all of it stands in the URL."""

import re
from collections.abc import Iterable
from datetime import timedelta
from itertools import product
from typing import NamedTuple
from urllib.parse import urlencode

from django import forms

from connhub.days import midnight
from connhub.forms import NO_CONTROLS

from . import things
from .models import Event, EventQuerySet
from .sentences import KINDS, OUTCOMES, SENTENCES, action_label, kind_label, kind_of

REFERENCE = re.compile(r"\A[a-z]{1,30}:[A-Za-z0-9-]{1,40}\Z")
REQUEST_ID = re.compile(r"\A[0-9a-f]{32}\Z")


class Sought(NamedTuple):
    """What a text field is for: objects of one kind, and on which sides of events they stand."""

    model_name: str
    sides: tuple[str, ...]


SOUGHT = {
    "person": Sought("user", ("actor", "object")),
    "key": Sought("integrationkey", ("actor", "object")),
    "connection": Sought("connection", ("object",)),
}


def _kinds() -> list[tuple[str, list[tuple[str, str]] | str]]:
    """Every kind, with all of it first and then each of its actions."""
    choices: list[tuple[str, list[tuple[str, str]] | str]] = [("", "Everything")]
    for kind in KINDS:
        of_kind = [name for name in SENTENCES if kind_of(name) == kind]
        label = kind_label(kind)
        actions = [(name, action_label(name)) for name in of_kind]
        choices.append((label, [(kind, f"{label}: all"), *actions]))
    return choices


def _line(**attrs: str) -> forms.CharField:
    widget = forms.TextInput(attrs={"type": "search", **attrs})
    return forms.CharField(required=False, max_length=254, validators=[NO_CONTROLS], widget=widget)


def _day() -> forms.DateField:
    return forms.DateField(required=False, widget=forms.DateInput({"type": "date"}, "%Y-%m-%d"))


class FilterForm(forms.Form):
    """Whoever did it, what it happened to, what it was, how it ended, and when.

    `actor` and `object` are exact references, such as `user:12`, that links carry.
    """

    person = _line(placeholder="Name or e-mail")
    connection = _line(placeholder="Name or link name")
    key = _line(placeholder="Name or prefix")
    kind = forms.ChoiceField(choices=_kinds, required=False)
    outcome = forms.ChoiceField(choices=[("", "Any"), *OUTCOMES.items()], required=False)
    since = _day()
    until = _day()
    actor = forms.RegexField(REFERENCE, required=False, widget=forms.HiddenInput)
    object = forms.RegexField(REFERENCE, required=False, widget=forms.HiddenInput)
    request = forms.RegexField(REQUEST_ID, required=False, widget=forms.HiddenInput)

    def clean(self) -> dict:
        self.found: dict[str, str] = {}
        self.offered: dict[str, list[things.Found]] = {}
        for name, sought in SOUGHT.items():
            if text := self.cleaned_data.get(name, "").strip():
                self._look_up(name, sought.model_name, text)
        since, until = self.cleaned_data.get("since"), self.cleaned_data.get("until")
        if since and until and until < since:
            self.add_error("until", "This is before the first day.")
        return self.cleaned_data

    def _look_up(self, name: str, model_name: str, text: str) -> None:
        found = things.find(model_name, text)
        if len(found) == 1:
            self.found[name] = found[0].pk
        elif found:
            self.offered[name] = found
            self.add_error(name, "Several fit. Choose one:")
        else:
            self.add_error(name, f"There is no such {name}.")

    def lists(self) -> list[EventQuerySet]:
        """Those that fit; none while something typed can't be understood.

        A list for each way in which what was typed can stand in an event: each is one range of an
        index, and an event may be in several.
        """
        if not self.is_valid():
            return []
        sides = (SOUGHT[name].sides for name in self.found)
        ways = [way for way in product(*sides) if len(set(way)) == len(way)]
        events = self._narrowed(Event.objects.all())
        return [self._standing(events, way) for way in ways]

    def _standing(self, events: EventQuerySet, way: Iterable[str]) -> EventQuerySet:
        """Those in which what was typed stands on these sides."""
        for (name, pk), side in zip(self.found.items(), way, strict=True):
            events = events.on_side(side, SOUGHT[name].model_name, pk)
        return events

    def _narrowed(self, events: EventQuerySet) -> EventQuerySet:
        wanted = self.cleaned_data
        for side in ("actor", "object"):
            if reference := wanted[side]:
                model_name, _, pk = reference.partition(":")
                events = events.on_side(side, model_name, pk)
        if kind := wanted["kind"]:
            events = events.filter(**{"action" if "." in kind else "kind": kind})
        if wanted["outcome"]:
            events = events.filter(outcome=wanted["outcome"])
        if wanted["request"]:
            events = events.filter(request_id=wanted["request"])
        if since := wanted["since"]:
            events = events.filter(at__gte=midnight(since))
        if (until := wanted["until"]) and until.year < 9999:
            events = events.filter(at__lt=midnight(until + timedelta(days=1)))
        return events

    @property
    def query(self) -> str:
        """What is asked for, as it stands in the URL."""
        typed = {name: self.data.get(name, "").strip() for name in self.fields}
        return urlencode({name: value for name, value in typed.items() if value})

    @property
    def shown(self) -> str:
        """The same for the record, cut to what people read."""
        return self.query[:200]
