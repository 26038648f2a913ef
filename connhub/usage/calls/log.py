"""The call log: kept in memory for half a second, then written together in the background."""

import logging
import threading
import time
from collections import deque
from collections.abc import Sequence

from django.db import close_old_connections, connection, transaction
from django.db.models import Q

from connhub.audit.log import AuditUnavailable

from ..models import IntegrationKey
from .entry import Entry, moment
from .models import Call, CallTally
from .tallies import tallies_of

FLUSH_EVERY_S = 0.5
MOST_BEHIND_S = 5
COLUMNS = (
    "at", "connection", "integration", "environment", "key", "flow", "step", "user", "method", "path", "status", "problem",
    "took_ms", "bytes_in", "bytes_out",
)  # fmt: skip
log = logging.getLogger("connhub.usage.calls")


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
    """Put the calls into the log and what they add up to beside it, and note when keys were used."""
    # Rows by the thousand: making model instances would take the event loop's time.
    with connection.cursor() as cursor:
        cursor.executemany(_insert(), _rows(entries))
    # Rows that are nobody else's: two processes must not wait for each other.
    CallTally.objects.bulk_create(tallies_of(entries))
    for key, at in sorted({entry.key: entry.at for entry in entries}.items()):
        earlier = Q(last_used_at=None) | Q(last_used_at__lt=moment(at))
        IntegrationKey.objects.filter(earlier, pk=key).update(last_used_at=moment(at))


def _insert() -> str:
    quote = connection.ops.quote_name
    named = {field.name: str(field.column) for field in Call._meta.local_fields}
    columns = [quote(named[name]) for name in COLUMNS]
    places = ", ".join(["%s"] * len(COLUMNS))
    return f"INSERT INTO {quote(Call._meta.db_table)} ({', '.join(columns)}) VALUES ({places})"  # noqa: S608


def _rows(entries: Sequence[Entry]) -> list[tuple]:
    """The values of COLUMNS for each, as the database takes them."""
    adapted = connection.ops.adapt_datetimefield_value
    uuid = Call._meta.get_field("key")
    keys = {key: uuid.get_db_prep_value(key, connection) for key in {each.key for each in entries}}
    return [
        (
            adapted(moment(entry.at)),
            entry.connection,
            entry.integration,
            entry.environment,
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
