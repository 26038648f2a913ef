"""The sample account, filled at whatever time of the day."""

from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import call_command
from django.db.models import Count
from django.utils import timezone

from connhub.connections.models import Connection
from connhub.demo import sample
from connhub.usage.models import Call, CallDay

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("clock", ["00:00", "00:03", "03:30", "23:59"])
def test_it_has_30_days_of_calls_up_to_now(clock, monkeypatch):
    hour, minute = map(int, clock.split(":"))
    now = datetime.now(UTC).replace(hour=hour, minute=minute)
    monkeypatch.setattr(timezone, "now", lambda: now)

    call_command("load_catalogue", verbosity=0)
    sample.list_provider("http://127.0.0.1:9", "s3cret")
    sample.fill("a password of some length")

    days = CallDay.objects.values("connection").annotate(days=Count("day"))
    assert {row["days"] for row in days} == {30}
    assert now - Call.objects.latest("at").at < timedelta(hours=5)
    assert not Call.objects.filter(at__gt=now).exists()
    assert Connection.objects.count() == len(sample.CONNECTIONS)
