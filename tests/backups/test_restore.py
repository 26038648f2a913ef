"""SECURITY 11.1: all or nothing, and none of what had begun; refuses in one line, and changes nothing."""

import json
import os
import pty
import signal
import time
from contextlib import contextmanager

import psycopg
import pytest

from connhub.vault.keyring import generate_entry
from tests.conftest import CANARY

from .archives import CHANGES, packed, unpacked
from .looking import state

HELD = "It came back from a backup, and the token may have been renewed elsewhere since. Reconnect."
DAMAGED = "The file is not a backup, or it is damaged. Nothing was changed."


def refusal(installation, *arguments) -> str:
    """The one line, of which exit code 2 is told."""
    code, out, err = installation.manage("restore", *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("CommandError: ") and err.count("\n") == 1
    return err.removeprefix("CommandError: ").rstrip("\n")


def test_what_was_there_is_there_again_and_opens(restored, lived_in):
    installation, out = restored
    before, after = state(lived_in), state(installation)

    assert after["people"] == before["people"] == ["ada@acme.example", "root@acme.example"]
    assert after["connections"] == {
        "billing": "Connected",
        "gone": "Revoked",
        "crm": "Reconnect needed",
    }
    assert after["secrets"]["billing"] == {"key_1": CANARY}
    assert "The audit chain is whole. Head " in out
    assert "2 secrets, and all open.\n" in out
    assert installation.manage("verify_audit")[0] == 0
    assert installation.manage("migrate", "--check")[0] == 0


def test_that_it_was_restored_and_from_what_is_on_record(restored, backup):
    installation, _ = restored
    manifest = unpacked(backup)[0]["manifest"]

    assert state(installation)["last"] == [
        "account.restored",
        {
            "file": backup.name,
            "made_at": manifest["made_at"],
            "head": manifest["audit_head"],
            "grants_left": 1,
        },
    ]


def test_sessions_and_whatever_was_under_way_have_ended(restored, lived_in):
    installation, _ = restored

    assert state(lived_in)["under_way"] == dict.fromkeys(
        ["Session", "Letter", "Authorization", "Import"], 1
    )
    after = state(installation)
    assert after["under_way"] == dict.fromkeys(["Session", "Letter", "Authorization", "Import"], 0)
    assert (after["held"], after["queue"]) == (0, 0)


def test_a_grant_that_others_may_renew_is_left_behind(restored):
    installation, out = restored
    why = installation.python(
        "from connhub.connections.models import Credential as C\n"
        "print(C.objects.get(connection__link_name='crm').last_error)"
    )

    after = state(installation)
    assert after["secrets"]["crm"] is None
    assert (after["grant"][0], after["grant"][1], after["grant"][2]) == (5, False, None)
    assert why == HELD
    assert "1 OAuth grant left behind, to be authorized anew" in out


def test_a_grant_that_moves_is_kept_without_the_lease_of_who_was_renewing_it(empty, backup):
    _, out, _ = empty.manage("restore", backup, "--grants-move")

    after = state(empty)
    assert after["secrets"]["crm"] == {"access_token": CANARY, "refresh_token": CANARY}
    # Connected, renewable, no lease, a fence beyond theirs; that they had begun is still known.
    assert after["grant"] == [1, True, None, 6, 1]
    assert "left behind" not in out


def test_what_is_made_afterwards_gets_numbers_of_its_own(restored, lived_in):
    installation, _ = restored
    make = (
        "from tests.factories import UserFactory\nprint(UserFactory(email='new@acme.example').pk)"
    )

    assert int(installation.python(make)) == 3


# --- Refusals -------------------------------------------------------------------------------------


def is_untouched(installation) -> bool:
    """Whether its database is as empty as before."""
    if not installation.database_url:
        return not (installation.home / "connhub.sqlite3").exists()
    with psycopg.connect(installation.database_url) as database:
        query = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        schemas = "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'connhub%'"
        return all(database.execute(q).fetchone()[0] == 0 for q in (query, schemas))


def test_without_the_keys_it_names_them(make, lived_in, backup):
    other = make()

    said = refusal(other, backup)

    key_id = lived_in.keys.read_text().partition(":")[0]
    assert said.startswith(f"The key ring lacks {key_id}, without which the backup can't be opened")
    assert is_untouched(other)


def test_another_key_under_the_same_id_is_refused(make, lived_in, backup):
    other = make()
    key_id = lived_in.keys.read_text().partition(":")[0]
    other.keys.write_text(f"{key_id}:{generate_entry().partition(':')[2]}")

    said = refusal(other, backup)

    assert said.startswith(f"The key {key_id} in the key ring is not the one of that id")
    assert is_untouched(other)


def cut(path):
    path.write_bytes(path.read_bytes()[:-4000])


def flip_in_the_middle(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def empty_it(path):
    path.write_bytes(b"")


def not_an_archive(path):
    path.write_text("nonsense")


def test_a_damaged_file_is_refused(empty, backup, tmp_path):
    def damaged_by(damage):
        path = tmp_path / damage.__name__
        path.write_bytes(backup.read_bytes())
        damage(path)
        return path

    paths = [damaged_by(damage) for damage in (cut, flip_in_the_middle, empty_it, not_an_archive)]

    said = empty.refusals(
        *(("restore", path) for path in paths), *(("restore", "--check", path) for path in paths)
    )

    assert set(said) == {DAMAGED}
    assert is_untouched(empty)


def test_a_file_that_was_changed_is_refused(empty, backup, tmp_path):
    def changed_by(change):
        packed(tmp_path / change.__name__, *change(*unpacked(backup)))
        return tmp_path / change.__name__

    said = empty.refusals(*(("restore", changed_by(change)) for change in CHANGES))

    assert [
        text for text in said if text != DAMAGED and "the backup was changed." not in text
    ] == []
    assert is_untouched(empty)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(c.__name__ for c in CHANGES)


RESIGN = """
import sys, json
from connhub.backups import archive
document = json.load(open({path!r}))
plain = document["manifest"] | {change!r}
plain["migrations"] += {migrations!r}
print(archive._signed(archive.Manifest(**plain)).decode())
"""


AHEAD = (
    "The backup was made by ConnHub 9.0, which is newer: this version doesn't know "
    "usage.9999_far_ahead. Restore it with that version."
)
NEWER_FORMAT = (
    "The backup was made by ConnHub 9.0, in a format that this version doesn't know. "
    "Restore it with that version."
)


def test_what_this_version_cannot_restore_is_refused(empty, backup, tmp_path):
    document, files = unpacked(backup)
    (tmp_path / "m.json").write_text(json.dumps(document))

    def resigned(name, change, migrations=()):
        signed = empty.python(
            RESIGN.format(path=f"{tmp_path}/m.json", change=change, migrations=migrations)
        )
        packed(tmp_path / name, json.loads(signed), files)
        return "restore", tmp_path / name

    newer, format_2, other = empty.refusals(
        resigned("newer", {"version": "9.0"}, [["usage", "9999_far_ahead"]]),
        resigned("format", {"version": "9.0", "format": 2}),
        resigned("other", {"database": "other"}),
    )

    assert (newer, format_2) == (AHEAD, NEWER_FORMAT)
    assert other.startswith("The backup is of other, the database here is ")
    assert is_untouched(empty)


def test_where_there_are_people_it_is_refused(occupied, backup):
    before = state(occupied)

    said = refusal(occupied, backup)

    assert said == (
        "There is data in the database already; --replace puts the backup in its place."
    )
    assert refusal(occupied, backup, "--replace") == (
        "Give --yes, as there is nobody to ask. Nothing was changed."
    )
    assert state(occupied) == before


def test_replacing_destroys_what_is_there(occupied, backup):
    code, _, err = occupied.manage("restore", backup, "--replace", "--yes", "--grants-move")

    after = state(occupied)
    assert (code, err) == (0, "")
    assert after["people"] == ["ada@acme.example", "root@acme.example"]
    assert after["secrets"]["crm"]["access_token"] == CANARY


@pytest.mark.parametrize(("typed", "code"), [("replace", 0), ("yes", 2), ("", 2)])
def test_whoever_is_there_to_ask_types_the_word(occupied, backup, typed, code):
    ours, theirs = pty.openpty()
    process = occupied.start("manage.py", "restore", str(backup), "--replace", stdin=theirs)
    os.write(ours, f"{typed}\n".encode())

    out, err = process.communicate()

    assert process.returncode == code, err
    assert out.startswith("The data in the database will be destroyed. Type replace to go on: ")


@contextmanager
def somebody_connected(installation):
    """Another process that has used the database and is still there."""
    code = (
        "import django, sys; django.setup()\n"
        "from connhub.accounts.models import User\n"
        "User.objects.count()\nprint('here', flush=True)\nsys.stdin.read()"
    )
    process = installation.start("-c", code, stdin=-1)
    assert process.stdout.readline() == "here\n"
    try:
        yield
    finally:
        process.communicate()


def test_while_connhub_is_at_work_it_is_refused(occupied, backup):
    with somebody_connected(occupied):
        said = refusal(occupied, backup, "--replace", "--yes")

    assert said == "The database is in use. Stop ConnHub first. Nothing was changed."
    assert occupied.manage("restore", backup, "--replace", "--yes")[0] == 0


# --- All or nothing -------------------------------------------------------------------------------


def test_killed_at_any_moment_it_has_changed_everything_or_nothing(occupied, backup):
    occupied.python("from tests.factories import UserFactory; UserFactory(email='y@acme.example')")
    old, new = 3, 2
    command = ("manage.py", "restore", str(backup), "--replace", "--yes")

    seen = []
    for wait in (2, 3.5, 5):
        process = occupied.start(*command)
        time.sleep(wait)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        seen.append(len(state(occupied)["people"]))

    assert set(seen) <= {old, new}
    assert occupied.manage(*command[1:])[0] == 0
    assert len(state(occupied)["people"]) == new
    assert not list(occupied.home.glob(".connhub-restore-*"))


def test_a_backup_of_earlier_migrations_is_brought_to_this_version(make, tmp_path):
    behind = make()
    behind.manage("migrate", "-v0")
    behind.python("from connhub.vault.startup import check_keys; check_keys()")
    behind.manage("migrate", "-v0", "usage", "0011")
    behind.python(
        "from pathlib import Path\nfrom unittest.mock import patch\n"
        "from connhub.backups import making\n"
        "with patch('connhub.backups.facts.is_up_to_date', return_value=True):\n"
        f"    making.back_up(Path({str(tmp_path / 'behind.tar.gz')!r}))"
    )
    ahead = make(behind.keys)

    code, _, err = ahead.manage("restore", tmp_path / "behind.tar.gz")

    migrations = unpacked(tmp_path / "behind.tar.gz")[0]["manifest"]["migrations"]
    assert ["usage", "0012_functions_once_by_name"] not in migrations
    assert (code, err) == (0, "")
    assert ahead.manage("migrate", "--check")[0] == 0


def test_checking_changes_nothing_and_says_what_is_in_it(empty, backup):
    code, out, err = empty.manage("restore", "--check", backup)

    assert (code, err) == (0, "")
    assert out.startswith("Whole, and the keys are here: ConnHub 0.1.0 as of ")
    assert is_untouched(empty)
    assert [path.name for path in backup.parent.iterdir()] == [backup.name]
