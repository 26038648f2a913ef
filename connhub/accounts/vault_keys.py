"""The life of the vault's keys: made, sealed with, rotated out, retired."""

from collections.abc import Callable
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from connhub.audit.log import record
from connhub.audit.models import Event
from connhub.errors import Refusal
from connhub.vault import keyfile, keyring, rotation, startup
from connhub.vault.models import KeyCheck, KeyRotation

from .models import User
from .people import require_now
from .resealing import going_on, primary

# Longer than what is sealed waits in a page, a session or for a lock.
ON_ITS_WAY = timedelta(minutes=15)


class NothingToRotate(Refusal):
    code = "nothing-to-rotate"
    text = "Everything is sealed with the primary key already."


class NoKeyFile(Refusal):
    code = "no-key-file"
    text = (
        "The keys come from CONNHUB_KEYS in the environment, where they can't be changed from here."
        " Put the new key first there, restart every process, and run rotate_keys."
    )


class NothingNamesIt(NoKeyFile):
    """Unnamed, it can be taken from the environment; `entry` then takes its place, if any does."""

    def __init__(self, entry: str) -> None:
        super().__init__()
        self.entry = entry


class CantWriteKeys(Refusal):
    code = "cant-write-keys"
    text = "The key file can't be replaced."


class NoSuchKey(Refusal):
    code = "no-such-key"
    text = "The key ring holds no key of that id that could be retired."


class IsPrimary(Refusal):
    code = "is-primary"
    text = "It is the primary key, which seals everything new. Run rotate_keys --new first."


class StillNamed(Refusal):
    code = "still-named"
    text = "Values are still sealed with it."


class TooSoon(Refusal):
    code = "too-soon"
    text = (
        "It sealed until a moment ago, and forms and sign-ins under way may still need it."
        " Try again in a quarter of an hour."
    )


@transaction.atomic
def make_primary(*, by: User | None = None) -> str:
    """Put a new random key first in the key file, so that it seals from now on; its id.

    Raises: NoKeyFile, CantWriteKeys.
    """
    entry = keyring.generate_entry()
    key_id = entry.partition(":")[0]
    record("vault_key.made", by=by, on=KeyCheck(key_id), change=False)
    _change_file(lambda entries: entries.insert(0, entry))
    startup.note_primary()
    return key_id


@transaction.atomic
def start(*, by: User | None = None) -> KeyRotation:
    """Begin to seal everything anew with the primary key; if somebody has begun, that goes on.

    Raises:
        PermissionDenied: `by` is no super admin.
        NothingToRotate: no other key seals anything.
    """
    if by is not None:
        by = require_now(by, "account.administer")
    startup.note_primary()
    KeyCheck.objects.select_for_update(no_key=True).get(pk=primary().pk)  # one begins at a time
    run = going_on()
    if run is not None:
        return run
    total = rotation.count_left()
    if not total:
        raise NothingToRotate
    run = KeyRotation.objects.create(total=total, heard_of_at=timezone.now())
    detail = {"said": f"{total:,} values"}
    record("vault_key.rotation_started", by=by, on=primary(), detail=detail, change=False)
    return run


@transaction.atomic
def retire(key_id: str, *, by: User | None = None) -> None:
    """Take a key that nothing is sealed with any more from the key file, for good.

    What events it signed can still be verified with stays there.

    Raises:
        NoSuchKey, IsPrimary, CantWriteKeys.
        TooSoon: less than 15 minutes have passed since another key took its place.
        StillNamed: with the kinds and numbers of what it still seals.
        NothingNamesIt: but there is no key file to take it from; nothing was changed.
    """
    ring = keyring.ring()
    key = next((key for key in ring.keys.values() if key.id.hex() == key_id), None)
    if key is None or key.cipher is None:
        raise NoSuchKey
    if key is ring.primary:
        raise IsPrimary
    if KeyCheck.objects.filter(pk=primary().pk, made_at__gt=timezone.now() - ON_ITS_WAY).exists():
        raise TooSoon
    _require_unnamed(key_id)
    left = [keyring.retired_entry(key)] if Event.objects.filter(key_id=key_id).exists() else []
    if not settings.CONNHUB_KEYS_FILE:
        raise NothingNamesIt("".join(left))
    KeyCheck.objects.filter(pk=key_id).delete()
    record("vault_key.retired", by=by, on=KeyCheck(key_id), change=False)
    before = _change_file(lambda entries: _replace(entries, key_id, left))
    try:
        _require_unnamed(key_id)  # somebody may have sealed with it until just now
    except StillNamed:
        _change_file(lambda entries: entries.__setitem__(slice(None), before))
        raise


def _replace(entries: list[str], key_id: str, by: list[str]) -> None:
    at = next(n for n, entry in enumerate(entries) if entry.lower().startswith(f"{key_id}:"))
    entries[at : at + 1] = by


def _require_unnamed(key_id: str) -> None:
    named = rotation.named_by(key_id)
    if named:
        sealed = ", ".join(f"{kind.field.kind}: {count}" for kind, count in named.items())
        raise StillNamed(f"Key {key_id} still seals values. {sealed}.")


def _change_file(change: Callable[[list[str]], None]) -> list[str]:
    """The entries as they were before."""
    if not settings.CONNHUB_KEYS_FILE:
        raise NoKeyFile
    try:
        with keyfile.changing(settings.CONNHUB_KEYS_FILE) as entries:
            before = list(entries)
            change(entries)
    except OSError as error:
        raise CantWriteKeys(f"The key file can't be replaced ({error.strerror}).") from None
    return before
