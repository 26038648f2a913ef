"""The uses of a connection as rows of a table, a page at a time."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from .places import Place, Usage, Use, UsedFlow, UsingApp

ROWS = 100


@dataclass(frozen=True, slots=True)
class Row:
    """One use; `place` without one is an integration that only has the connection registered."""

    place: Place | None = None
    flow: UsedFlow | None = None
    use: Use | None = None
    app: UsingApp | None = None
    data_object: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    rows: list[Row]
    first: int
    total: int
    number: int
    only: str  # the slug of the one integration that it is narrowed to

    @property
    def last(self) -> int:
        return self.first + len(self.rows) - 1

    @property
    def before(self) -> int | None:
        return self.number - 1 or None

    @property
    def after(self) -> int | None:
        return self.number + 1 if self.last < self.total else None


def table_of(usage: Usage, params: Mapping[str, str]) -> Table:
    """The page that `params` name by `page`, of one integration if they name it by `in`.

    What makes no sense shows the first page, or all.
    """
    slugs = {place.slug for place in usage.places}
    only = params.get("in", "") if params.get("in") in slugs else ""
    rows = [row for row in _rows(usage) if not only or (row.place and row.place.slug == only)]
    asked = params.get("page", "")
    number = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 7 else 1
    if not rows[(number - 1) * ROWS :] or number < 1:
        number = 1
    first = (number - 1) * ROWS
    return Table(rows[first : first + ROWS], first + 1, len(rows), number, only)


def _rows(usage: Usage) -> Iterator[Row]:
    for place in usage.places:
        for flow in place.flows.values():
            yield from (Row(place, flow, use) for use in flow.steps)
        yield from (Row(place, None, use) for use in place.functions.values())
        if not place.flows and not place.functions:
            yield Row(place)
    yield from (Row(use=use) for use in usage.elsewhere)
    for app in usage.apps:
        yield from (Row(app=app, data_object=name) for name in app.objects)
