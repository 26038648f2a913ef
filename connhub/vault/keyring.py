"""The only place that knows cryptography: seals and opens secrets, signs, derives keys.

A sealed secret has Tink's wire format (0x01, 4-byte key id, 12-byte nonce, AES-256-GCM ciphertext
and tag); its associated data names the table, row, field and version that it belongs to.
"""

import base64
import binascii
import hashlib
import hmac
import logging
import os
import stat
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

KEY_BYTES = 32
PREFIX = b"\x01"
HEADER_BYTES = 5
NONCE_BYTES = 12
TAG_BYTES = 16
RETIRED = "audit"
NOTHING_SEALS = "begins with a retired key, which can't seal; put a live one first."
log = logging.getLogger("connhub.vault")


class BadKeys(ValueError):
    """The key ring as configured can't be used; the text says why and holds no key."""


class CantOpen(Exception):
    """A sealed value can't be opened with the keys at hand. Never carries any of its content."""


class KeyMissing(CantOpen):
    """The value was sealed with a key that isn't in the ring."""


class Tampered(CantOpen):
    """The value was changed, moved to another row or field, or sealed with another key."""


class Place(NamedTuple):
    """What a sealed value belongs to; opening it anywhere else fails."""

    table: str
    row: str
    field: str
    version: int

    def as_bytes(self) -> bytes:
        return f"{self.table}:{self.row}:{self.field}:{self.version}".encode()


@dataclass(frozen=True, slots=True, repr=False)
class Key:
    """One key of the ring with its 4-byte id; subkeys are derived from it per purpose.

    Of a retired key only the subkey of the audit chain is left: it proves old events, and neither
    seals nor opens.
    """

    id: bytes
    audit: bytes
    cipher: AESGCM | None

    @classmethod
    def derive(cls, key_id: bytes, master: bytes) -> "Key":
        return cls(key_id, subkey(master, "audit"), AESGCM(subkey(master, "fields")))


class KeyRing:
    """The installation's keys: the first seals, all open that aren't retired."""

    def __init__(self, keys: Iterable[Key]):
        self.keys = {key.id: key for key in keys}
        self.primary = next(iter(self.keys.values()))
        self.live = frozenset(key.id for key in self.keys.values() if key.cipher)

    def follows(self, before: "KeyRing") -> bool:
        """Whether it can take the other's place: a key is in both, and none is another now."""
        shared = self.keys.keys() & before.keys.keys()
        same = all(hmac.compare_digest(self.keys[i].audit, before.keys[i].audit) for i in shared)
        return same and not self.live.isdisjoint(before.live)

    def seal(self, plaintext: bytes, place: Place) -> bytes:
        if self.primary.cipher is None:
            raise BadKeys(NOTHING_SEALS)
        nonce = os.urandom(NONCE_BYTES)
        ciphertext = self.primary.cipher.encrypt(nonce, plaintext, place.as_bytes())
        return PREFIX + self.primary.id + nonce + ciphertext

    def open(self, sealed: bytes, place: Place) -> bytes:
        """The plaintext.

        Raises:
            KeyMissing: sealed with a key that the ring doesn't hold.
            Tampered: not what was sealed for this place.
        """
        if len(sealed) < HEADER_BYTES + NONCE_BYTES + TAG_BYTES or sealed[:1] != PREFIX:
            raise Tampered
        key = self.keys.get(sealed[1:HEADER_BYTES])
        if key is None or key.cipher is None:
            raise KeyMissing
        nonce, ciphertext = sealed[HEADER_BYTES:17], sealed[17:]
        try:
            return key.cipher.decrypt(nonce, ciphertext, place.as_bytes())
        except InvalidTag:
            raise Tampered from None


def subkey(master: bytes, purpose: str) -> bytes:
    """A 32-byte key of its own for each purpose (HKDF-SHA256, RFC 5869)."""
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=f"connhub:{purpose}".encode()).derive(master)


def key_id_of(sealed: bytes) -> str:
    """The id of the key that sealed it, as 8 hex digits."""
    return bytes(sealed[1:HEADER_BYTES]).hex()


def parse(text: str) -> KeyRing:
    """The key ring from `id:key` entries, one a line or comma-separated; the first is primary.

    An id is 8 hex digits, a key 32 random bytes as base64. `id:audit:subkey` is what is left of a
    retired key.

    Raises:
        BadKeys: an entry is malformed, short, a sample, or there twice; or none can seal.
    """
    found = entries(text)
    if not found:
        raise BadKeys("holds no key.")
    keys: list[Key] = []
    masters: set[bytes] = set()
    for number, entry in enumerate(found, 1):
        key_id, master, is_retired = _parse_entry(entry, number)
        if master in masters or any(key_id == key.id for key in keys):
            raise BadKeys(f"holds key {number} twice (the id or the key repeats).")
        masters.add(master)
        keys.append(Key(key_id, master, None) if is_retired else Key.derive(key_id, master))
    if keys[0].cipher is None:
        raise BadKeys(NOTHING_SEALS)
    return KeyRing(keys)


def entries(text: str) -> list[str]:
    """The entries of a key ring as they are written; nothing is checked."""
    return text.replace(",", "\n").split()


