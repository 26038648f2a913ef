"""What a person types about a flow, an app or a function: its name, and what it uses."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from django import forms
from django.core.validators import RegexValidator
from django.db.models import Q, QuerySet
from django.http import QueryDict
from django.utils.functional import cached_property

from connhub.connections.models import LINK_NAME, Connection
from connhub.forms import NO_CONTROLS

from .declaring import MOST_USES, Sort, Use, said_of
from .selecting import Place, Selection, choosable, select

# Buttons that change the form and save nothing.
PRESSED = ("add", "remove", "search", "choices", "back")
SHOWN_AT_ONCE = 20
LONGEST_SEARCH = 80


class UseForm(forms.Form):
    """One use of a connection; `found` are those to choose from, while it is open."""

    noun: ClassVar[str] = "Connection"
    known_by: ClassVar[str] = "connection"
    twice: ClassVar[str] = "It is chosen already."

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
        return f"{self.noun} {self.number + 1}"

    @property
    def is_blank(self) -> bool:
        return not self["connection"].value()

    @property
    def others(self) -> list[forms.BoundField]:
        """What is asked besides the connection."""
        return [field for field in self if field.name != "connection"]


class NamedUseForm(UseForm):
    """One that has a name of its own."""

    known_by = "name"

    name = forms.CharField(max_length=80, validators=[NO_CONTROLS])
    field_order = ["name"]

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.fields["name"].label = self.noun

    @property
    def title(self) -> str:
        return f"{self.noun} {self['name'].value() or self.number + 1}"

    @property
    def is_blank(self) -> bool:
        return super().is_blank and not self["name"].value()


class Seen:
    """Whether the person was shown what would be registered: the link names they send with it."""

    selection: Selection
    typed: QueryDict | None

    @property
    def was_seen(self) -> bool:
        seen = self.typed.getlist("seen") if self.typed else []
        return {each.link_name for each in self.selection.to_register} <= set(seen)


class DeclaringForm(Seen, forms.Form):
    """Something that is made, or another name and other uses for one that is there.

    While a use is added or taken away or a connection is looked for, nothing is checked.
    """

    sort: ClassVar[Sort]
    row: ClassVar[type[UseForm]]

    def __init__(self, typed: QueryDict | None, *, place: Place, thing: Any = None):
        self.typed, self.place, self.thing = typed, place, thing
        is_final = typed is not None and not any(name in typed for name in PRESSED)
        initial = {"name": thing.name} if thing else {}
        if typed is not None:
            initial = {name: typed.get(name, "") for name in self.base_fields}
        super().__init__(typed if is_final else None, initial=initial)
        if thing:
            del self.fields[self.sort.model.KEY]
        self.selection = Selection([], [], {})

    def clean(self) -> None:
        super().clean()
        self._require_free()
        known: set[str] = set()
        for row in self.filled:
            row.full_clean()
            key = row.cleaned_data.get(row.known_by)
            if key in known:
                row.add_error(row.known_by, row.twice)
            known |= {key} if key else set()
        links = {row.cleaned_data.get("connection", "") for row in self.filled} - {""}
        self.selection = select(links - self._kept.keys(), self.place)
        for row in self.filled:
            if why := self.selection.refused.get(row.cleaned_data.get("connection", "")):
                row.add_error("connection", why)

    def _require_free(self) -> None:
        field = self.sort.model.KEY
        key = self.cleaned_data.get(field) if field in self.fields else None
        if key is None:
            return
        taken = self.sort.named(key, self.place.integration).exists()
        if taken or key in self.sort.reserved:
            self.add_error(field, self.sort.taken.text)

    def is_valid(self) -> bool:
        return super().is_valid() and not any(row.errors for row in self.filled)

    @property
    def thing_name(self) -> str:
        return self.cleaned_data["name"] if "name" in self.fields else self.thing.name

    @property
    def uses(self) -> list[Use]:
        return [self.sort.use(**row.cleaned_data) for row in self.filled]

    @property
    def parts(self) -> list[UseForm]:
        """For the list of all that is wrong."""
        return self.filled if self.is_bound else []

    @property
    def noun(self) -> str:
        """Of what it uses."""
        return self.row.noun

    @property
    def may_add(self) -> bool:
        return len(self.rows) < MOST_USES

    @cached_property
    def rows(self) -> list[UseForm]:
        """The uses as they are to be shown, each with its connection or some to choose from."""
        rows = [self._row(number, values) for number, values in self._values()]
        typed = {row["connection"].value() or "" for row in rows}
        links = {link_name for link_name in typed if re.fullmatch(LINK_NAME, link_name)}
        chosen = self._kept | {
            each.link_name: each for each in self._choices.filter(link_name__in=links)
        }
        searched = _number(self.typed, "search", "choices")
        if self.typed and "add" in self.typed and rows:
            first = next(iter(rows[-1].fields.values()))
            first.widget.attrs["autofocus"] = True
        for row in rows:
            row.chosen = chosen.get(row["connection"].value() or "")
            if row.chosen is None or row.number == searched:
                self._open(row, searched)
        return rows

    @property
    def searched(self) -> UseForm | None:
        """The use whose connections are looked for."""
        number = _number(self.typed, "choices")
        return next((row for row in self.rows if row.number == number), None)

    @property
    def filled(self) -> list[UseForm]:
        return [row for row in self.rows if not row.is_blank]

    def _values(self) -> Iterable[tuple[int, Mapping[str, Any]]]:
        names = self.row.base_fields
        if self.typed is None:
            there = [{name: said_of(use, name) for name in names} for use in self._uses]
            return enumerate(there or [{}])
        numbers = [int(n) for n in dict.fromkeys(self.typed.getlist("row")) if _is_number(n)]
        removed = _number(self.typed, "remove")
        kept = [number for number in numbers[:MOST_USES] if number != removed]
        if "add" in self.typed and len(kept) < MOST_USES:
            kept.append(max(numbers, default=-1) + 1)
        return [(n, {name: self.typed.get(f"step-{n}-{name}", "") for name in names}) for n in kept]

    def _row(self, number: int, values: Mapping[str, Any]) -> UseForm:
        typed = {f"step-{number}-{name}": value for name, value in values.items()}
        return self.row(typed if self.is_bound else None, initial=values, number=number)

    def _open(self, row: UseForm, searched: int | None) -> None:
        found = self._first
        if self.typed and row.number == searched:
            row.is_searched = True
            row.search = search_text(self.typed.get(f"step-{row.number}-q", ""))
            if row.search:
                found = self._some(row.search)
        others = [each for each in found if each != row.chosen]
        row.has_more = len(found) > SHOWN_AT_ONCE
        row.found = [*([row.chosen] if row.chosen else []), *others[:SHOWN_AT_ONCE]]

    @cached_property
    def _kept(self) -> dict[str, Connection]:
        """What it uses already, by link name."""
        return {use.connection.link_name: use.connection for use in self._uses}

    @cached_property
    def _uses(self) -> list[Any]:
        if self.thing is None:
            return []
        uses = getattr(self.thing, self.sort.uses).select_related("connection__service")
        return sorted(uses, key=lambda use: use.key)

    @cached_property
    def _choices(self) -> QuerySet[Connection]:
        return choosable(self.place).select_related("service").order_by("name", "link_name")

    @cached_property
    def _first(self) -> list[Connection]:
        return self._some("")

    def _some(self, text: str) -> list[Connection]:
        matching = Q(name__icontains=text) | Q(link_name__icontains=text) if text else Q()
        return list(self._choices.filter(matching)[: SHOWN_AT_ONCE + 1])


def search_text(text: str) -> str:
    """What is looked for, as the database takes it."""
    return text.replace("\0", "").strip()[:LONGEST_SEARCH]


def _number(typed: QueryDict | None, *names: str) -> int | None:
    """The number of the use that one of these buttons belongs to."""
    sent = next((str(typed[name]) for name in names if name in typed), "") if typed else ""
    return int(sent) if _is_number(sent) else None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 5
