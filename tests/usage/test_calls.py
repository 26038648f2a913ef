"""Calls in sums: what the worker adds up, what is read before it does, and how long it is kept."""

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection as database
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from connhub.accounts import environments
from connhub.connections.called import by_day, totals
from connhub.connections.impact import impact_of, used_lately
from connhub.connections.listing import uses
from connhub.latency import added, bucket_of, percentile
from connhub.usage import keys, tasks
from connhub.usage.calls import folding, keeping
from connhub.usage.calls.log import write
from connhub.usage.models import Call, CallDay, CallStep, CallTally, Flow, IntegrationKey, Step
from tests.usage.calls import call, called

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp()


@pytest.fixture
def key(ada, integration) -> IntegrationKey:
    return keys.issue(integration, environments.lowest(), name="nightly", by=ada)[0]


def sums(**wanted) -> tuple[int, int]:
    """How many calls went well and failed, as pages read them."""
    found = totals("connection_id", **wanted).values()
    return sum(total.ok for total in found), sum(total.failed for total in found)


# --- Adding up ------------------------------------------------------------------------------------


def test_numbers_are_right_before_and_after_the_worker_adds_up(connection, key):
    write(
        [
            call(connection, key, at=NOON, took_ms=100, flow="nightly", step="Read"),
            call(connection, key, at=NOON + 2, status=500, flow="nightly", step="Read"),
            call(connection, key, at=NOON + 1, took_ms=100),
        ]
    )
    before = totals("day", "environment_id")
    write([call(connection, key, at=NOON + 3, took_ms=1000)])
    tasks.add_up_calls.call_local()
    write([call(connection, key, at=NOON + 4, status=404)])
    between = sums()
    tasks.add_up_calls.call_local()

    [((day, environment), total)] = before.items()
    assert (day.isoformat(), environment) == ("2026-11-20", key.environment_id)
    assert (total.ok, total.failed, total.last_at.timestamp()) == (2, 1, NOON + 2)
    assert between == sums() == (3, 2)
    assert not CallTally.objects.exists()
    row = CallDay.objects.get()
    assert (row.ok, row.failed, row.last_at.timestamp()) == (3, 2, NOON + 4)
    assert dict(row.latency) == {bucket_of(10): 2, bucket_of(100): 2, bucket_of(1000): 1}
    steps = CallStep.objects.order_by("flow").values_list("flow", "step", "ok", "failed")
    assert list(steps) == [("", "", 2, 1), ("nightly", "Read", 1, 1)]
    assert CallStep.objects.get(flow="nightly").last_failed_at.timestamp() == NOON + 2


def test_adding_up_that_is_broken_off_counts_nothing_twice(connection, key, monkeypatch):
    called(connection, key)
    tasks.add_up_calls.call_local()
    called(connection, key, status=500)
    with monkeypatch.context() as patch:
        patch.setattr(CallStep.objects, "bulk_update", None)
        with pytest.raises(TypeError):
            tasks.add_up_calls.call_local()

    assert sums() == (1, 1)
    assert (CallDay.objects.get().failed, CallTally.objects.count()) == (0, 1)
    tasks.add_up_calls.call_local()
    assert sums() == (1, 1)


@pytest.mark.django_db(transaction=True)
def test_two_workers_and_the_log_together_count_each_call_once(connection, key):
    chance = random.Random(5)

    def log(_):
        for _ in range(5):
            days = [call(connection, key, at=NOON - 86_400 * chance.randint(0, 9)) for _ in "abcd"]
            write(days)
        database.close()

    def add_up(_):
        for _ in range(8):
            folding.fold_some(7)
        database.close()

    with ThreadPoolExecutor(4) as threads:
        done = [threads.submit(work, None) for work in (log, add_up, log, add_up)]
    for each in done:
        each.result()

    assert sums() == (40, 0)
    folding.fold()
    assert sums() == (Call.objects.count(), 0) == (40, 0)
    assert sum(CallStep.objects.values_list("ok", flat=True)) == 40


