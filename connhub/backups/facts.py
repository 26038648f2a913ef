"""What a backup says of the data it holds, read by SQL from the very state that it holds."""

from collections.abc import Callable, Iterable
from typing import Any

from django.apps import apps
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader

from connhub.vault.fields import SealedField
from connhub.vault.keyring import ring
from connhub.vault.rotation import Kind, kinds

Query = Callable[[str], list[tuple[Any, ...]]]

# Ends with the processes it belongs to: sessions, codes and counts, what is on its way or waits
# for somebody's answer.
EPHEMERAL = (
    *("accounts.Session", "accounts.SetupCode", "accounts.Letter"),
    *("connections.Authorization", "connections.Import"),
    *("connections.BulkTestRow", "connections.BulkTest", "usage.RateCount"),
    *("axes.AccessAttemptExpiration", "axes.AccessAttempt"),
    *("axes.AccessFailureLog", "axes.AccessLog"),
)


def ephemeral_tables() -> list[str]:
    """Those whose rows are in no backup."""
    return [apps.get_model(label)._meta.db_table for label in EPHEMERAL]


def kept_tables() -> list[str]:
    """All others of this version, with that of the migrations."""
    every = {model._meta.db_table for model in apps.get_models(include_auto_created=True)}
    return sorted(every - set(ephemeral_tables()) | {"django_migrations"})


def is_up_to_date() -> bool:
    """Whether the database is exactly at this version's migrations."""
    executor = MigrationExecutor(connection)
    pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return not pending and not unknown(list(executor.loader.applied_migrations))


def unknown(migrations: Iterable[Iterable[str]]) -> list[str]:
    """Those of the migrations that this version doesn't have: `app.name`."""
    known = MigrationLoader(None).disk_migrations
    ours = {app for app, _ in known}
    return sorted(f"{a}.{n}" for a, n in migrations if a in ours and (a, n) not in known)


def migrations(query: Query) -> list[list[str]]:
    rows = query("SELECT app, name FROM django_migrations ORDER BY app, name")
    return [list(row) for row in rows]


def audit_head(query: Query) -> str:
    """The end of the audit chain, `SEQUENCE:MAC`."""
    rows = query("SELECT sequence, mac FROM audit_head WHERE id = 1")
    return ":".join(map(str, rows[0])) if rows else "0:"


def count(query: Query, table: str) -> int:
    quoted = connection.ops.quote_name(table)
    return query(f"SELECT count(*) FROM {quoted}")[0][0]  # noqa: S608 - a table of ours


def sealing_keys(query: Query) -> list[str]:
    """The ids of the keys that anything is sealed with, as far as the ring has them; the primary."""
    found = {ring().primary.id.hex()}
    for kind in kept_secrets():
        found |= {row[0] for row in query(_key_ids(kind.field))}
    return sorted(found & {key_id.hex() for key_id in ring().live})


def signing_keys(query: Query) -> list[str]:
    """The ids of the keys that any event is signed with, as far as the ring has them."""
    found = {row[0] for row in query("SELECT DISTINCT key_id FROM audit_event")}
    return sorted(found & {key_id.hex() for key_id in ring().keys})


def kept_secrets() -> list[Kind]:
    """Everything sealed that a backup keeps."""
    return [kind for kind in kinds() if kind.model._meta.label not in EPHEMERAL]


def _key_ids(field: SealedField) -> str:
    """A sealed value's key id is its bytes 2 to 5."""
    quote = connection.ops.quote_name
    table, column = quote(field.model._meta.db_table), quote(str(field.column))
    key_id = {
        "sqlite": f"lower(hex(substr({column}, 2, 4)))",
        "postgresql": f"encode(substring({column} from 2 for 4), 'hex')",
    }[connection.vendor]
    return f"SELECT DISTINCT {key_id} FROM {table} WHERE {column} IS NOT NULL"  # noqa: S608
