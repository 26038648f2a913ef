"""Server time and queries of Django admin's lists, with few rows in each table and with many.

python -m tests.bench.admin [FEW] [MANY]

The database is that of DATABASE_URL, which must be empty, else a new SQLite file.
"""

import os
import sys
import tempfile
from datetime import timedelta

import django

AIM_MS = 250
BATCH = 2000
CONNECTIONS, CREDENTIALS = "connections/connection/", "connections/credential/"
EVENTS, KEYS, PEOPLE = "audit/event/", "usage/integrationkey/", "accounts/user/"
GRANTS, SESSIONS = "connections/connectionusergrant/", "accounts/session/"
PAGES = {
    CONNECTIONS: (
        *("", "?p=2", "?p=200", "?o=1", "?q=number+77", "?q=c77", "?q=nothing-like-it"),
        *("?q=somebody7%40acme", "?status__exact=1", "?status__exact=4", "?access_mode__exact=proxy"),
        *("?access_mode__exact=credentials", "?login_user__exact=1", "?disabled_at__isempty=0"),
        *("?deleted_at__isempty=0", "?owner=somebody7%40acme.example", "?owner=nobody"),
        "?created_by__id__exact=1",
    ),
    CREDENTIALS: (
        *("", "?p=2", "?p=200", "?q=number+77", "?q=nothing-like-it", "?status__exact=1"),
        *("?status__exact=4", "?environment__id__exact=1", "?renewable__exact=1"),
        "?connection__id__exact=77",
    ),
    EVENTS: (
        *("", "?p=2", "?p=200", "?outcome=ok", "?outcome=failed", "?kind=credential"),
        *("?kind=key", f"?q={77:032x}", "?q=nothing-like-it"),
    ),
    KEYS: (
        *("", "?p=2", "?p=200", "?q=key+77", "?q=nothing-like-it", "?environment__id__exact=1"),
        *("?revoked_at__isempty=0", "?revoked_at__isempty=1", "?integration__id__exact=1"),
    ),
    PEOPLE: (
        *("", "?p=2", "?p=200", "?q=somebody77", "?q=nothing-like-it", "?role__exact=member"),
        *("?role__exact=super_admin", "?is_active__exact=0"),
    ),
    GRANTS: ("", "?p=2", "?q=number+77", "?q=nothing-like-it", "?to_self__exact=1"),
    SESSIONS: ("", "?p=2", "?q=somebody77", "?q=nothing-like-it"),
}  # fmt: skip


def main(few: int, many: int) -> None:
    home = tempfile.mkdtemp(prefix="connhub-bench-")
    os.environ["CONNHUB_HOME"] = home
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    os.environ.setdefault("DATABASE_URL", f"sqlite:///{home}/admin.sqlite3")
    django.setup()

    from django.core.management import call_command

    from tests.bench import fill as connections

    call_command("migrate", verbosity=0)
    people = connections.people()
    fill(people, few)
    before = dict(measured(people["super admin"]))
    fill(people, many, few)
    print(f"Medians of the server time in ms; what takes over {AIM_MS} ms is marked")
    print(f"{'':60} {few:>8,} {many:>8,} queries status")
    for page, (took, queries, status) in measured(people["super admin"]):
        note = "" if took <= AIM_MS and queries <= before[page][1] else " <-"
        print(f"{page:60} {before[page][0]:8.1f} {took:8.1f} {queries:7} {status:6}{note}")


def fill(people: dict, count: int, start: int = 0) -> None:
    """As many connections, credentials, grants, people, sessions, keys and events."""
    from django.db import connection, transaction

    from connhub.audit import log
    from tests.bench import fill as connections
    from tests.bench.audit import event

    connections.fill(people, count, start)
    with transaction.atomic():
        _owners(range(start, count))
        _keys(range(start, count))
    for low in range(start, count, BATCH):
        with transaction.atomic():
            log._append_all([event(n) for n in range(low, min(low + BATCH, count))], False)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _owners(numbers: range) -> None:
    """People who are signed in, each of whom created one of the newest connections."""
    from django.db.models import F
    from django.utils import timezone

    from connhub.accounts.models import Session, User
    from connhub.connections.models import Connection

    new = (
        User(name=f"Somebody {n}", email=f"somebody{n}@acme.example", is_active=n % 50 > 0)
        for n in numbers
    )
    owners, now = User.objects.bulk_create(new, BATCH), timezone.now()
    first = Connection.objects.order_by("-pk")[len(numbers) - 1].pk
    theirs = Connection.objects.filter(pk__gte=first)
    theirs.update(created_by_id=F("pk") - first + owners[0].pk)
    sessions = (
        Session(
            session_key=f"{n:032x}",
            user=owner,
            expire_date=now + timedelta(hours=12, seconds=-n),
            started_at=now,
            seen_at=now,
        )
        for n, owner in zip(numbers, owners, strict=True)
    )
    Session.objects.bulk_create(sessions, BATCH)


def _keys(numbers: range) -> None:
    from django.utils import timezone

    from connhub.accounts import environments
    from connhub.usage.models import Integration, IntegrationKey

    now, integration, lowest = timezone.now(), Integration.objects.get(), environments.lowest()
    keys = (
        IntegrationKey(
            integration=integration,
            environment=lowest,
            name=f"key {n}",
            prefix=f"chk_{n}",
            digest=f"{n:064x}",
            expires_at=now + timedelta(days=30),
            revoked_at=None if n % 50 else now,
        )
        for n in numbers
    )
    IntegrationKey.objects.bulk_create(keys, BATCH)


def measured(person):
    """For each page: the median of the server time in ms, queries, status."""
    from tests.bench.pages import measure

    for place, queries in PAGES.items():
        for query in queries:
            took, count, status = measure(person, f"/admin/{place}{query}")
            yield f"{place}{query}", (took[1], count, status)


if __name__ == "__main__":
    sizes = [int(argument) for argument in sys.argv[1:]] or [1000, 100_000]
    main(sizes[0], sizes[-1])
