"""Pages of a sorted list by key: as fast for the last page as for the first."""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Expression, F, Q, QuerySet

SIZE = 25


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


def page(queryset: QuerySet, order: Order, params: Mapping[str, str], size: int = SIZE) -> Page:
    """The page that `params` name by `before` or `after`; the first one where they make no sense."""
    queryset = queryset.annotate(page_key=F(order.key) if isinstance(order.key, str) else order.key)
    cursor, backwards = _cursor(params)
    reverse = order.descending != backwards
    keys = [F("page_key"), F(order.unique)]
    rows = queryset.order_by(*(k.desc() if reverse else k.asc() for k in keys))
    try:
        if cursor:
            rows = rows.filter(_beyond(cursor, order.unique, "lt" if reverse else "gt"))
        found = list(rows[: size + 1])
    except (ValueError, TypeError, ValidationError):
        return page(queryset, order, {}, size)
    more, found = len(found) > size, found[:size]
    if backwards:
        found.reverse()
    has_newer, has_older = (more, bool(cursor)) if backwards else (bool(cursor), more)
    return Page(
        found,
        _encode(found[0], order.unique) if found and has_newer else "",
        _encode(found[-1], order.unique) if found and has_older else "",
    )


def _cursor(params: Mapping[str, str]) -> tuple[list | None, bool]:
    """The cursor that makes sense, if any does, and whether the walk goes back towards the first."""
    for name in ("after", "before"):
        if cursor := _decode(params.get(name, "")):
            return cursor, name == "after"
    return None, False


def _beyond(cursor: list, unique: str, than: str) -> Q:
    value, tie = cursor
    return Q(**{f"page_key__{than}": value}) | Q(page_key=value, **{f"{unique}__{than}": tie})


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
