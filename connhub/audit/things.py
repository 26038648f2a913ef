"""What the log asks about the objects that its events name, which live in rooms it can't import."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q

from .models import Event

MOST_OFFERED = 8
IDS = ("pk", "public_id")
ARGUMENT = re.compile(r"<\w+:(\w+)>")


class Found(NamedTuple):
    """One that fits what was typed: its id, what names it alone, and what people call it."""

    pk: str
    key: str
    label: str

    def __str__(self):
        return f"{self.label} ({self.key})"


@dataclass(frozen=True)
class Thing:
    """A kind of object: where those are that still exist, and the fields that people know it by.

    `named_in` are the beginnings of routes whose last argument is one's id, or else the first of
    these fields. `ever` are all that the record may name, where some are kept that exist no more.
    """

    existing: Callable[[], models.QuerySet]
    known_by: Sequence[str] = ()
    named_in: Sequence[str] = ()
    ever: Callable[[], models.QuerySet] | None = None

    @property
    def all(self) -> models.QuerySet:
        return (self.ever or self.existing)()


# By model name, filled in the `ready()` of the app that knows.
things: dict[str, Thing] = {}


def find(model_name: str, text: str) -> list[Found]:
    """The one that the text names exactly; else up to eight that it is a part of."""
    thing = things.get(model_name)
    if thing is None:
        return []
    key = thing.known_by[0]
    for lookup in ("iexact", "icontains"):
        fits = Q()
        for field in thing.known_by:
            fits |= Q(**{f"{field}__{lookup}": text})
        found = list(thing.all.filter(fits).order_by(key)[:MOST_OFFERED])
        if found:
            return [Found(str(one.pk), str(getattr(one, key)), str(one)) for one in found]
    return []


def urls_of(references: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """The pages of those objects that exist and have one, in a query for each kind of object."""
    by_model: dict[str, set[str]] = defaultdict(set)
    for model_name, pk in references:
        by_model[model_name].add(pk)
    return {
        (model_name, str(one.pk)): one.get_absolute_url()
        for model_name, pks in by_model.items()
        if model_name in things
        for one in _existing(things[model_name], pks)
        if hasattr(one, "get_absolute_url")
    }


def _existing(thing: Thing, pks: set[str]) -> Iterable[models.Model]:
    try:
        return list(thing.existing().filter(pk__in=pks))
    except (ValueError, ValidationError):  # an id that such an object can't have
        return []


def named_in_url(route: str, arguments: Mapping[str, object]) -> models.Model | None:
    """The object that a URL names, the innermost of several, whether or not anybody may see it."""
    naming = ((start, thing) for thing in things.values() for start in thing.named_in)
    fits = [(start, thing) for start, thing in naming if route.startswith(start)]
    for start, thing in sorted(fits, key=lambda fit: len(fit[0]), reverse=True):
        argument = ARGUMENT.findall(start)[-1]
        field = argument if argument in IDS else thing.known_by[0]
        if found := thing.all.filter(**{field: arguments[argument]}).first():
            return found
    return None


def link(events: Iterable[Event]) -> None:
    """Give each event the `url` of what it happened to, or "" where there is none to see."""
    events = list(events)
    urls = urls_of((event.object_type, event.object_id) for event in events if event.object_id)
    for event in events:
        event.url = urls.get((event.object_type, event.object_id), "")
