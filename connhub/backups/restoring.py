"""The return of a backup: all of it or nothing, and none of what had begun when it was made."""

from pathlib import Path
from typing import NamedTuple

from django.core.management import call_command
from django.db import connection, transaction
from huey.contrib.djhuey import HUEY

from connhub.audit.forwarding import release_positions
from connhub.audit.log import record
from connhub.audit.verify import Verdict, verify
from connhub.connections import carried_over
from connhub.vault.keyring import BadKeys
from connhub.vault.startup import WrongKeys, check_keys

from . import archive, facts
from .archive import Manifest
from .making import kind
from .refusals import NotEmpty, NotLoaded, OtherDatabase, OtherVersion


class Secrets(NamedTuple):
    """How many there are, and how many of them can't be opened."""

    all: int
    shut: int


class Restored(NamedTuple):
    """What came back, what was found of the audit chain and of the secrets, what was left behind."""

    manifest: Manifest
    chain: Verdict
    secrets: Secrets
    grants_left: int


def inspect(path: Path) -> Manifest:
    """Read the archive through and say what it holds, if it could be restored here.

    Raises: Refusal, naming what stands in the way.
    """
    manifest = archive.read(path)
    if manifest.database != connection.vendor:
        raise OtherDatabase(
            f"The backup is of {_name(manifest.database)}, the database here is "
            f"{_name(connection.vendor)}. Carry connections over with export_connections."
        )
    if newer := facts.unknown(manifest.migrations):
        raise OtherVersion(
            f"The backup was made by ConnHub {manifest.version}, which is newer: this version "
            f"doesn't know {newer[0]}. Restore it with that version."
        )
    return manifest


def require_free(*, replace: bool) -> None:
    """Make sure that nobody uses the database and, unless it is replaced, that nobody has data in it.

    Raises: InUse, NotEmpty.
    """
    kind().require_alone()
    if not replace and kind().holds_people():
        raise NotEmpty


def restore(path: Path, *, replace: bool = False, grants_move: bool = False) -> Restored:
    """Put what was backed up in place of what is in the database, brought to this version.

    It is prepared beside the database and then takes its place at once. All sessions have ended.
    OAuth grants that are renewed are left behind, to be authorized anew, unless `grants_move` says
    that nobody else uses them any more.

    Raises:
        Refusal: something stands in the way; nothing was changed.
        OSError: there is no room, say; nothing was changed.
    """
    manifest = inspect(path)
    require_free(replace=replace)
    with kind().aside(manifest, lambda folder: archive.extract(path, manifest, folder)):
        restored = _prepare(path, manifest, grants_move)
    HUEY.flush()  # what waits there is about rows of before
    return restored


def _prepare(path: Path, manifest: Manifest, grants_move: bool) -> Restored:
    call_command("migrate", interactive=False, verbosity=0)
    try:
        check_keys()
    except (BadKeys, WrongKeys) as error:
        raise archive.OtherKey(f"CONNHUB_KEYS: {error} Nothing was changed.") from None
    chain = verify()
    if chain.head != manifest.audit_head and not chain.problem:
        raise NotLoaded
    secrets = _try_all()
    with transaction.atomic():
        release_positions()
        grants_left = carried_over.settle(grants_move=grants_move)
        facts_about = {
            "file": path.name,
            "made_at": manifest.made_at,
            "head": manifest.audit_head,
            "grants_left": grants_left,
        }
        record("account.restored", detail=facts_about)
    return Restored(manifest, chain, secrets, grants_left)


def _try_all() -> Secrets:
    """Open every secret once: what can't be opened now could not be opened before either."""
    every = shut = 0
    for secret in facts.kept_secrets():
        for row in secret.sealed().iterator(1000):
            every += 1
            shut += not secret.of(row).opens()
    return Secrets(every, shut)


def _name(vendor: str) -> str:
    return {"sqlite": "SQLite", "postgresql": "PostgreSQL"}.get(vendor, vendor)
