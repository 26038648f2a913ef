"""Calls of the sample account: each of the last days, and more of them in sums."""

import random
from collections import Counter
from datetime import datetime, timedelta

from django.db.models import Max
from django.utils import timezone

from connhub.connections.models import Connection
from connhub.latency import bucket_of
from connhub.usage.models import Call, CallDay, Integration, IntegrationKey

DAYS = 30
RAW_PER_DAY = 8


def make(
    connection: Connection,
    integrations: list[Integration],
    per_day: int,
    failing: float,
    chance: random.Random,
) -> None:
    """So many calls a day over the connection, the latest minutes ago, by one integration's flows."""
    users = [i for i in integrations if connection in i.connections.all()] or integrations[:1]
    key = users[0].keys.order_by("-environment__position")[0]
    ran = connection.call_steps.filter(integration=users[0]).order_by("flow", "step")
    names = list(ran.values_list("flow", "step")) or [("", "")]
    now = timezone.now()
    days, raw = [], []
    for back in range(DAYS):
        at = _earlier(now - timedelta(days=back), 4, chance)
        weekend = 0.35 if at.weekday() > 4 else 1
        calls = int(per_day * weekend * chance.uniform(0.7, 1.15) * (1 - back / 60))
        failed = int(calls * failing * chance.uniform(0.2, 1.8))
        made = [_call(key, at, chance, failing, connection) for _ in range(min(calls, RAW_PER_DAY))]
        for call in made:
            call.flow, call.step = chance.choice(names)
        raw += made
        days.append(_day(key, at, calls, failed, chance, connection))
    CallDay.objects.bulk_create(days)
    Call.objects.bulk_create(raw)
    IntegrationKey.objects.filter(pk=key.pk).update(
        last_used_at=Call.objects.filter(key=key).aggregate(last=Max("at"))["last"]
    )


def _earlier(at: datetime, most_h: int, chance: random.Random) -> datetime:
    """A moment of the same day, at most so many hours before."""
    here = timezone.localtime(at)
    since_midnight = here - here.replace(hour=0, minute=0, second=0, microsecond=0)
    return at - min(timedelta(hours=most_h), since_midnight) * chance.random()


def _call(
    key: IntegrationKey,
    at: datetime,
    chance: random.Random,
    failing: float,
    connection: Connection,
) -> Call:
    failed = chance.random() < failing
    start = connection.service.test.get("path", "/").partition("?")[0]
    return Call(
        at=_earlier(at, 1, chance),
        connection=connection,
        integration=key.integration,
        environment_id=key.environment_id,
        key=key,
        method="GET",
        path=chance.choice([start, f"{start.rstrip('/')}/{chance.randint(1, 999)}"]),
        status=502 if failed else 200,
        took_ms=_took(chance),
        bytes_out=chance.randint(200, 40_000),
    )


def _day(
    key: IntegrationKey,
    at: datetime,
    calls: int,
    failed: int,
    chance: random.Random,
    connection: Connection,
) -> CallDay:
    times = Counter(bucket_of(_took(chance)) for _ in range(calls))
    return CallDay(
        day=timezone.localdate(at),
        connection=connection,
        integration_id=key.integration_id,
        environment_id=key.environment_id,
        ok=calls - failed,
        failed=failed,
        last_at=at,
        latency=sorted(times.items()),
    )


def _took(chance: random.Random) -> int:
    return int(chance.lognormvariate(4.6, 0.5))
