"""The log as a file, written while it is read: the memory it takes doesn't grow with the log."""

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC

from connhub.paging import merged

from .filters import FilterForm
from .log import COLUMNS, record
from .looking import NEWEST
from .models import Event, EventQuerySet

BATCH = 1000
SIGNED = (*COLUMNS, "key_id", "mac")
# What a spreadsheet would take for a formula (OWASP, CSV injection).
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def as_dict(event: Event) -> dict:
    """All that is on record of it, and the sentence that it makes."""
    row = {name: getattr(event, name) for name in SIGNED}
    return row | {"at": _moment(event), "sentence": event.sentence}


def as_json(event: Event) -> str:
    """One line."""
    return json.dumps(as_dict(event), ensure_ascii=False, separators=(",", ":")) + "\n"


def _moment(event: Event) -> str:
    return event.at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def export(form: FilterForm, format: str, *, by) -> Iterator[str]:
    """The file's text in pieces, newest event first; that it was taken is on record before.

    Raises: AuditUnavailable.
    """
    lists = form.lists()
    detail = {"filters": form.shown, "format": format}
    record("audit.exported", by=by, detail=detail, change=False)
    return FORMATS[format](batches(lists))


def batches(lists: Sequence[EventQuerySet]) -> Iterator[list[Event]]:
    """All of them by the thousand, newest first, without a long transaction."""
    cursor = ""
    while True:
        found = merged([(events, NEWEST) for events in lists], {"before": cursor}, BATCH)
        yield found.rows
        cursor = found.older
        if not cursor:
            return


def _json_lines(found: Iterator[list[Event]]) -> Iterator[str]:
    for batch in found:
        yield "".join(map(as_json, batch))


class _Echo:
    """What the CSV writer writes comes back from it."""

    def write(self, line: str) -> str:
        return line


def _csv(found: Iterator[list[Event]]) -> Iterator[str]:
    writer = csv.writer(_Echo())
    yield writer.writerow([*SIGNED, "sentence"])
    for batch in found:
        yield "".join(writer.writerow(map(_cell, as_dict(event).values())) for event in batch)


def _cell(value: object) -> str:
    """As text that no spreadsheet takes for a formula."""
    if isinstance(value, list):
        value = ", ".join(map(str, value))
    elif isinstance(value, dict):
        value = json.dumps(value, ensure_ascii=False) if value else ""
    text = str(value)
    return f"'{text}" if text.lstrip().startswith(FORMULA) or text.startswith(FORMULA) else text


FORMATS: dict[str, Callable[[Iterator[list[Event]]], Iterator[str]]] = {
    "csv": _csv,
    "jsonl": _json_lines,
}
TYPES = {"csv": "text/csv; charset=utf-8", "jsonl": "application/jsonl; charset=utf-8"}
