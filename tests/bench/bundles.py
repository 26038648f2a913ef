"""How long it takes to export many connections with their secrets and to import them elsewhere.

python -m tests.bench.bundles [CONNECTIONS]

The database is that of DATABASE_URL, which must be empty, else a new SQLite file.
"""

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

import django


def main(count: int) -> None:
    home = tempfile.mkdtemp(prefix="connhub-bench-")
    os.environ["CONNHUB_HOME"] = home
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    os.environ.setdefault("DATABASE_URL", f"sqlite:///{home}/bundles.sqlite3")
    django.setup()

    from django.db import connection

    connection.creation.create_test_db(verbosity=0, autoclobber=True)
    try:
        measure(count)
    finally:
        connection.creation.destroy_test_db(connection.settings_dict["NAME"], verbosity=0)


def measure(count: int) -> None:
    from connhub.accounts.models import Role
    from connhub.audit.context import NOWHERE
    from connhub.connections.bundles import exporting, imports
    from connhub.connections.bundles.models import Import
    from connhub.connections.bundles.preview import Decisions, fingerprint
    from connhub.connections.models import Connection
    from tests.bench.fill import fill_for_export
    from tests.factories import UserFactory

    ada = UserFactory(role=Role.ADMIN)
    fill_for_export(count, ada)
    print(f"{count:,} connections; seconds that passed, and of this process alone")
    passphrase = "a passphrase for the bench"
    with timed("export"):
        wanted = Connection.objects.administered_by(ada)
        file = exporting.export(wanted, with_secrets=True, sealed_under=passphrase, by=ada)
    print(f"{'':12} {len(file) / 2**20:6.1f} MiB")
    with timed("upload"):
        row = imports.keep(imports.open_file(file, passphrase, by=ada), by=ada)
    for choice in ("add", "replace"):
        imports.decide(row, Decisions(existing=choice), by=ada)
        row.refresh_from_db()
        with timed("preview"):
            seen = fingerprint(imports.look_at(row))
        with timed(choice):
            imports.start(row, seen=seen, by=ada, enqueue=lambda *_: None)
            row.refresh_from_db()
            imports.run(str(row.pk), row.run, NOWHERE)
        row.refresh_from_db()
        print(f"{'':12} {row.phase}: {row.outcome}")
        row = imports.keep(imports.open_file(file, passphrase, by=ada), by=ada)
    Import.objects.all().delete()


@contextmanager
def timed(what: str) -> Iterator[None]:
    started, worked = time.perf_counter(), time.process_time()
    yield
    wall, own = time.perf_counter() - started, time.process_time() - worked
    print(f"{what:12} {wall:6.1f} {own:6.1f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
