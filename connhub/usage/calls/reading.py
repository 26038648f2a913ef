"""What pages show of calls: how long they took, the slowest and the failing paths."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from connhub.connections.called import by_day, first_day, sources
from connhub.latency import added, bucket_of, percentile
from connhub.paging import Order

from .models import FAILED, Call

NEWEST = Order("newest first", "at", "id", descending=True)
SAMPLE = 10_000
SHOWN = 5
# Parts of a path that name one thing of many.
ONE_OF_MANY = re.compile(r"\d+|[0-9a-f-]{16,}|(?=[^/]*\d)[A-Za-z0-9_.~=-]{12,}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds that half of the calls, and 95 % of them, took at most; None of no calls."""

    p50: int | None
    p95: int | None


@dataclass(slots=True)
class Path:
    """Calls of one method and path, whatever things the path names."""

    method: str
    path: str
    calls: int = 0
    failed: int = 0
    times: Counter[int] = field(default_factory=Counter)

    @property
    def latency(self) -> Latency:
        return _latency(self.times)


@dataclass(frozen=True, slots=True)
class Overview:
    """The last 30 days, and which paths stand out among the newest calls."""

    days: list[dict]
    latency: Latency
    sample: int
    slowest: list[Path]
    failing: list[Path]

    @property
    def failed(self) -> int:
        return sum(day["failed"] for day in self.days)

    @property
    def calls(self) -> int:
        return self.failed + sum(day["ok"] for day in self.days)

    @property
    def failed_share(self) -> float:
        return 100 * self.failed / self.calls if self.calls else 0


def overview(**of: Any) -> Overview:
    """Of one connection's or one integration's calls, in three queries however many."""
    newest = Call.objects.filter(**of).order_by("-at", "-id")
    facts = list(newest.values_list("method", "path", "status", "took_ms")[:SAMPLE])
    paths = _paths(facts)
    return Overview(
        by_day(**of),
        latency(**of),
        len(facts),
        sorted(paths, key=lambda each: each.latency.p95 or 0, reverse=True)[:SHOWN],
        sorted(filter(_fails, paths), key=lambda each: each.failed, reverse=True)[:SHOWN],
    )


def latency(**of: Any) -> Latency:
    """How long the calls of the last 30 days took, within 5 %."""
    days, tallies = (
        source.objects.filter(day__gte=first_day(), **of).values_list("latency")  # type: ignore[attr-defined]
        for source in sources()
    )
    return _latency(added(counts for (counts,) in days.union(tallies, all=True)))


def _latency(times: Counter[int]) -> Latency:
    return Latency(percentile(times, 0.5), percentile(times, 0.95))


def _fails(path: Path) -> bool:
    return path.failed > 0


def _paths(facts: Iterable[tuple[str, str, int, int]]) -> list[Path]:
    found: dict[tuple[str, str], Path] = {}
    for method, path, status, took_ms in facts:
        key = (method, general(path))
        each = found.setdefault(key, Path(*key))
        each.calls += 1
        each.failed += status >= FAILED
        each.times[bucket_of(took_ms)] += 1
    return list(found.values())


def general(path: str) -> str:
    """The path with `{…}` for what names one thing of many, such as a number or a UUID."""
    return "/".join("{…}" if ONE_OF_MANY.fullmatch(part) else part for part in path.split("/"))
