"""Server time and queries of the pages people open most, with few and with many connections.

python -m tests.bench.pages [FEW] [MANY]

The database is that of DATABASE_URL, which must be empty, else a new SQLite file. With SQLite the
time is that of this process alone, whatever else the machine does; with PostgreSQL it is what passed.
"""

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from statistics import quantiles

import django

ROUNDS = 15
AIM = 1.5
LISTING = "/connections/"
PAGES = (
    *(f"{LISTING}?sort={sort}" for sort in ("name", "status", "created", "modified")),
    *(f"{LISTING}?{query}" for query in ("q=number+77", "q=nothing-like-it", "service=service-7")),
    *(f"{LISTING}?status={status}" for status in (1, 4)),
    *(f"{LISTING}?environment={slug}" for slug in ("development", "production")),
    *(f"{LISTING}?tag={tag}" for tag in ("common", "rare", "none-has-it")),
    *(f"{LISTING}?{query}" for query in ("show=mine", "show=shared", "integration=i")),
    *(f"{LISTING}?{query}" for query in ("unused=90", "unused=90&sort=created")),
    f"{LISTING}unused/",
    "/connections/c100/",
    "/connections/c100/usage/",
    "/readiness/",
    "/readiness/?gaps=1",
)
SERVICES = 1000
GALLERY = (
    "/connections/new/",
    "/connections/new/?page=8",
    "/connections/new/?q=service+77+connector",
    "/connections/new/?auth=api_key&category=CRM",
    "/services/?kind=databases",
)


def main(few: int, many: int) -> None:
    home = tempfile.mkdtemp(prefix="connhub-bench-")
    os.environ["CONNHUB_HOME"] = home
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    os.environ.setdefault("DATABASE_URL", f"sqlite:///{home}/pages.sqlite3")
    django.setup()

    from django.core.management import call_command

    from tests.bench import fill

    call_command("migrate", verbosity=0)
    people = fill.people()
    fill.fill(people, few)
    fill.fill_services(SERVICES)
    _gather_statistics()
    before = {key: took for key, took, _, _ in measured(people, few)}
    fill.fill(people, many, few)
    _gather_statistics()
    print(f"{SERVICES:,} services; server time in ms: median (quartiles), over {ROUNDS} rounds")
    print(f"{'':12} {'':36} {few:>20,} {many:>20,}  ratio queries status")
    for key, took, queries, status in measured(people, many):
        ratio = took[1] / before[key][1]
        note = "" if ratio <= AIM else " <- above the aim"
        print(
            f"{key[0]:12} {key[1]:36} {_text(before[key]):>20} {_text(took):>20}"
            f" {ratio:6.2f} {queries:7} {status:6}{note}",
            flush=True,
        )


def _text(took: list[float]) -> str:
    return f"{took[1]:.1f} ({took[0]:.1f}–{took[2]:.1f})"


def _gather_statistics() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def measured(people: dict, count: int) -> Iterator[tuple]:
    """For each person and page: quartiles of the server time in ms, queries, status."""
    for who, person in people.items():
        places = {f"{LISTING} in the middle": count // 2, f"{LISTING} at the end": count - 10}
        places = {name: _beyond(place) for name, place in places.items()}
        for path in PAGES + GALLERY:
            yield (who, path), *measure(person, path)
        for name, path in places.items():
            yield (who, name), *measure(person, path)


def _beyond(place: int) -> str:
    """The listing's page after the connection that stands at this place by name."""
    from connhub import paging
    from connhub.connections.listing import ORDERS
    from connhub.connections.models import Connection

    order = ORDERS["name"]
    row = Connection.objects.annotate(page_key=order.key).order_by("page_key", "link_name")[place]
    return f"{LISTING}?before={paging._encode(row, order.unique)}"


def measure(person, path: str) -> tuple[list[float], int, int]:
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    client = Client(headers={"host": "127.0.0.1:8000"})
    client.force_login(person)
    client.get(path)
    clock = time.process_time if connection.vendor == "sqlite" else time.perf_counter
    took = []
    for _ in range(ROUNDS):
        started = clock()
        client.get(path)
        took.append((clock() - started) * 1000)
    with CaptureQueriesContext(connection) as queries:
        response = client.get(path)
    return quantiles(took, n=4), len(queries), response.status_code


if __name__ == "__main__":
    sizes = [int(argument) for argument in sys.argv[1:]] or [1000, 100_000]
    main(sizes[0], sizes[-1])
