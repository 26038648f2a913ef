"""A connection's secret, for what has to connect on its own, kept until shortly before its end."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, Generic, Self, TypeVar
from weakref import WeakValueDictionary

# ConnHub renews a token in its last 60 s: whoever asks 30 s before the end gets the new one.
MARGIN = timedelta(seconds=30)
# How long what has no end is kept, so that a replaced secret is noticed.
KEPT_FOR = timedelta(minutes=5)

Place = tuple[str, str]  # a link name, and a login user's address or ""
Lock = TypeVar("Lock")


@dataclass(frozen=True, slots=True)
class Credentials:
    """What one connects to the service with; `values` are named as the auth method names them.

    For example `credentials["access_token"]`, or `credentials["dsn"]` of a database.
    """

    connection: str
    environment: str
    kind: str
    expires_at: datetime | None
    user: str | None
    values: Mapping[str, str] = field(repr=False)

    def __getitem__(self, name: str) -> str:
        return self.values[name]

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        ends = document["expires_at"]
        return cls(
            connection=document["connection"],
            environment=document["environment"],
            kind=document["kind"],
            expires_at=datetime.fromisoformat(ends) if ends else None,
            user=document.get("user"),
            values=MappingProxyType(dict(document["credentials"])),
        )


class Cache(Generic[Lock]):
    """Credentials by connection and login user, and a lock for whoever fetches some.

    Threads may share it.
    """

    def __init__(self, make_lock: Callable[[], Lock]) -> None:
        self._make_lock = make_lock
        self._guard = threading.Lock()
        self._kept: dict[Place, tuple[datetime, Credentials]] = {}
        self._locks: WeakValueDictionary[Place, Lock] = WeakValueDictionary()

    def lock(self, place: Place) -> Lock:
        """The lock that all who want the same credentials share."""
        with self._guard:
            lock = self._locks.get(place) or self._make_lock()
            self._locks[place] = lock
            return lock

    def get(self, place: Place) -> Credentials | None:
        """Those that are good for a while yet."""
        until, credentials = self._kept.get(place, (None, None))
        return credentials if until and until > datetime.now(UTC) else None

    def put(self, place: Place, credentials: Credentials) -> None:
        """Keep them, and forget all that have ended."""
        now, ends = datetime.now(UTC), credentials.expires_at
        with self._guard:
            self._kept = {each: kept for each, kept in self._kept.items() if kept[0] > now}
            self._kept[place] = (ends - MARGIN if ends else now + KEPT_FOR, credentials)

    def drop(self, place: Place) -> None:
        with self._guard:
            self._kept.pop(place, None)
