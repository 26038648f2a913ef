"""What was observed of those who call over a connection, in sums."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from operator import add
from typing import NamedTuple

from django.db.models import Max, Sum

from connhub.connections.models import Connection


class Caller(NamedTuple):
    """The key's integration, and what the call names: the slug of a flow and a step of it."""

    integration: int
    flow: str
    step: str


@dataclass(frozen=True, slots=True)
class Observed:
    """One caller's calls so far."""

    ok: int = 0
    failed: int = 0
    last_at: datetime | None = None
    last_failed_at: datetime | None = None

    @property
    def calls(self) -> int:
        return self.ok + self.failed

    @property
    def is_failing(self) -> bool:
        """Whether the last call failed."""
        return self.last_failed_at is not None and self.last_failed_at == self.last_at

    def __add__(self, other: "Observed") -> "Observed":
        return Observed(
            self.ok + other.ok,
            self.failed + other.failed,
            _later(self.last_at, other.last_at),
            _later(self.last_failed_at, other.last_failed_at),
        )


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max(filter(None, (one, other)), default=None)


NOTHING = Observed()


def together(sums: Iterator[Observed]) -> Observed:
    return reduce(add, sums, NOTHING)


def observed_over(connection: Connection) -> dict[Caller, Observed]:
    """By caller: what the worker has summed up, and what it has still to add.

    One statement reads both: the worker moves sums from one to the other meanwhile.
    """
    summed, unfolded = (
        sums.order_by()
        .values_list(*Caller._fields)
        .annotate(Sum("ok"), Sum("failed"), Max("last_at"), Max("last_failed_at"))
        for sums in (connection.call_steps, connection.call_tallies)
    )
    found: dict[Caller, Observed] = {}
    for integration, flow, step, *of_some in summed.union(unfolded, all=True):
        caller = Caller(integration, flow, step)
        found[caller] = found.get(caller, NOTHING) + Observed(*of_some)
    return found
