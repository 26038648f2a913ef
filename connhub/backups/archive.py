"""The file: a tar.gz with a signed manifest first, then the data that the manifest lists.

The signature covers the size and SHA-256 of every file, so that whatever was damaged, cut off or
changed shows before anything is done with it, and so does a key that is another than its id says.
"""

import gzip
import hashlib
import hmac
import json
import os
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from io import BytesIO
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Any

from connhub.errors import Refusal
from connhub.vault.keyring import KeyMissing, backup_mac, ring

FORMAT = 1
MANIFEST = "manifest.json"
MANIFEST_BYTES = 16 * 2**20
CHUNK = 2**20
BROKEN = (
    *(tarfile.TarError, zlib.error, gzip.BadGzipFile, EOFError),
    *(ValueError, KeyError, TypeError, AttributeError),
)


class NotABackup(Refusal):
    code = "not-a-backup"
    text = "The file is not a backup, or it is damaged. Nothing was changed."


class KeysMissing(Refusal):
    code = "keys-missing"


class OtherKey(Refusal):
    code = "other-key"


class MadeByNewer(Refusal):
    code = "made-by-newer"


class FileExists(Refusal):
    code = "file-exists"


@dataclass(frozen=True)
class Manifest:
    """What a backup is of and holds; no secret, and of keys the ids alone.

    With `keys` the values in it are sealed; with `signing_keys`, which may be retired, its events
    are signed.
    """

    version: str
    database: str
    made_at: str
    audit_head: str
    keys: list[str]
    signing_keys: list[str]
    migrations: list[list[str]]
    tables: dict[str, dict[str, Any]]
    sequences: dict[str, list[Any]] = field(default_factory=dict)
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    format: int = FORMAT

    def rows(self, table: str) -> int:
        return self.tables.get(table, {}).get("rows", 0)


def measured(folder: Path) -> dict[str, dict[str, Any]]:
    """The size and SHA-256 of each file in the folder."""
    return {path.name: _measure(path) for path in sorted(folder.iterdir())}


def _measure(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"bytes": path.stat().st_size, "sha256": digest}


@contextmanager
def written(path: Path, manifest: Manifest, folder: Path) -> Iterator[None]:
    """Write the archive beside its place; it gets its name when the block has ended well.

    Only its owner may read it.

    Raises:
        FileExists: there is a file of that name; it stays as it is.
    """
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.") as beside:
        with tarfile.open(fileobj=beside, mode="w:gz", compresslevel=6) as tar:
            _add(tar, MANIFEST, BytesIO(document := _signed(manifest)), len(document))
            for name, measures in manifest.files.items():
                with (folder / name).open("rb") as file:
                    _add(tar, name, file, measures["bytes"])
        beside.flush()
        os.fsync(beside.fileno())
        yield
        _give_name(Path(beside.name), path)


def _add(tar: tarfile.TarFile, name: str, content: IO[bytes], size: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, 0o600
    tar.addfile(entry, content)


def _give_name(beside: Path, path: Path) -> None:
    try:
        path.hardlink_to(beside)
    except FileExistsError:
        raise FileExists(f"{path} exists already.") from None
    except OSError:  # a file system without hard links
        if path.exists():
            raise FileExists(f"{path} exists already.") from None
        beside.rename(path)
        beside.touch()  # for whoever removes it
    folder = os.open(path.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


def _canonical(plain: dict[str, Any]) -> bytes:
    return json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()


def _signed(manifest: Manifest) -> bytes:
    plain = asdict(manifest)
    key_id, mac = backup_mac(_canonical(plain))
    document = {"format": FORMAT, "signed_with": key_id.hex(), "mac": mac.hex(), "manifest": plain}
    return json.dumps(document, indent=1).encode()


def read(path: Path) -> Manifest:
    """What the archive says of itself, once its signature holds.

    Raises:
        NotABackup: it is none, or damaged.
        MadeByNewer: its format is one that this version doesn't know.
        KeysMissing: the key ring lacks keys that it names.
        OtherKey: a key of the ring isn't the one of that id, or the manifest was changed.
    """
    try:
        with tarfile.open(path, "r|gz") as tar:
            entry = tar.next()
            if entry is None or entry.name != MANIFEST or not 0 < entry.size <= MANIFEST_BYTES:
                raise NotABackup
            document = json.loads(_content(tar, entry).read())
        return _checked(document)
    except FileNotFoundError:
        raise NotABackup(f"There is no file {path}.") from None
    except BROKEN:
        raise NotABackup from None


def _content(tar: tarfile.TarFile, entry: tarfile.TarInfo) -> IO[bytes]:
    content = tar.extractfile(entry)
    if content is None:
        raise NotABackup
    return content


def _checked(document: dict[str, Any]) -> Manifest:
    plain, mac = document["manifest"], document["mac"]
    if document["format"] != FORMAT or plain["format"] != FORMAT:
        raise MadeByNewer(
            f"The backup was made by ConnHub {plain['version']}, in a format that this version "
            "doesn't know. Restore it with that version."
        )
    _require_keys(set(plain["keys"]), {*plain["signing_keys"], document["signed_with"]})
    try:
        _, right = backup_mac(_canonical(plain), bytes.fromhex(document["signed_with"]))
    except KeyMissing:
        raise NotABackup from None
    if not hmac.compare_digest(right.hex().encode(), mac.encode()):
        raise OtherKey(
            f"The key {document['signed_with']} in the key ring is not the one of that id that the "
            "backup was made with, or the backup was changed. Nothing was changed here."
        )
    return Manifest(**plain)


def _require_keys(sealing: set[str], signing: set[str]) -> None:
    live, known = ({i.hex() for i in ids} for ids in (ring().live, ring().keys))
    missing = sorted((sealing - live) | (signing - known))
    if missing:
        raise KeysMissing(
            f"The key ring lacks {', '.join(missing)}, without which the backup can't be opened. "
            "Put the keys it was made with where CONNHUB_KEYS_FILE says. Nothing was changed."
        )


def extract(path: Path, manifest: Manifest, folder: Path) -> None:
    """Unpack the data into the folder.

    Raises:
        NotABackup: a file lacks, is too much, or isn't what the manifest says.
    """
    expected = dict(manifest.files)
    try:
        with tarfile.open(path, "r|gz") as tar:
            for entry in tar:
                if entry.name == MANIFEST:
                    continue
                measures = expected.pop(entry.name)
                if entry.size != measures["bytes"] or not entry.isfile():
                    raise NotABackup
                digest = _copy(_content(tar, entry), folder / Path(entry.name).name)
                if digest != measures["sha256"]:
                    raise NotABackup
    except BROKEN:
        raise NotABackup from None
    if expected:
        raise NotABackup


def _copy(source: IO[bytes], to: Path) -> str:
    """Copy it; the SHA-256 of what was copied."""
    digest = hashlib.sha256()
    with to.open("xb") as file:
        while chunk := source.read(CHUNK):
            digest.update(chunk)
            file.write(chunk)
    return digest.hexdigest()