def test_days_are_those_of_the_accounts_time_zone(connection, key, settings):
    settings.TIME_ZONE = "Pacific/Kiritimati"  # 14 hours ahead: nearly always another day than UTC

    called(connection, key)
    called(connection, key, at=datetime(2026, 11, 20, 9, 59, 59, tzinfo=UTC).timestamp())
    called(connection, key, at=datetime(2026, 11, 20, 10, tzinfo=UTC).timestamp())

    assert by_day(connection=connection)[-1]["ok"] == 1
    days = {day.isoformat(): total.ok for (day,), total in totals("day").items()}
    assert days["2026-11-20"] == days["2026-11-21"] == 1


@pytest.mark.parametrize("at_once", [True, False])
def test_callers_cannot_make_rows_without_end_by_names(connection, key, monkeypatch, at_once):
    monkeypatch.setattr("connhub.usage.calls.tallies.MOST_NAMES", 3)
    monkeypatch.setattr(folding, "MOST_NAMES", 3)
    flow = Flow.objects.create(slug="nightly", name="Nightly", integration=key.integration)
    Step.objects.create(flow=flow, name="Write", kind="import", connection=connection)
    entries = [call(connection, key, step=f"run {number}") for number in range(8)]

    for batch in [entries] if at_once else [[each] for each in entries]:
        write(batch)
        folding.fold()
    called(connection, key, flow="nightly", step="Write")
    folding.fold()

    rows = dict(CallStep.objects.values_list("step", "ok"))
    assert rows == {"run 0": 1, "run 1": 1, "run 2": 1, "": 5, "Write": 1}


# --- What is read ---------------------------------------------------------------------------------


@pytest.mark.parametrize("added_up", [True, False])
def test_a_call_is_known_everywhere_at_once(ada, connection, key, added_up):
    highest = environments.Environment.objects.order_by("position").last()
    at = timezone.now() - timedelta(days=6)
    called(connection, key, environment=highest.pk, at=at.timestamp())
    called(connection, key, at=(at - timedelta(days=2)).timestamp())
    if added_up:
        folding.fold()

    impact = impact_of(connection, ada)
    assert (impact.call_count, impact.last_used_at) == (2, at)
    assert used_lately([connection]) == {connection.pk}
    assert uses([connection.pk], ada)[connection.pk].last_used_at == at
    assert sum(day["ok"] for day in by_day(connection=connection)) == 2
    assert IntegrationKey.objects.get(pk=key.pk).last_used_at == at


@given(st.lists(st.integers(0, 600_000), min_size=1, max_size=60), st.sampled_from([0.5, 0.95]))
def test_percentiles_are_right_within_five_percent(times, share):
    counted = added([[(bucket_of(took_ms), 1)] for took_ms in times])

    exact = sorted(times)[max(0, -(-int(share * 100) * len(times) // 100) - 1)]
    assert percentile(counted, share) == pytest.approx(exact, rel=0.05, abs=1)


# --- How long it is kept --------------------------------------------------------------------------


def test_calls_and_their_sums_are_forgotten_when_the_settings_say(
    connection, key, settings, monkeypatch
):
    monkeypatch.setattr(keeping, "BATCH", 2)
    monkeypatch.setattr(keeping, "PAUSE_S", 0)
    now = timezone.now()
    for days, step in [(1, "new"), (29, "new"), (31, "new"), (399, "new"), *[(402, "old")] * 5]:
        called(connection, key, step=step, at=(now - timedelta(days=days)).timestamp())
    folding.fold()

    tasks.forget_old_calls.call_local()

    assert Call.objects.count() == 2
    assert sums() == (4, 0)
    assert list(CallStep.objects.values_list("step", flat=True)) == ["new"]
    settings.CALLS_KEPT_DAYS, settings.CALL_DAYS_KEPT = 2, 30
    tasks.forget_old_calls.call_local()
    assert (Call.objects.count(), sums()) == (1, (2, 0))
