"""SECURITY 1.3, 1.4: the key file is followed as soon as it changes, and changed as a whole."""

import subprocess
import sys

import pytest

from connhub.vault import keyfile, keyring
from connhub.vault.keyring import BadKeys, KeyMissing, Place, generate_entry

ONE, TWO, THREE = (generate_entry() for _ in range(3))
HERE = Place("table", "1", "field", 1)


@pytest.fixture
def file(settings, tmp_path):
    path = tmp_path / "keys"
    path.write_text(f"{ONE}\n")
    path.chmod(0o600)
    settings.CONNHUB_KEYS, settings.CONNHUB_KEYS_FILE = ONE, str(path)
    return path


def primary() -> str:
    return keyring.ring().primary.id.hex()


def test_a_new_primary_seals_at_once_and_the_old_key_goes_on_opening(file):
    before = keyring.seal(b"x", HERE)

    with keyfile.changing(str(file)) as entries:
        entries.insert(0, TWO)

    assert primary() == TWO[:8]
    assert keyring.key_id_of(keyring.seal(b"x", HERE)) == TWO[:8]
    assert keyring.open_sealed(before, HERE) == b"x"


def test_another_process_follows(file):
    code = (
        "import sys; from django.conf import settings;"
        f"settings.configure(CONNHUB_KEYS={ONE!r}, CONNHUB_KEYS_FILE={str(file)!r});"
        "from connhub.vault import keyring\n"
        "for _ in sys.stdin: print(keyring.ring().primary.id.hex(), flush=True)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:

        def asked() -> str:
            other.stdin.write("\n")
            other.stdin.flush()
            return other.stdout.readline().strip()

        first = asked()
        with keyfile.changing(str(file)) as entries:
            entries.insert(0, TWO)
        second = asked()
        other.stdin.close()

    assert (first, second) == (ONE[:8], TWO[:8])


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "holds no key."),
        ("nonsense", "key 1 is not of the form 8-hex-digits:base64."),
        (TWO, "holds none of the keys in use, or another key under the id of one."),
        (
            f"{ONE[:8]}{TWO[8:]}\n{THREE}",
            "holds none of the keys in use, or another key under the id of one.",
        ),
        (b"\xff\xfe", "can't be read."),
    ],
    ids=["empty", "nonsense", "others", "another-under-the-id", "no-text"],
)
def test_a_file_that_would_not_do_is_told_once_and_not_used(file, caplog, content, why):
    primary()
    file.write_bytes(content if isinstance(content, bytes) else content.encode())

    assert primary() == primary() == ONE[:8]
    assert [record.why for record in caplog.records] == [why]
    file.write_text(f"{TWO}\n{ONE}\n")
    assert primary() == TWO[:8]


def test_a_file_that_is_gone_changes_nothing(file):
    primary()
    file.unlink()

    assert primary() == ONE[:8]


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o640])
def test_mode_and_owner_stay_and_nothing_else_is_left(file, mode):
    file.chmod(mode)

    with keyfile.changing(str(file)) as entries:
        entries.insert(0, TWO)

    assert file.read_text() == f"{TWO}\n{ONE}\n"
    assert file.stat().st_mode & 0o7777 == mode
    assert [path.name for path in file.parent.iterdir()] == ["keys"]


def test_what_a_link_points_to_is_replaced(file, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(file)

    with keyfile.changing(str(link)) as entries:
        entries.insert(0, TWO)

    assert link.is_symlink()
    assert file.read_text() == f"{TWO}\n{ONE}\n"


def test_what_would_be_no_key_ring_is_not_written(file):
    with pytest.raises(BadKeys), keyfile.changing(str(file)) as entries:
        entries.clear()

    assert file.read_text() == f"{ONE}\n"


def test_of_a_retired_key_only_the_proof_of_old_events_is_left(file):
    sealed = keyring.seal(b"x", HERE)
    key_id, mac = keyring.audit_mac(b"event")
    with keyfile.changing(str(file)) as entries:
        entries.insert(0, TWO)
    old = keyring.ring().keys[key_id]

    with keyfile.changing(str(file)) as entries:
        entries[1] = keyring.retired_entry(old)

    assert keyring.ring().live == {bytes.fromhex(TWO[:8])}
    assert keyring.audit_mac(b"event", key_id) == (key_id, mac)
    with pytest.raises(KeyMissing):
        keyring.open_sealed(sealed, HERE)


def test_a_ring_of_retired_keys_alone_is_refused():
    retired = keyring.retired_entry(keyring.parse(ONE).primary)

    with pytest.raises(BadKeys, match="begins with a retired key"):
        keyring.parse(f"{retired}\n{TWO}")
