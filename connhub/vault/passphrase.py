"""Seals a file under a passphrase: scrypt (RFC 7914) makes the key, AES-256-GCM seals.

A file is 8 bytes of magic, 1 of version, 1 for log2 of scrypt's N, 1 for r, 1 for p, 16 of salt and
12 of nonce, which together are the associated data, then the ciphertext with its tag of 16 bytes.
"""

import os
import secrets
import struct
import threading
import unicodedata

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

MAGIC = b"CONNHUB\n"
VERSION = 1
LOG_N, R, P = 17, 8, 1  # 128 MiB, a third of a second
CHEAPEST_LOG_N = 15
HEADER = struct.Struct("!8sBBBB16s12s")
TAG_BYTES = 16
SHORTEST = 14
LONGEST = 1024
ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"
GROUPS, GROUP_LENGTH = 6, 5  # 148 bits

# Each takes 128 MiB while it lasts.
_at_once = threading.BoundedSemaphore(2)


class NotSealedFile(ValueError):
    """It isn't a file of this kind, or of a version or cost that is not accepted."""


class WrongPassphrase(Exception):
    """It doesn't open with this passphrase, or was changed since; nobody can tell which."""


def generate() -> str:
    """A new passphrase that can be typed, of 148 random bits."""
    return "-".join(
        "".join(secrets.choice(ALPHABET) for _ in range(GROUP_LENGTH)) for _ in range(GROUPS)
    )


def is_long_enough(passphrase: str) -> bool:
    return SHORTEST <= len(passphrase) <= LONGEST


def seal_file(content: bytes, passphrase: str) -> bytes:
    """The content sealed under the passphrase, which has at least 14 characters."""
    salt, nonce = os.urandom(16), os.urandom(12)
    header = HEADER.pack(MAGIC, VERSION, LOG_N, R, P, salt, nonce)
    return header + _cipher(passphrase, salt, LOG_N).encrypt(nonce, content, header)


def open_file(sealed: bytes, passphrase: str) -> bytes:
    """The content. What the header asks for is checked before any work is done.

    Raises:
        NotSealedFile: this is no such file.
        WrongPassphrase: the passphrase is another, or a byte of the file was changed.
    """
    header = sealed[: HEADER.size]
    if len(sealed) < HEADER.size + TAG_BYTES:
        raise NotSealedFile
    magic, version, log_n, r, p, salt, nonce = HEADER.unpack(header)
    if (magic, version, r, p) != (MAGIC, VERSION, R, P) or not CHEAPEST_LOG_N <= log_n <= LOG_N:
        raise NotSealedFile
    try:
        return _cipher(passphrase, salt, log_n).decrypt(nonce, sealed[HEADER.size :], header)
    except InvalidTag:
        raise WrongPassphrase from None


def _cipher(passphrase: str, salt: bytes, log_n: int) -> AESGCM:
    """However a keyboard composes its letters, it is the same passphrase (NFC)."""
    typed = unicodedata.normalize("NFC", passphrase[:LONGEST]).encode(errors="surrogatepass")
    with _at_once:
        return AESGCM(Scrypt(salt=salt, length=32, n=2**log_n, r=R, p=P).derive(typed))
