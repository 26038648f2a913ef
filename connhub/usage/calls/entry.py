from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID


class Entry(NamedTuple):
    """One call as it goes into the log; `at` is in seconds since 1970, `problem` ConnHub's own."""

    at: float
    connection: int
    integration: int
    environment: int
    key: UUID
    flow: str
    step: str
    user: str
    method: str
    path: str
    status: int
    problem: str
    took_ms: int
    bytes_in: int
    bytes_out: int


def moment(at: float) -> datetime:
    """An entry's time, as fields have it."""
    return datetime.fromtimestamp(at, UTC)
