"""Whether anything on record changed since the last look: the one query of every call."""

import asyncio
import sqlite3
from typing import Any

import psycopg
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from connhub.errors import Refusal

QUERY = "SELECT changes FROM audit_head WHERE id = 1"
ANSWER_S = 5
BUSY_MS = 250
FAILURES = (sqlite3.Error, psycopg.Error, OSError, TimeoutError)


class DatabaseAway(Refusal):
    """Nobody can tell whether a key or connection is still good, so nothing is done with it."""

    code = "database-away"
    text = "ConnHub can't reach its database at the moment. Try again in a few seconds."
    status = 503
    wait_s = 5


class Revision:
    """Reads the counter of recorded changes, on a database connection of its own.

    One query answers all calls that came before it began, so that many calls at once cost no more
    than one. A connection that failed is given up; the next call opens a new one.
    """

    def __init__(self) -> None:
        self._source: SQLiteSource | PostgreSQLSource | None = None
        self._waiting: list[asyncio.Future[int]] = []
        self._reader: asyncio.Task | None = None

    async def read(self) -> int:
        """How many changes there were, as of now. Raises: DatabaseAway."""
        if isinstance(self._source, SQLiteSource):
            try:
                return self._source.read()
            except FAILURES:
                await self.close()
                raise DatabaseAway from None
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append(answer)
        if self._reader is None:
            self._reader = asyncio.create_task(self._answer_all())
        return await answer

    async def close(self) -> None:
        source, self._source = self._source, None
        if source is not None:
            await source.close()

    async def _answer_all(self) -> None:
        while self._waiting:
            waiting, self._waiting = self._waiting, []
            try:
                changes = await self._query()
            except FAILURES:
                await self.close()
                _refuse(waiting)
            else:
                _tell(waiting, changes)
        self._reader = None

    async def _query(self) -> int:
        async with asyncio.timeout(ANSWER_S):
            if self._source is None:
                self._source = await _open()
            answer = self._source.read()
            return answer if isinstance(answer, int) else await answer


class SQLiteSource:
    """A read of a few microseconds, done in the event loop: in WAL mode no writer blocks it."""

    def __init__(self, raw: sqlite3.Connection) -> None:
        self._raw = raw
        self._cursor = raw.cursor()
        self._cursor.execute(f"PRAGMA busy_timeout = {BUSY_MS}")

    @classmethod
    async def open(cls, database: BaseDatabaseWrapper) -> "SQLiteSource":
        def connect() -> "SQLiteSource":
            return cls(database.get_new_connection(database.get_connection_params()))

        return await asyncio.to_thread(connect)

    def read(self) -> int:
        # All rows are fetched: a statement that isn't finished would see the same state for ever.
        return _value(sqlite3.Cursor.execute(self._cursor, QUERY).fetchall())

    async def close(self) -> None:
        self._raw.close()


class PostgreSQLSource:
    def __init__(self, raw: psycopg.AsyncConnection) -> None:
        self._raw = raw

    @classmethod
    async def open(cls, database: BaseDatabaseWrapper) -> "PostgreSQLSource":
        ours = ("context", "cursor_factory", "prepare_threshold")
        params = {k: v for k, v in database.get_connection_params().items() if k not in ours}
        raw = await psycopg.AsyncConnection.connect(**params, autocommit=True, prepare_threshold=0)
        return cls(raw)

    async def read(self) -> int:
        cursor = await self._raw.execute(QUERY)
        return _value(await cursor.fetchall())

    async def close(self) -> None:
        await self._raw.close()


async def _open() -> SQLiteSource | PostgreSQLSource:
    database = connections.create_connection("default")
    source = SQLiteSource if database.vendor == "sqlite" else PostgreSQLSource
    return await source.open(database)


def _value(rows: list[tuple[Any, ...]]) -> int:
    """Before the first event there is no row."""
    return rows[0][0] if rows else 0


def _refuse(waiting: list[asyncio.Future[int]]) -> None:
    for answer in waiting:
        if not answer.done():
            answer.set_exception(DatabaseAway())


def _tell(waiting: list[asyncio.Future[int]], changes: int) -> None:
    for answer in waiting:
        if not answer.done():
            answer.set_result(changes)
