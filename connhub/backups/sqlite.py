"""Of a SQLite database: one copy of its file, taken while others write."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from django.db import connection, connections

from .archive import Manifest
from .facts import Query, count, ephemeral_tables, kept_tables
from .refusals import Damaged, InUse
from .using import using

FILE = "database.sqlite3"
ASIDE = ".connhub-restore-"
WAIT_S = 5


@contextmanager
def snapshot(folder: Path) -> Iterator[tuple[Query, dict[str, Any]]]:
    """Copy the database of one moment into the folder; give a query on it, and its tables.

    Others read and write meanwhile. What was deleted is not in the copy, nor what is ephemeral.

    Raises:
        Damaged: the database doesn't hold together.
    """
    with closing(_open(folder / FILE)) as copy:
        with closing(sqlite3.connect(_place(), timeout=WAIT_S)) as source:
            source.backup(copy)  # in one step, so of one moment
        copy.execute("PRAGMA journal_mode = DELETE")
        if not _is_whole(copy):
            raise Damaged
        for table in ephemeral_tables():
            copy.execute(f'DELETE FROM "{table}"')  # noqa: S608 - a table of ours
        copy.execute("VACUUM")  # leaves nothing of what was deleted

        def query(sql: str) -> list[tuple[Any, ...]]:
            return copy.execute(sql).fetchall()

        yield query, {table: {"rows": count(query, table)} for table in kept_tables()}


def _is_whole(database: sqlite3.Connection) -> bool:
    try:
        return database.execute("PRAGMA quick_check").fetchall() == [("ok",)]
    except sqlite3.DatabaseError:
        return False


def _open(file: Path) -> sqlite3.Connection:
    """With Django's functions, which constraints use."""
    made = connections.create_connection("default")
    raw = made.get_new_connection(made.get_connection_params() | {"database": str(file)})
    raw.isolation_level = None
    return raw


def sequences() -> dict[str, list[Any]]:
    """The file has them."""
    return {}


def holds_people() -> bool:
    """Whether anybody's data is there already."""
    if not _place().exists():
        return False
    with closing(sqlite3.connect(_place(), timeout=WAIT_S)) as database:
        tables = database.execute("SELECT 1 FROM sqlite_master WHERE name = 'accounts_user'")
        return bool(tables.fetchall()) and bool(
            database.execute("SELECT EXISTS (SELECT 1 FROM accounts_user)").fetchone()[0]
        )


def require_alone() -> None:
    """Make sure that no other process has the database open. Raises: InUse."""
    connection.close()
    if not _place().exists():
        return
    with closing(sqlite3.connect(_place(), timeout=0, isolation_level=None)) as database:
        _leave_wal(database)
        database.execute("PRAGMA journal_mode = WAL")


def _leave_wal(database: sqlite3.Connection) -> None:
    """Only the last connection to a database may take it out of WAL mode."""
    try:
        (mode,) = database.execute("PRAGMA journal_mode = DELETE").fetchone()
    except sqlite3.OperationalError:
        raise InUse from None
    if mode != "delete":
        raise InUse


@contextmanager
def aside(manifest: Manifest, extract: Callable[[Path], None]) -> Iterator[None]:
    """Within the block Django's database is what was backed up, beside the real one.

    When the block has ended well, the real one becomes that, at once. Raises: InUse.
    """
    place = _place()
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    for left in place.parent.glob(f"{ASIDE}*"):  # by one that was killed
        shutil.rmtree(left)
    with TemporaryDirectory(dir=place.parent, prefix=ASIDE) as name:
        folder = Path(name)
        extract(folder)
        with using(NAME=str(folder / FILE)):
            yield
        with closing(sqlite3.connect(place, timeout=WAIT_S, isolation_level=None)) as real:
            _leave_wal(real)
            with closing(sqlite3.connect(folder / FILE)) as restored:
                restored.backup(real)  # one transaction


def _place() -> Path:
    return Path(connection.settings_dict["NAME"])
