import sqlite3
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from django.core.management.base import BaseCommand
from django.db import DatabaseError
from django.template.defaultfilters import pluralize

from connhub.backups import archive, restoring
from connhub.backups.archive import Manifest
from connhub.connections.management.asking import stop
from connhub.errors import Refusal

SHOWN = {
    "accounts_user": "people",
    "connections_connection": "connections",
    "connections_credential": "credentials",
    "usage_integration": "integrations",
    "audit_event": "audit events",
}


class Command(BaseCommand):
    help = "Brings back what a backup holds, all or nothing. ConnHub must be stopped."
    requires_system_checks = []

    def add_arguments(self, parser):
        parser.add_argument("file", help="the file that `backup` wrote")
        parser.add_argument(
            "--check", action="store_true", help="see whether it could be restored; change nothing"
        )
        parser.add_argument(
            "--replace", action="store_true", help="destroy the data that is in the database now"
        )
        parser.add_argument("--yes", action="store_true", help="don't ask before replacing")
        parser.add_argument(
            "--grants-move", action="store_true",
            help="the ConnHub that was backed up is gone: keep the OAuth grants that are renewed",
        )  # fmt: skip

    def handle(self, *, file, check, replace, yes, grants_move, **options):
        path = Path(file).resolve()
        try:
            if check:
                self._check(path)
                return
            restoring.inspect(path)
            restoring.require_free(replace=replace)
            if replace and not yes:
                _confirm()
            restored = restoring.restore(path, replace=replace, grants_move=grants_move)
        except Refusal as refusal:
            raise stop(refusal.text) from None
        except OSError as error:
            raise stop(
                f"{error.filename or path}: {error.strerror}. Nothing was changed."
            ) from None
        except (DatabaseError, sqlite3.Error) as error:
            said = f"The database can't be used ({type(error).__name__}). Nothing was changed."
            raise stop(said) from None
        self._tell(restored)

    def _check(self, path: Path) -> None:
        manifest = restoring.inspect(path)
        with TemporaryDirectory(dir=path.parent, prefix=".connhub-check-") as folder:
            archive.extract(path, manifest, Path(folder))
        self.stdout.write(f"Whole, and the keys are here: {told(manifest)}.")

    def _tell(self, restored: restoring.Restored) -> None:
        self.stdout.write(f"Restored: {told(restored.manifest)}.")
        chain, secrets = restored.chain, restored.secrets
        if chain.problem:
            self.stderr.write(f"The audit log does not hold, as before. {chain.problem}")
        else:
            self.stdout.write(f"The audit chain is whole. Head {chain.head}")
        if secrets.shut:
            self.stderr.write(f"{secrets.shut:,} of {secrets.all:,} secrets don't open, as before.")
        else:
            self.stdout.write(f"{secrets.all:,} secrets, and all open.")
        if left := restored.grants_left:
            self.stdout.write(
                f"{left} OAuth grant{pluralize(left)} left behind, to be authorized anew: whoever "
                "runs the ConnHub that was backed up goes on renewing them. If it is gone, restore "
                "again with --replace --grants-move."
            )


def told(manifest: Manifest) -> str:
    """When it was made, and how much it holds."""
    counts = ", ".join(f"{manifest.rows(table):,} {what}" for table, what in SHOWN.items())
    return f"ConnHub {manifest.version} as of {manifest.made_at}, {counts}"


def _confirm() -> None:
    """Raises: CommandError, unless somebody types the word."""
    if not sys.stdin.isatty():
        raise stop("Give --yes, as there is nobody to ask. Nothing was changed.")
    typed = input("The data in the database will be destroyed. Type replace to go on: ")
    if typed.strip() != "replace":
        raise stop("Nothing was changed.")
