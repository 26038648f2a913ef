"""How long calls are kept: each for some weeks, their sums for longer."""

import time
from datetime import timedelta

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from .models import Call, CallDay, CallStep

# In small transactions: meanwhile calls are logged.
BATCH = 5000
PAUSE_S = 0.05


def forget() -> None:
    """Delete calls, days and steps that are older than the settings say."""
    calls_from = timezone.now() - timedelta(days=settings.CALLS_KEPT_DAYS)
    sums_from = timezone.now() - timedelta(days=settings.CALL_DAYS_KEPT)
    _delete(Call.objects.filter(at__lt=calls_from).order_by("at"))
    _delete(CallDay.objects.filter(day__lt=timezone.localdate(sums_from)))
    _delete(CallStep.objects.filter(last_at__lt=sums_from))


def _delete(rows: QuerySet) -> None:
    while rows.model.objects.filter(pk__in=rows.values("pk")[:BATCH]).delete()[0] == BATCH:
        time.sleep(PAUSE_S)
