"""Pages of a sorted list by key: as fast for the last page as for the first."""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Expression, F, Q, QuerySet

SIZE = 25
MOST_COUNTED = 1_000


@dataclass(frozen=True, slots=True)
class Order:
    """A sort by one key, ties broken by a unique field; `key` is a field name or an expression."""

    label: str
    key: str | Expression
    unique: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows and the cursors of their neighbours ("" where there is none)."""

    rows: list
    newer: str
    older: str


def total_of(queryset: QuerySet, found: Page) -> int:
    """How many there are of which `found` is a page; beyond MOST_COUNTED nobody counts on."""
    if not (found.newer or found.older):
        return len(found.rows)
    return queryset.order_by()[: MOST_COUNTED + 1].count()


def in_words(total: int) -> str:
    """A count as people read it: "1,234", or "1,000+" where nobody counted on."""
    return f"{min(total, MOST_COUNTED):,}{'+' if total > MOST_COUNTED else ''}"


def page(queryset: QuerySet, order: Order, params: Mapping[str, str], size: int = SIZE) -> Page:
    """The page that `params` name by `before` or `after`; the first one where they make no sense."""
    return merged([(queryset, order)], params, size)


def merged(
    lists: Sequence[tuple[QuerySet, Order]], params: Mapping[str, str], size: int = SIZE
) -> Page:
    """The page of several lists made one: their orders differ in the key alone.

    The unique field tells their rows apart; one that is in several lists counts once.
    """
    cursor, backwards = _cursor(params)
    found: list[Any] = []
    try:
        for queryset, order in lists:
            found += _some(queryset, order, cursor, backwards, size + 1)
    except (ValueError, TypeError, ValidationError):
        return merged(lists, {}, size)
    if not lists:
        return Page([], "", "")
    unique, reverse = lists[0][1].unique, lists[0][1].descending != backwards
    if len(lists) > 1:
        found = list({getattr(row, unique): row for row in found}.values())
        found.sort(key=lambda row: (row.page_key, getattr(row, unique)), reverse=reverse)
    more, found = len(found) > size, found[:size]
    if backwards:
        found.reverse()
    has_newer, has_older = (more, bool(cursor)) if backwards else (bool(cursor), more)
    return Page(
        found,
        _encode(found[0], unique) if found and has_newer else "",
        _encode(found[-1], unique) if found and has_older else "",
    )


def _some(
    queryset: QuerySet, order: Order, cursor: list | None, backwards: bool, most: int
) -> QuerySet:
    """The first rows from the cursor on, nearest first."""
    queryset = queryset.annotate(page_key=F(order.key) if isinstance(order.key, str) else order.key)
    reverse = order.descending != backwards
    keys = [F("page_key"), F(order.unique)]
    rows = queryset.order_by(*(k.desc() if reverse else k.asc() for k in keys))
    if cursor:
        rows = rows.filter(_beyond(cursor, order.unique, "lt" if reverse else "gt"))
    return rows[:most]


def _cursor(params: Mapping[str, str]) -> tuple[list | None, bool]:
    """The cursor that makes sense, if any does, and whether the walk goes back towards the first."""
    for name in ("after", "before"):
        if cursor := _decode(params.get(name, "")):
            return cursor, name == "after"
    return None, False


def _beyond(cursor: list, unique: str, than: str) -> Q:
    value, tie = cursor
    # The first condition alone is a range of the index, however deep in the list.
    reach = Q(**{f"page_key__{than}e": value})
    return reach & (Q(**{f"page_key__{than}": value}) | Q(**{f"{unique}__{than}": tie}))


def _encode(row: Any, unique: str) -> str:
    key = row.page_key
    key = key.isoformat() if hasattr(key, "isoformat") else key
    text = json.dumps([key, getattr(row, unique)], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _decode(text: str) -> list | None:
    try:
        cursor = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        return None
    pair = isinstance(cursor, list) and len(cursor) == 2
    return cursor if pair and all(_is_simple(part) for part in cursor) else None


def _is_simple(part: Any) -> bool:
    """A number or a text that any database takes."""
    return isinstance(part, int) or (isinstance(part, str) and "\0" not in part)
