"""The only place that knows cryptography: seals and opens secrets, signs, derives keys.

A sealed secret has Tink's wire format (0x01, 4-byte key id, 12-byte nonce, AES-256-GCM ciphertext
and tag); its associated data names the table, row, field and version that it belongs to.
"""

import base64
import binascii
import hashlib
import hmac
import os
import stat
from collections.abc import Iterable
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
    """One 32-byte key of the ring with its 4-byte id; subkeys are derived from it per purpose."""

    id: bytes
    cipher: AESGCM
    audit: bytes
    exports: bytes

    @classmethod
    def derive(cls, key_id: bytes, master: bytes) -> "Key":
        return cls(
            key_id,
            AESGCM(subkey(master, "fields")),
            subkey(master, "audit"),
            subkey(master, "exports"),
        )


class KeyRing:
    """The installation's keys: the first seals, all open."""

    def __init__(self, keys: Iterable[Key]):
        self.keys = {key.id: key for key in keys}
        self.primary = next(iter(self.keys.values()))

    def seal(self, plaintext: bytes, place: Place) -> bytes:
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
        if key is None:
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

    An id is 8 hex digits, a key 32 random bytes as base64.

    Raises:
        BadKeys: an entry is malformed, short, a sample, or there twice.
    """
    entries = [entry for entry in text.replace(",", "\n").split() if entry]
    if not entries:
        raise BadKeys("holds no key.")
    keys: list[Key] = []
    masters: set[bytes] = set()
    for number, entry in enumerate(entries, 1):
        key_id, master = _parse_entry(entry, number)
        if master in masters or any(key_id == key.id for key in keys):
            raise BadKeys(f"holds key {number} twice (the id or the key repeats).")
        masters.add(master)
        keys.append(Key.derive(key_id, master))
    return KeyRing(keys)


def _parse_entry(entry: str, number: int) -> tuple[bytes, bytes]:
    id_text, _, key_text = entry.partition(":")
    try:
        key_id = bytes.fromhex(id_text)
        master = base64.b64decode(key_text, validate=True)
    except (ValueError, binascii.Error):
        raise BadKeys(f"key {number} is not of the form 8-hex-digits:base64.") from None
    if len(key_id) != 4:
        raise BadKeys(f"key {number} needs an id of 8 hex digits.")
    if len(master) != KEY_BYTES:
        raise BadKeys(f"key {number} has {len(master)} bytes; it needs {KEY_BYTES}.")
    if len(set(master)) < 8 or (master.isascii() and master.decode().isprintable()):
        raise BadKeys(f"key {number} is a sample or far too simple; make a random one.")
    return key_id, master


def generate_entry() -> str:
    """A new random `id:key` entry for the key file."""
    key = base64.b64encode(os.urandom(KEY_BYTES)).decode()
    return f"{os.urandom(4).hex()}:{key}"


@lru_cache(maxsize=4)
def _ring_of(text: str) -> KeyRing:
    return parse(text)


def ring() -> KeyRing:
    return _ring_of(settings.CONNHUB_KEYS)


def seal(plaintext: bytes, place: Place) -> bytes:
    return ring().seal(plaintext, place)


def open_sealed(sealed: bytes, place: Place) -> bytes:
    return ring().open(sealed, place)


def digest(token: str) -> str:
    """How ConnHub keeps its own tokens: SHA-256 of at least 256 random bits, as hex."""
    return hashlib.sha256(token.encode()).hexdigest()


def audit_mac(message: bytes, key_id: bytes | None = None) -> tuple[bytes, bytes]:
    """The id of the key used and the HMAC-SHA256 of the message, for the audit chain."""
    key = _key(key_id)
    return key.id, hmac.digest(key.audit, message, "sha256")


def export_mac(message: bytes, key_id: bytes | None = None) -> tuple[bytes, bytes]:
    """The id of the key used and the HMAC-SHA256 of the message, for what leaves the database."""
    key = _key(key_id)
    return key.id, hmac.digest(key.exports, message, "sha256")


def _key(key_id: bytes | None) -> Key:
    """The key of that id, or the primary. Raises: KeyMissing."""
    key = ring().primary if key_id is None else ring().keys.get(key_id)
    if key is None:
        raise KeyMissing
    return key


def readable_by_others(path: str) -> bool:
    """Whether anybody but the owner may read the key file."""
    return bool(Path(path).stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO))
