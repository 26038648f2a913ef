import sqlite3
from pathlib import Path

from django.core.management.base import BaseCommand
from django.db import DatabaseError
from django.utils import timezone

from connhub.backups import making
from connhub.connections.management.asking import stop
from connhub.errors import Refusal

from .restore import told


class Command(BaseCommand):
    help = "Writes everything in the database to one file, while ConnHub goes on; no key is in it."
    requires_system_checks = []

    def add_arguments(self, parser):
        parser.add_argument(
            "file", help="the file to write, which must not exist, or a folder for it"
        )

    def handle(self, *, file, **options):
        path = Path(file).resolve()
        if path.is_dir():
            path /= f"connhub-{timezone.now():%Y%m%dT%H%M%SZ}.tar.gz"
        try:
            manifest = making.back_up(path)
        except Refusal as refusal:
            raise stop(refusal.text) from None
        except OSError as error:
            raise stop(f"{path} can't be written ({error.strerror}).") from None
        except (DatabaseError, sqlite3.Error) as error:
            raise stop(f"The database can't be read ({type(error).__name__}).") from None
        self.stdout.write(f"{path}: {told(manifest)}.")
        self.stdout.write(f"Restoring it takes the keys {', '.join(manifest.keys)}.")
