"""The call log: kept in memory for half a second, then written together in the background."""

import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

from django.db import close_old_connections, connection, transaction
from django.db.models import F

from connhub.audit.log import AuditUnavailable

from .models import Call, CallDay, IntegrationKey

FLUSH_EVERY_S = 0.5
MOST_BEHIND_S = 5
DAY_S = 86_400
FAILED = 400  # from this status on
COLUMNS = (
    "at", "connection", "key", "flow", "step", "user", "method", "path", "status", "problem",
    "took_ms", "bytes_in", "bytes_out",
)  # fmt: skip
log = logging.getLogger("connhub.usage.calls")


class Entry(NamedTuple):
    """One call as it goes into the log; `at` is in seconds since 1970, `problem` ConnHub's own."""

    at: float
    connection: int
    integration: int
    environment: int
    key: UUID
    flow: str
    step: str
    user: str
    method: str
    path: str
    status: int
    problem: str
    took_ms: int
    bytes_in: int
    bytes_out: int


class CallLog:
    """Takes entries from the event loop and writes them from a thread of its own."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque()
        self._behind_since: float | None = None  # time.monotonic() of the oldest unwritten entry
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="call-log", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Write what is left and end the thread."""
        self._stopping.set()
        self._thread.join(timeout=MOST_BEHIND_S)

    def add(self, entry: Entry) -> None:
        if self._behind_since is None:
            self._behind_since = time.monotonic()
        self._entries.append(entry)

    def require_writable(self) -> None:
        """Raises: AuditUnavailable, when something has been unwritten for more than 5 s."""
        since = self._behind_since
        if since is not None and time.monotonic() - since > MOST_BEHIND_S:
            raise AuditUnavailable

    def flush(self) -> None:
        """Write everything that was added so far; what can't be written stays for the next time."""
        started = time.monotonic()
        entries = [self._entries.popleft() for _ in range(len(self._entries))]
        try:
            if entries:
                close_old_connections()
                write(entries)
        except Exception as error:  # whatever it is: a dead thread would lose calls unnoticed
            self._entries.extendleft(reversed(entries))
            self._behind_since = self._behind_since or started
            log.warning("The call log can't be written.", extra={"error": type(error).__name__})
        else:
            # An entry that came meanwhile is younger than this.
            self._behind_since = started if self._entries else None

    def _run(self) -> None:
        while not self._stopping.wait(FLUSH_EVERY_S):
            self.flush()
        self.flush()
        connection.close()


@transaction.atomic
def write(entries: Sequence[Entry]) -> None:
    """Put the calls into the log, add them to the days' sums, and note when keys were used."""
    # Rows by the thousand: making model instances would take the event loop's time.
    with connection.cursor() as cursor:
        cursor.executemany(_insert(), _rows(entries))
    _add_to_days(entries)
    for key, at in sorted({entry.key: entry.at for entry in entries}.items()):
        IntegrationKey.objects.filter(pk=key).update(last_used_at=_moment(at))


def _insert() -> str:
    quote = connection.ops.quote_name
    named = {field.name: str(field.column) for field in Call._meta.local_fields}
    columns = [quote(named[name]) for name in COLUMNS]
    places = ", ".join(["%s"] * len(COLUMNS))
    return f"INSERT INTO {quote(Call._meta.db_table)} ({', '.join(columns)}) VALUES ({places})"  # noqa: S608


def _rows(entries: Sequence[Entry]) -> list[tuple]:
    """The values of COLUMNS for each, as the database takes them."""
    moment = connection.ops.adapt_datetimefield_value
    uuid = Call._meta.get_field("key")
    keys = {key: uuid.get_db_prep_value(key, connection) for key in {each.key for each in entries}}
    return [
        (
            moment(_moment(entry.at)),
            entry.connection,
            keys[entry.key],
            entry.flow,
            entry.step,
            entry.user,
            entry.method[:10],
            entry.path[:300],
            entry.status,
            entry.problem,
            entry.took_ms,
            entry.bytes_in,
            entry.bytes_out,
        )
        for entry in entries
    ]


def _moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def _add_to_days(entries: Sequence[Entry]) -> None:
    sums: dict[tuple[int, int, int, int], list] = {}
    for entry in entries:
        day_number = int(entry.at // DAY_S)
        place = (entry.connection, day_number, entry.integration, entry.environment)
        day = sums.setdefault(place, [0, 0, 0.0])
        day[entry.status >= FAILED] += 1
        day[2] = entry.at
    # Always in the same order: two processes must not wait for each other's rows.
    for place in sorted(sums):
        _add_to_day(*place, *sums[place])


def _add_to_day(
    connection_id: int,
    day: int,
    integration_id: int,
    environment_id: int,
    ok: int,
    failed: int,
    last: float,
) -> None:
    row, _ = CallDay.objects.get_or_create(
        connection_id=connection_id,
        day=_moment(day * DAY_S).date(),
        integration_id=integration_id,
        environment_id=environment_id,
    )
    CallDay.objects.filter(pk=row.pk).update(
        ok=F("ok") + ok, failed=F("failed") + failed, last_at=_moment(last)
    )
