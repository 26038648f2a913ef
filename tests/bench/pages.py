"""Server time and queries of the pages people open most, at a number of connections.

python -m tests.bench.pages [CONNECTIONS]
"""

import os
import sys
import tempfile
import time
from statistics import median, quantiles

import django

ROUNDS = 20
PAGES = (
    "/connections/",
    "/connections/?sort=status",
    "/connections/?sort=modified",
    "/connections/?q=number+77",
    "/connections/?status=4",
    "/connections/c77/",
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


def main(count: int) -> None:
    home = tempfile.mkdtemp(prefix="connhub-bench-")
    os.environ["CONNHUB_HOME"] = home
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    os.environ.setdefault("DATABASE_URL", f"sqlite:///{home}/pages.sqlite3")
    django.setup()

    from django.core.management import call_command

    from tests.bench.fill import fill, fill_services

    call_command("migrate", verbosity=0)
    people = fill(count)
    fill_services(SERVICES)
    print(
        f"{count:,} connections, {SERVICES:,} services, {ROUNDS} rounds; server time in ms: median, 95th percentile; queries\n"
    )
    for who, person in people.items():
        for path in PAGES + GALLERY:
            measure(who, person, path)


def measure(who: str, person, path: str) -> None:
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    client = Client(headers={"host": "127.0.0.1:8000"})
    client.force_login(person)
    client.get(path)
    took = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        response = client.get(path)
        took.append((time.perf_counter() - started) * 1000)
    with CaptureQueriesContext(connection) as queries:
        response = client.get(path)
    p95 = quantiles(took, n=20)[-1]
    print(
        f"{who:12} {path:44} {response.status_code} {median(took):7.1f} {p95:7.1f} {len(queries):4}"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
