"""A backup: everything in the database, as of one moment, while ConnHub goes on."""

from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

from django.db import connection, transaction
from django.utils import timezone

from connhub import __version__
from connhub.audit.log import record

from . import archive, facts, postgresql, sqlite
from .archive import Manifest
from .refusals import OtherVersion


def kind() -> ModuleType:
    """What knows the database that ConnHub uses."""
    return {"sqlite": sqlite, "postgresql": postgresql}[connection.vendor]


def back_up(path: Path) -> Manifest:
    """Write a backup to the path, which must be free; what it holds. That it was made is on record.

    Raises:
        FileExists: there is something at the path.
        OtherVersion: the database is not at this version's migrations.
        Damaged: the database doesn't hold together.
        AuditUnavailable: it can't be put on record; then there is no backup.
        OSError: it can't be written there.
    """
    if path.exists():
        raise archive.FileExists(f"{path} exists already.")
    if not facts.is_up_to_date():
        raise OtherVersion(
            "The database is at the migrations of another version. Back up with that version, "
            "or run `manage.py migrate` first."
        )
    with TemporaryDirectory(dir=path.parent, prefix=".connhub-backup-") as name:
        manifest = _collect(Path(name))
        with archive.written(path, manifest, Path(name)), transaction.atomic():
            detail = {"file": path.name, "head": manifest.audit_head}
            record("account.backed_up", detail=detail, change=False)
    return manifest


def _collect(folder: Path) -> Manifest:
    made_at = timezone.now()
    with kind().snapshot(folder) as (query, tables):
        return Manifest(
            version=__version__,
            database=connection.vendor,
            made_at=made_at.isoformat(timespec="seconds"),
            audit_head=facts.audit_head(query),
            keys=facts.sealing_keys(query),
            signing_keys=facts.signing_keys(query),
            migrations=facts.migrations(query),
            tables=tables,
            sequences=kind().sequences(),
            files=archive.measured(folder),
        )
