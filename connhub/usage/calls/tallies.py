"""What a batch of calls adds to the sums, before anybody adds it."""

from collections import Counter
from collections.abc import Iterable
from datetime import date, datetime
from functools import cache

from django.utils import timezone

from connhub.latency import bucket_of

from .entry import Entry, moment
from .models import FAILED, CallTally

# Callers choose the names of flows and steps: of what an integration does over a connection,
# so many are told apart.
MOST_NAMES = 200
Place = tuple[date, int, int, int, str, str]


def tallies_of(entries: Iterable[Entry]) -> list[CallTally]:
    """One for each day, connection, integration, environment, flow and step.

    Days are those of the account's time zone, as on every page.
    """
    zone = timezone.get_default_timezone()
    day_of = cache(lambda second: datetime.fromtimestamp(second, zone).date())
    found: dict[Place, list[Entry]] = {}
    names: Counter[tuple[int, int]] = Counter()
    for entry in entries:
        pair = (entry.connection, entry.integration)
        place = (day_of(int(entry.at)), *pair, entry.environment, entry.flow, entry.step)
        if place not in found and names[pair] >= MOST_NAMES:
            place = (*place[:4], "", "")
        if place not in found:
            names[pair] += 1
            found[place] = []
        found[place].append(entry)
    return [_tally(place, calls) for place, calls in found.items()]


def _tally(place: Place, calls: list[Entry]) -> CallTally:
    day, connection, integration, environment, flow, step = place
    failed = [call.at for call in calls if call.status >= FAILED]
    return CallTally(
        day=day,
        connection_id=connection,
        integration_id=integration,
        environment_id=environment,
        flow=flow,
        step=step,
        ok=len(calls) - len(failed),
        failed=len(failed),
        last_at=moment(max(call.at for call in calls)),
        last_failed_at=moment(max(failed)) if failed else None,
        latency=_latency(calls),
    )


def _latency(calls: list[Entry]) -> list[tuple[int, int]]:
    counts: Counter[int] = Counter()
    for took_ms, count in Counter(call.took_ms for call in calls).items():
        counts[bucket_of(took_ms)] += count
    return sorted(counts.items())