def repeats(text: str, secret: str) -> bool:
    """Whether a key of the ring also stands in another secret, in one of the usual spellings."""
    masters = [_parse_entry(entry, 0)[1] for entry in entries(text)]
    spellings = [
        spelled(master).decode().rstrip("=")
        for master in masters
        for spelled in (base64.b64encode, base64.urlsafe_b64encode, binascii.hexlify)
    ]
    return any(spelling in form for spelling in spellings for form in (secret, secret.lower()))


def _parse_entry(entry: str, number: int) -> tuple[bytes, bytes, bool]:
    """Its id, its 32 bytes, and whether these are what is left of a retired key."""
    id_text, _, key_text = entry.partition(":")
    mark, is_retired, rest = key_text.partition(":")
    try:
        if is_retired and mark != RETIRED:
            raise ValueError
        key_id = bytes.fromhex(id_text)
        master = base64.b64decode(rest if is_retired else key_text, validate=True)
    except (ValueError, binascii.Error):
        raise BadKeys(f"key {number} is not of the form 8-hex-digits:base64.") from None
    if len(key_id) != 4:
        raise BadKeys(f"key {number} needs an id of 8 hex digits.")
    if len(master) != KEY_BYTES:
        raise BadKeys(f"key {number} has {len(master)} bytes; it needs {KEY_BYTES}.")
    if len(set(master)) < 8 or (master.isascii() and master.decode().isprintable()):
        raise BadKeys(f"key {number} is a sample or far too simple; make a random one.")
    return key_id, master, bool(is_retired)


def generate_entry() -> str:
    """A new random `id:key` entry for the key file."""
    key = base64.b64encode(os.urandom(KEY_BYTES)).decode()
    return f"{os.urandom(4).hex()}:{key}"


def retired_entry(key: Key) -> str:
    """What takes the place of its `id:key` entry while events name it that it signed."""
    return f"{key.id.hex()}:{RETIRED}:{base64.b64encode(key.audit).decode()}"


@lru_cache(maxsize=4)
def _ring_of(text: str) -> KeyRing:
    return parse(text)


class _KeyFile:
    """The ring of a key file, read again as soon as the file changes.

    What it says then counts if it is sound and has a key in common with what was read before; else
    that stays in force.
    """

    def __init__(self, path: str, text: str) -> None:
        self._path, self._ring = Path(path), parse(text)
        self._stamp: tuple[int, ...] = ()

    def ring(self) -> KeyRing:
        try:
            status = self._path.stat()
        except OSError:
            return self._ring
        stamp = (status.st_ino, status.st_mtime_ns, status.st_size)
        if stamp != self._stamp:
            self._stamp = stamp
            self._follow()
        return self._ring

    def _follow(self) -> None:
        try:
            found = parse(self._path.read_text())
        except (OSError, ValueError) as error:
            why = str(error) if isinstance(error, BadKeys) else "can't be read."
        else:
            if found.follows(self._ring):
                self._ring = found
                return
            why = "holds none of the keys in use, or another key under the id of one."
        log.error("The key file was changed and is not used", extra={"why": why})


@lru_cache(maxsize=4)
def _key_file(path: str, text: str) -> _KeyFile:
    return _KeyFile(path, text)


def ring() -> KeyRing:
    """The key ring; of a key file, as it is at this moment."""
    path, text = settings.CONNHUB_KEYS_FILE, settings.CONNHUB_KEYS
    return _key_file(path, text).ring() if path else _ring_of(text)


_counting = threading.Lock()
_counted: Counter[str] = Counter()


def seal(plaintext: bytes, place: Place) -> bytes:
    current = ring()
    count({current.primary.id.hex(): 1})
    return current.seal(plaintext, place)


def count(sealed: Mapping[str, int]) -> None:
    """Note that keys, by their ids, sealed so many values."""
    with _counting:
        _counted.update(sealed)


def take_counts() -> dict[str, int]:
    """How many values keys sealed in this process since this was asked last."""
    with _counting:
        taken = dict(_counted)
        _counted.clear()
    return taken


def open_sealed(sealed: bytes, place: Place) -> bytes:
    return ring().open(sealed, place)


def digest(token: str) -> str:
    """How ConnHub keeps its own tokens: SHA-256 of at least 256 random bits, as hex."""
    return hashlib.sha256(token.encode()).hexdigest()


def audit_mac(message: bytes, key_id: bytes | None = None) -> tuple[bytes, bytes]:
    """The id of the key used and the HMAC-SHA256 of the message, for the audit chain."""
    key = _key(key_id)
    return key.id, hmac.digest(key.audit, message, "sha256")


def backup_mac(message: bytes, key_id: bytes | None = None) -> tuple[bytes, bytes]:
    """The id of the key used and the HMAC-SHA256 of the message, for backups."""
    key = _key(key_id)
    return key.id, hmac.digest(subkey(key.audit, "backups"), message, "sha256")


def _key(key_id: bytes | None) -> Key:
    """The key of that id, or the primary. Raises: KeyMissing."""
    current = ring()
    key = current.primary if key_id is None else current.keys.get(key_id)
    if key is None:
        raise KeyMissing
    return key


def readable_by_others(path: str) -> bool:
    """Whether anybody but the owner may read the key file, if it still is there."""
    file = Path(path)
    return file.exists() and bool(file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO))
