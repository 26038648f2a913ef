"""Archives taken apart and put together again, with and without changes."""

import io
import json
import tarfile
from copy import deepcopy
from pathlib import Path


def unpacked(path: Path) -> tuple[dict, dict[str, bytes]]:
    """The document of the manifest, and the other files."""
    with tarfile.open(path) as tar:
        files = {member.name: tar.extractfile(member).read() for member in tar}
    return json.loads(files.pop("manifest.json")), files


def packed(path: Path, document: dict, files: dict[str, bytes], first="manifest.json") -> None:
    with tarfile.open(path, "w:gz") as tar:
        for name, content in [(first, json.dumps(document).encode()), *files.items()]:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))


def another_moment(document, files):
    document = deepcopy(document)
    document["manifest"]["made_at"] = "2020-01-01T00:00:00+00:00"
    return document, files


def another_checksum(document, files):
    document = deepcopy(document)
    name = min(files)
    document["manifest"]["files"][name]["sha256"] = "0" * 64
    return document, files


def another_byte(document, files):
    name = max(files, key=lambda name: len(files[name]))
    content = bytearray(files[name])
    content[len(content) // 2] ^= 1
    return document, files | {name: bytes(content)}


def one_more_file(document, files):
    return document, files | {"more": b"x"}


def one_file_less(document, files):
    return document, {name: files[name] for name in sorted(files)[1:]}


def a_way_out(document, files):
    return document, files | {"../../outside": b"x"}


def no_signature(document, files):
    return {name: part for name, part in document.items() if name != "mac"}, files


def signed_by_nobody(document, files):
    return document | {"mac": 7}, files


def no_manifest(document, files):
    return {}, files


def a_list(document, files):
    return [document], files


CHANGES = [
    another_moment, another_checksum, another_byte, one_more_file, one_file_less, a_way_out,
    no_signature, signed_by_nobody, no_manifest, a_list,
]  # fmt: skip
