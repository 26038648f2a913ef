"""How long calls took, as counts in buckets: they add up, and percentiles come out within 5 %."""

from collections import Counter
from collections.abc import Iterable
from math import log

# Each bucket reaches 10 % further than the one before; a bucket answers with its middle.
WIDTH = 1.1


def bucket_of(took_ms: int) -> int:
    """The number of the bucket that a call is counted in."""
    return 1 + int(log(took_ms, WIDTH)) if took_ms > 0 else 0


def added(latencies: Iterable[Iterable[tuple[int, int]]]) -> Counter[int]:
    """Many latencies, each pairs of a bucket and a count, as one."""
    total: Counter[int] = Counter()
    for latency in latencies:
        for bucket, count in latency:
            total[bucket] += count
    return total


def percentile(latency: Counter[int], share: float) -> int | None:
    """The milliseconds that this share of the calls took at most; None of no calls."""
    wanted = share * latency.total()
    passed = 0
    for bucket in sorted(latency):
        passed += latency[bucket]
        if passed >= wanted:
            return round(WIDTH ** (bucket - 0.5)) if bucket else 0
    return None
