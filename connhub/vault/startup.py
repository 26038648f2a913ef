"""What must hold before ConnHub serves anything."""

import logging
import resource

from django.conf import settings

from . import keyring
from .models import KeyCheck

CANARY = "connhub"
log = logging.getLogger("connhub.vault")


class WrongKeys(Exception):
    """The key ring isn't the one that this database was sealed with."""


def forbid_core_dumps() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def check_keys() -> None:
    """Make sure that the ring fits this database, and note a new primary key.

    Raises:
        BadKeys: the ring can't be read.
        WrongKeys: a key differs from the one of that id, or none of the known keys is there.
    """
    path = settings.CONNHUB_KEYS_FILE
    if path and keyring.readable_by_others(path):
        log.warning("The key file can be read by others; make it 0600.", extra={"path": path})
    compare_keys()
    note_primary()


def note_primary() -> None:
    """Keep a value sealed with the primary key, by which it is known from now on."""
    check = KeyCheck(key_id=keyring.ring().primary.id.hex())
    check.canary.put(CANARY)
    # The one that is there stays, also when another machine starts at the same moment.
    KeyCheck.objects.bulk_create([check], ignore_conflicts=True)


def compare_keys() -> None:
    """Make sure that the ring opens what this database holds; writes nothing, raises the same."""
    loaded = {key_id.hex() for key_id in keyring.ring().live}
    known = {check.key_id: check for check in KeyCheck.objects.all()}
    if known and not loaded & known.keys():
        raise WrongKeys("holds none of the keys that this database was sealed with.")
    for key_id in loaded & known.keys():
        _check(known[key_id])


def _check(check: KeyCheck) -> None:
    try:
        same = check.canary.open().reveal() == CANARY
    except keyring.CantOpen:
        same = False
    if not same:
        raise WrongKeys(f"key {check.key_id} is not the key of that id this database knows.")
