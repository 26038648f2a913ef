"""SECURITY 11.1: consistent, online, and with no clear secret, no key and no session inside."""

import base64
import gzip
import json
import sqlite3
import tarfile
from contextlib import closing
from urllib.parse import quote

from tests.conftest import CANARY

from .installation import Installation
from .looking import state


def contents(path) -> bytes:
    """The archive, unpacked, and the archive as it is."""
    with tarfile.open(path) as tar:
        files = [tar.extractfile(member).read() for member in tar]
    return b"".join(files) + gzip.decompress(path.read_bytes()) + path.read_bytes()


def manifest(path) -> dict:
    with tarfile.open(path) as tar:
        return json.load(tar.extractfile("manifest.json"))["manifest"]


def spellings(secret: str) -> list[bytes]:
    """As it is, and as COPY writes bytes."""
    encoded = [secret, quote(secret, safe=""), secret.encode().hex(), secret[: len(secret) // 2]]
    return [text.encode() for text in [*encoded, base64.b64encode(secret.encode()).decode()[:-2]]]


def test_a_backup_is_for_its_owner_alone_and_says_what_it_holds(lived_in, tmp_path):
    path = tmp_path / "connhub.tar.gz"

    code, out, err = lived_in.manage("backup", path)

    key_id = lived_in.keys.read_text().partition(":")[0]
    said = manifest(path)
    assert (code, err) == (0, "")
    assert out.startswith(
        f"{path}: ConnHub 0.1.0 as of {said['made_at']}, 2 people, 3 connections,"
    )
    assert out.endswith(f"Restoring it takes the keys {key_id}.\n")
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["connhub.tar.gz"]
    assert (said["version"], said["format"], said["keys"]) == ("0.1.0", 1, [key_id])
    assert ["connections", "0021_public_ids_required"] in said["migrations"]
    assert said["tables"]["accounts_user"]["rows"] == 2


def test_into_a_folder_it_gets_a_name_of_its_own_and_is_on_record(lived_in, tmp_path):
    lived_in.manage("backup", tmp_path)

    (made,) = tmp_path.glob("connhub-20*Z.tar.gz")
    head = manifest(made)["audit_head"]
    assert state(lived_in)["last"] == ["account.backed_up", {"file": made.name, "head": head}]


def test_what_is_there_is_never_overwritten(lived_in, tmp_path):
    path = tmp_path / "connhub.tar.gz"
    path.write_text("precious")

    code, out, err = lived_in.manage("backup", path)

    assert (code, out, err) == (2, "", f"CommandError: {path} exists already.\n")
    assert path.read_text() == "precious"


def test_where_nothing_can_be_written_it_says_so(lived_in, tmp_path):
    path = tmp_path / "nowhere" / "connhub.tar.gz"

    code, _, err = lived_in.manage("backup", path)

    assert code == 2
    assert err == f"CommandError: {path} can't be written (No such file or directory).\n"


def test_no_secret_no_key_and_no_session_is_in_it(lived_in, backup):
    found = contents(backup)

    key = lived_in.keys.read_text().strip().partition(":")[2]
    secret_key = (lived_in.home / "secret_key").read_text().strip()
    hidden = [CANARY, key, secret_key, lived_in.session_key]
    assert b"ada@acme.example" in found
    assert [s for secret in hidden for s in spellings(secret) if s in found] == []
    assert base64.b64decode(key) not in found


def test_a_secret_that_was_destroyed_has_no_trace_in_it(lived_in, backup):
    """SQLite leaves what was deleted in the file until something else needs the room."""
    sealed = lived_in.python(
        "from connhub.connections.models import Credential\n"
        "print(Credential.objects.get(connection__link_name='billing').payload.ciphertext.hex())"
    )
    key_id = lived_in.keys.read_text().partition(":")[0]
    found = contents(backup)

    is_there = bytes.fromhex(sealed) in found or sealed.encode() in found
    assert is_there
    # Of billing, CRM and the value that the key ring is checked by, and no more.
    with tarfile.open(backup) as tar:
        data = b"".join(tar.extractfile(m).read() for m in tar if m.name != "manifest.json")
    marks = data.count(bytes.fromhex("01" + key_id)) + data.count(b"\\\\x01" + key_id.encode())
    assert marks == 3


def test_a_database_of_another_version_is_not_backed_up(make, tmp_path):
    behind = make()
    behind.manage("migrate", "-v0")
    behind.manage("migrate", "-v0", "usage", "0011")

    code, _, err = behind.manage("backup", tmp_path)

    assert code == 2
    assert err.startswith("CommandError: The database is at the migrations of another version.")
    assert list(tmp_path.iterdir()) == []


def test_a_backup_that_cannot_be_put_on_record_is_none(lived_in, tmp_path):
    failing = """
import sys
from unittest.mock import patch
from django.core.management import call_command
from django.db import DatabaseError
with patch("connhub.audit.log._append_all", side_effect=DatabaseError):
    try:
        call_command("backup", {path!r})
    except Exception as error:
        print(error)
"""
    said = lived_in.python(failing.format(path=str(tmp_path)))

    assert said.startswith("This could not be put on record, so it was not done.")
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_database_is_not_backed_up_as_if_it_were_whole(tmp_path_factory, tmp_path):
    broken = Installation(tmp_path_factory.mktemp("broken"))
    broken.manage("migrate", "-v0")
    broken.manage("load_catalogue")
    file = broken.home / "connhub.sqlite3"
    with closing(sqlite3.connect(file)) as database:
        query = "SELECT rootpage FROM sqlite_master WHERE name = 'services_service'"
        (page,) = database.execute(query).fetchone()
        (size,) = database.execute("PRAGMA page_size").fetchone()
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with file.open("r+b") as database:
        database.seek((page - 1) * size + 12)  # after its header, where its cells are
        database.write(b"\xff" * 40)

    code, _, err = broken.manage("backup", tmp_path)

    assert code == 2
    assert err == "CommandError: SQLite says that the database is damaged. No backup was written.\n"
    assert list(tmp_path.iterdir()) == []
