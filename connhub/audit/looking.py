"""Reading the log, which is on record itself."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from django.db import models
from django.db.models import Count
from django.db.models.functions import TruncDate
from django.utils import timezone

from connhub.days import midnight
from connhub.paging import Order, Page, merged, page

from . import things
from .filters import FilterForm
from .log import record
from .models import Event

NEWEST = Order("newest first", "at", "sequence", descending=True)
DAYS = 30


def look(form: FilterForm, params: Mapping[str, str], *, by) -> Page:
    """A page of the log, with links to what still exists. Raises: AuditUnavailable."""
    found = merged([(events, NEWEST) for events in form.lists()], params)
    things.link(found.rows)
    record("audit.read", by=by, detail={"filters": form.shown}, change=False)
    return found


def look_for(thing: models.Model, params: Mapping[str, str], *, by) -> Page:
    """A page of what is on record about one object. Raises: AuditUnavailable."""
    found = page(Event.objects.about(thing), NEWEST, params)
    filters = f"object={thing._meta.model_name}:{thing.pk}"
    record("audit.read", by=by, detail={"filters": filters}, change=False)
    return found


def look_at(event: Event, *, by) -> list[Event]:
    """The other events of the same request, oldest first. Raises: AuditUnavailable."""
    others: list[Event] = []
    if event.request_id:
        same = Event.objects.filter(request_id=event.request_id).exclude(pk=event.pk)
        others = list(same.order_by("sequence")[:100])
    things.link([event, *others])
    record("audit.read", by=by, detail={"event": event.sequence}, change=False)
    return others


def per_day() -> list[dict]:
    """The last 30 days, each with how many events there were, and how many of them failed.

    Events are numbered without gaps, so that a day's number needs no counting.
    """
    today = timezone.localdate()
    days = [today - timedelta(days=back) for back in range(DAYS - 1, -1, -1)]
    first = midnight(days[0])
    ends = [_last_before(midnight(day + timedelta(days=1))) for day in days]
    starts = [_last_before(first), *ends]
    unhappy = _failed_since(first)
    return [
        {
            "day": day,
            "ok": max(0, end - start - unhappy.get(day, 0)),
            "failed": unhappy.get(day, 0),
        }
        for day, start, end in zip(days, starts, ends, strict=False)
    ]


def _last_before(moment: datetime) -> int:
    last = Event.objects.filter(at__lt=moment).values_list("sequence", flat=True).first()
    return last or 0


def _failed_since(moment: datetime) -> dict:
    failed = Event.objects.filter(outcome__in=["failed", "denied"], at__gte=moment)
    days = failed.annotate(day=TruncDate("at")).values_list("day").annotate(n=Count("pk"))
    return dict(days.order_by())
