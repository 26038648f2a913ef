"""Of a PostgreSQL database: the rows of each table, all as of one moment, as COPY writes them.

The tables themselves are made by the migrations. So neither needs PostgreSQL's own programs, and
a backup may go to a server of another version.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from django.db import DatabaseError, connection, transaction
from django.db.backends.utils import CursorWrapper
from django.db.migrations.executor import MigrationExecutor

from .archive import CHUNK, Manifest
from .facts import Query, count, kept_tables
from .refusals import InUse, NotLoaded
from .using import using

ASIDE = "connhub_restoring"
SEQUENCES = """
    SELECT table_name || '.' || column_name,
        pg_get_serial_sequence(quote_ident(table_name), column_name)
    FROM information_schema.columns
    WHERE table_schema = current_schema()
        AND (is_identity = 'YES' OR column_default LIKE 'nextval(%')
"""
OTHERS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND usename = current_user
        AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""
FUNCTIONS = """
    SELECT quote_ident(proname) || '(' || pg_get_function_identity_arguments(oid) || ')'
    FROM pg_proc WHERE pronamespace = %s::regnamespace
"""
TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = %s"


@contextmanager
def snapshot(folder: Path) -> Iterator[tuple[Query, dict[str, Any]]]:
    """Write the tables of one moment into the folder; give a query on it, and the tables."""
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")

        def query(sql: str) -> list[tuple[Any, ...]]:
            cursor.execute(sql)
            return cursor.fetchall()

        tables = {}
        for table in kept_tables():
            described = connection.introspection.get_table_description(cursor, table)
            columns = [column.name for column in described]
            copied = cursor.copy(f"COPY {_of(table, columns)} TO STDOUT")
            with (folder / _file(table)).open("wb") as file, copied as rows:
                file.writelines(rows)
            tables[table] = {"rows": count(query, table), "columns": columns}
        yield query, tables


def sequences() -> dict[str, list[Any]]:
    """How far each of the sequences came, `table.column`: a deleted row's number stays used."""
    with connection.cursor() as cursor:
        cursor.execute(SEQUENCES)
        found = {}
        for place, sequence in cursor.fetchall():
            cursor.execute(f"SELECT last_value, is_called FROM {sequence}")  # noqa: S608
            found[place] = list(cursor.fetchone())
    return found


def holds_people() -> bool:
    """Whether anybody's data is there already."""
    with connection.cursor() as cursor:
        if "accounts_user" not in connection.introspection.table_names(cursor):
            return False
        cursor.execute("SELECT EXISTS (SELECT 1 FROM accounts_user)")
        return cursor.fetchone()[0]


def require_alone() -> None:
    """Make sure that nobody else is connected with ConnHub's role. Raises: InUse."""
    with connection.cursor() as cursor:
        cursor.execute(OTHERS)
        if cursor.fetchone()[0]:
            raise InUse


@contextmanager
def aside(manifest: Manifest, extract: Callable[[Path], None]) -> Iterator[None]:
    """Within the block Django's database is what was backed up, in a schema of its own.

    When the block has ended well, its tables take the place of the real ones, in one transaction.

    Raises:
        InUse: somebody else is connected by then.
        NotLoaded: the database doesn't take it.
    """
    with TemporaryDirectory(prefix="connhub-restore-") as name:
        extract(Path(name))
        _drop(ASIDE)
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE SCHEMA {ASIDE}")
        try:
            with using(OPTIONS=_with_search_path()):
                try:
                    _load(manifest, Path(name))
                except DatabaseError as error:
                    raise NotLoaded(f"{NotLoaded.text} ({type(error).__name__}.)") from error
                yield
            require_alone()
            _put_in_place()
        finally:
            _drop(ASIDE)


def _with_search_path() -> dict[str, Any]:
    options = connection.settings_dict["OPTIONS"]
    return options | {"options": f"{options.get('options', '')} -c search_path={ASIDE}".strip()}


def _load(manifest: Manifest, folder: Path) -> None:
    """Make the tables as they were, and fill them."""
    MigrationExecutor(connection).migrate(_leaves(manifest))
    with transaction.atomic(), connection.cursor() as cursor:
        for table in manifest.tables:
            # What the migrations put there.
            cursor.execute(f"DELETE FROM {_quoted(table)}")  # noqa: S608
        for table, about in manifest.tables.items():
            _fill(cursor, _of(table, about["columns"]), folder / _file(table))
        for place, (value, is_called) in manifest.sequences.items():
            table, column = place.split(".")
            cursor.execute(
                "SELECT setval(pg_get_serial_sequence(%s, %s), %s, %s)",
                [_quoted(table), column, value, is_called],
            )


def _fill(cursor: CursorWrapper, target: str, file: Path) -> None:
    with file.open("rb") as rows, cursor.copy(f"COPY {target} FROM STDIN") as copy:
        while data := rows.read(CHUNK):
            copy.write(data)


def _leaves(manifest: Manifest) -> list[tuple[str, str]]:
    """The last of the migrations in each app."""
    nodes = MigrationExecutor(connection).loader.graph.node_map
    done = {(app, name) for app, name in manifest.migrations} & nodes.keys()
    return sorted(
        key
        for key in done
        if not any(child.key[0] == key[0] and child.key in done for child in nodes[key].children)
    )


@transaction.atomic
def _put_in_place() -> None:
    """Drop the tables that are there, and move those from aside to where they were.

    Raises: NotLoaded, where something that isn't ConnHub's needs the tables.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT quote_ident(current_schema())")
        (here,) = cursor.fetchone()
        cursor.execute(TABLES, [ASIDE])
        tables = [_quoted(row[0]) for row in cursor.fetchall()]
        cursor.execute(FUNCTIONS, [ASIDE])
        functions = [row[0] for row in cursor.fetchall()]
        try:
            cursor.execute(f"DROP TABLE IF EXISTS {', '.join(f'{here}.{t}' for t in tables)}")
            for function in functions:
                cursor.execute(f"DROP FUNCTION IF EXISTS {here}.{function}")
                cursor.execute(f"ALTER FUNCTION {ASIDE}.{function} SET SCHEMA {here}")
        except DatabaseError as error:
            raise NotLoaded("Something else depends on ConnHub's tables.") from error
        for table in tables:
            cursor.execute(f"ALTER TABLE {ASIDE}.{table} SET SCHEMA {here}")


def _drop(schema: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")


def _quoted(name: str) -> str:
    return connection.ops.quote_name(name)


def _of(table: str, columns: list[str]) -> str:
    return f"{_quoted(table)} ({', '.join(map(_quoted, columns))})"


def _file(table: str) -> str:
    return f"{table}.copy"
