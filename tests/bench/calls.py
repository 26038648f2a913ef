"""Server time of the pages that show calls, over as many calls as wanted; and of adding them up.

    python -m tests.bench.calls [COUNT]

10 million calls of 30 days by default. The database is that of DATABASE_URL, which must be empty,
else a new SQLite file.
"""

import os
import sys
import tempfile
import time
from datetime import timedelta
from statistics import median

import django

DAYS = 30
ROUNDS = 5
TALLIES = 5000
QUERIES = (
    "", "?outcome=failed", "?outcome=ok", "?method=DELETE", "?flow=flow-7&step=step-3", "?flow=nobody",
    "?flow=nobody&day={yesterday}", "?path=/none&day={yesterday}", "?day={yesterday}",
)  # fmt: skip
# Half of all calls go over the first connection; every fiftieth fails. `n` counts from 1.
COLUMNS = {
    "at": None,
    "connection_id": "CASE WHEN n % 2 = 0 THEN {first} ELSE {first} + (n / 2) % 20 END",
    "integration_id": "{integration} + n % 3",
    "environment_id": "{environment}",
    "key_id": "'{key}'",
    "flow": "'flow-' || n % 20",
    "step": "'step-' || n % 7",
    "user": "''",
    "method": "CASE WHEN n % 5 = 0 THEN 'POST' ELSE 'GET' END",
    "path": "'/v1/people/' || n % 9973",
    "status": "CASE WHEN n % 50 = 0 THEN 502 ELSE 200 END",
    "problem": "''",
    "took_ms": "20 + n % 400",
    "bytes_in": "0",
    "bytes_out": "900",
}
SERIES = {
    "sqlite": "WITH RECURSIVE s(n) AS (SELECT {low} UNION ALL SELECT n + 1 FROM s WHERE n < {high})",
    "postgresql": "WITH s AS (SELECT generate_series({low}, {high}) AS n)",
}
AT = {
    "sqlite": "strftime('%Y-%m-%d %H:%M:%f', '{now}', '-' || (({count} - n) * {span} / {count}) || ' seconds')",
    "postgresql": "timestamptz '{now}' - ({count} - n) * interval '{span} seconds' / {count}",
}
BATCH = 500_000


def main(count: int) -> None:
    home = tempfile.mkdtemp(prefix="connhub-bench-")
    os.environ["CONNHUB_HOME"] = home
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    os.environ.setdefault("DATABASE_URL", f"sqlite:///{home}/calls.sqlite3")
    django.setup()

    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    person, key, first = _account()
    _timed(f"{count:,} calls made", lambda: _fill(count, key, first))
    _pages(person, key.integration.slug, f"/connections/{first.link_name}/")
    _worker()


def _timed(what: str, work) -> None:
    started = time.perf_counter()
    work()
    print(f"{what:58} {time.perf_counter() - started:9.2f} s", flush=True)


def _account() -> tuple:
    from connhub.accounts import environments
    from connhub.accounts.models import Role
    from connhub.sharing import roles
    from connhub.usage import keys
    from tests.factories import IntegrationFactory, UserFactory, connect

    person = UserFactory(role=Role.SUPER_ADMIN)
    made = [connect(person, name=f"C{n}", link_name=f"c{n}") for n in range(20)]
    places = IntegrationFactory.create_batch(3)
    roles.grant(places[0], person, by=person)
    key, _ = keys.issue(places[0], environments.lowest(), name="bench", by=person)
    return person, key, made[0]


def _fill(count: int, key, first) -> None:
    from django.db import connection
    from django.utils import timezone

    from connhub.usage.models import Call, CallDay

    quote, kind = connection.ops.quote_name, connection.vendor
    facts = {
        "first": first.pk, "integration": key.integration_id, "environment": key.environment_id, "count": count,
        "key": key.pk.hex if kind == "sqlite" else key.pk, "span": DAYS * 86_400 - 3600,
        "now": timezone.now().strftime("%Y-%m-%d %H:%M:%S") + ("" if kind == "sqlite" else "+00"),
    }  # fmt: skip
    values = ", ".join((text or AT[kind]).format(**facts) for text in COLUMNS.values())
    into = f"{quote(Call._meta.db_table)} ({', '.join(map(quote, COLUMNS))})"
    with connection.cursor() as cursor:
        for low in range(1, count + 1, BATCH):
            series = SERIES[kind].format(low=low, high=min(low + BATCH - 1, count))
            rows = f"SELECT {values} FROM s"
            cursor.execute(f"INSERT INTO {into} {series} {rows}")
        cursor.execute("ANALYZE")
    latency = [[bucket, count // 6000] for bucket in range(30, 65)]
    CallDay.objects.bulk_create(
        CallDay(
            day=timezone.localdate() - timedelta(days=back), connection_id=first.pk + connection_,
            integration_id=key.integration_id + place, environment_id=key.environment_id,
            ok=count // 90, failed=9, last_at=timezone.now(), latency=latency,
        )
        for back in range(DAYS) for connection_ in range(20) for place in range(3)
    )  # fmt: skip


def _pages(person, slug: str, summary: str) -> None:
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext
    from django.utils import timezone

    client = Client(headers={"host": "127.0.0.1:8000"})
    client.force_login(person)
    yesterday = timezone.localdate() - timedelta(days=1)
    tabs = [f"{summary}calls/", f"/integrations/{slug}/calls/"]
    paths = [tab + query.format(yesterday=yesterday) for tab in tabs for query in QUERIES]
    for path in [*paths, f"{summary}calls/latency/", summary, "/connections/", "/integrations/"]:
        took = []
        for _ in range(ROUNDS):
            started = time.perf_counter()
            status = client.get(path).status_code
            took.append((time.perf_counter() - started) * 1000)
        with CaptureQueriesContext(connection) as queries:
            client.get(path)
        print(
            f"{path:58} {median(took):9.0f} ms (first {took[0]:.0f}), {len(queries)} queries, {status}",
            flush=True,
        )


def _worker() -> None:
    from django.utils import timezone

    from connhub.usage.calls import folding, keeping
    from connhub.usage.models import Call, CallDay, CallTally

    day = CallDay.objects.first()
    CallTally.objects.bulk_create(
        CallTally(
            day=timezone.localdate(), connection_id=day.connection_id + n % 20,
            integration_id=day.integration_id, environment_id=day.environment_id, flow=f"flow-{n % 20}",
            step=f"step-{n % 7}", ok=700, failed=3, last_at=timezone.now(), latency=day.latency,
        )
        for n in range(TALLIES)
    )  # fmt: skip
    _timed(f"{TALLIES:,} tallies added up", folding.fold)
    month_old = timezone.now() - timedelta(days=DAYS)
    oldest = Call.objects.order_by("at")[:100_000].values("pk")
    Call.objects.filter(pk__in=oldest).update(at=month_old - timedelta(hours=1))
    _timed("100,000 old calls forgotten", keeping.forget)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000)
