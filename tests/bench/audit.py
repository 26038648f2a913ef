"""The audit log at a number of events: how fast it is verified, exported, and each page found.

python -m tests.bench.audit [EVENTS]

The database is a new one of DATABASE_URL's server, else a new SQLite file. The plans of the
queries are printed too.
"""

import os
import sys
import tempfile
import time

import django

BATCH = 5000
# As the filters of the log put them: lists that are merged.
FILTERS: dict[str, list[dict[str, str]]] = {
    "all": [{}],
    "rare person": [
        {"actor_type": "user", "actor_id": "7"},
        {"object_type": "user", "object_id": "7"},
    ],
    "busy person": [
        {"actor_type": "user", "actor_id": "1"},
        {"object_type": "user", "object_id": "1"},
    ],
    "connection": [{"object_type": "connection", "object_id": "77"}],
    "key": [
        {"actor_type": "integrationkey", "actor_id": "3"},
        {"object_type": "integrationkey", "object_id": "3"},
    ],
    "kind": [{"kind": "key"}],
    "action": [{"action": "key.revoked"}],
    "outcome": [{"outcome": "failed"}],
    "request": [{"request_id": f"{77:032x}"}],
}


def main(count: int) -> None:
    home = tempfile.mkdtemp(prefix="connhub-bench-")
    os.environ["CONNHUB_HOME"] = home
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    os.environ.setdefault("DATABASE_URL", f"sqlite:///{home}/audit.sqlite3")
    django.setup()

    from django.db import connection

    connection.creation.create_test_db(verbosity=0, autoclobber=True)
    try:
        fill(count)
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
        measure(count)
    finally:
        connection.creation.destroy_test_db(connection.settings_dict["NAME"], verbosity=0)


def fill(count: int) -> None:
    """Events as an installation has them: mostly secrets handed out, some changes, few failures."""
    from django.db import connection, transaction

    from connhub.audit import log

    started = time.perf_counter()
    for first in range(0, count, BATCH):
        with transaction.atomic():
            log._append_all([event(n) for n in range(first, min(first + BATCH, count))], False)
        connection.queries_log.clear()
    print(f"{connection.vendor}: {count:,} events written in {time.perf_counter() - started:.0f} s")


def event(number: int):
    from datetime import UTC, datetime, timedelta

    from connhub.audit.models import Event
    from connhub.audit.sentences import kind_of

    busy = number % 10
    action = (
        "credential.read" if busy < 7 else "connection.tested" if busy < 9 else "person.renamed"
    )
    if number % 1000 == 0:
        action = "key.revoked"
    is_key = action.startswith("credential")
    return Event(
        at=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=number * 20),
        actor_type="integrationkey" if is_key else "user",
        actor_id=str(number % 40) if is_key else "7" if number % 2000 == 9 else "1",
        actor="Somebody",
        ip="192.0.2.7",
        action=action,
        kind=kind_of(action),
        object_type="user" if busy == 9 else "connection",
        object_id=str(number % 50) if busy == 9 else str(number % 500),
        object=f"Connection {number % 500}",
        outcome="failed" if number % 500 == 8 else "ok",
        fields=["name"] if busy == 9 else [],
        detail={"took_ms": 42} if busy in (7, 8) else {},
        request_id=f"{number:032x}",
    )


def measure(count: int) -> None:
    from connhub.audit.exporting import FORMATS, batches
    from connhub.audit.models import Event
    from connhub.audit.verify import verify

    started, worked = time.perf_counter(), time.process_time()
    verdict = verify()
    wall, own = time.perf_counter() - started, time.process_time() - worked
    assert (verdict.events, verdict.problem) == (count, "")
    print(
        f"verify: {count / wall:,.0f} rows/s by the clock, {count / own:,.0f} by this process's time"
    )
    for name, write in FORMATS.items():
        worked = time.process_time()
        size = sum(len(piece) for piece in write(batches([Event.objects.all()])))
        own = time.process_time() - worked
        print(f"{name}: {count / own:,.0f} rows/s by this process's time, {size / 2**20:.0f} MiB")
    for name, wanted in FILTERS.items():
        look(name, [Event.objects.filter(**each) for each in wanted], count)


def look(name: str, lists: list, count: int) -> None:
    """The first page and one from the middle of the log, and the plans of the latter."""
    from datetime import UTC, datetime, timedelta

    from connhub.audit.looking import NEWEST
    from connhub.paging import _encode, merged

    middle = (
        lists[0]
        .filter(at__lte=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=count * 10))
        .first()
    )
    took = []
    for params in ({}, {"before": cursor_of(middle, _encode)} if middle else {}):
        started = time.perf_counter()
        merged([(events, NEWEST) for events in lists], params)
        took.append((time.perf_counter() - started) * 1000)
    print(f"{name:12} first page {took[0]:6.1f} ms, from the middle {took[1]:6.1f} ms")
    for events in lists if middle else ():
        print_plan(events, middle)


def cursor_of(event, encode) -> str:
    event.page_key = event.at
    return encode(event, "sequence")


def print_plan(events, middle) -> None:
    from django.db.models import F, Q

    rows = events.annotate(page_key=F("at")).order_by(F("page_key").desc(), F("sequence").desc())
    beyond = Q(page_key__lte=middle.at) & (
        Q(page_key__lt=middle.at) | Q(sequence__lt=middle.sequence)
    )
    for line in rows.filter(beyond)[:26].explain().splitlines():
        print(f"{'':14}{line}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200_000)
