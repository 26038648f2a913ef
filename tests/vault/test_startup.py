"""SECURITY 1.4, 1.5: a wrong ring is refused before anything is served, and nothing is overwritten."""

import base64
import logging
import subprocess
import sys

import pytest

from connhub.vault import keyring, startup
from connhub.vault.models import KeyCheck

pytestmark = pytest.mark.django_db

FIRST = "0a0b0c0d:" + base64.b64encode(bytes(range(100, 132))).decode()
SECOND = "01020304:" + base64.b64encode(bytes(range(150, 182))).decode()
FIRST_ID_SECOND_KEY = "0a0b0c0d:" + SECOND.partition(":")[2]


@pytest.fixture(autouse=True)
def known(settings):
    """A database that was sealed with the first key."""
    settings.CONNHUB_KEYS, settings.CONNHUB_KEYS_FILE = FIRST, ""
    KeyCheck.objects.all().delete()
    startup.check_keys()


def stored():
    return sorted((c.key_id, bytes(c.canary.ciphertext)) for c in KeyCheck.objects.all())


def test_the_first_start_notes_the_key_and_the_next_changes_nothing():
    before = stored()

    startup.check_keys()

    assert [key_id for key_id, _ in before] == ["0a0b0c0d"]
    assert stored() == before


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        (SECOND, "holds none of the keys that this database was sealed with."),
        (FIRST_ID_SECOND_KEY, "key 0a0b0c0d is not the key of that id this database knows."),
    ],
)
def test_the_wrong_keys_are_refused_and_nothing_is_overwritten(settings, keys, why):
    before = stored()
    settings.CONNHUB_KEYS = keys

    with pytest.raises(startup.WrongKeys) as refused:
        startup.check_keys()

    assert str(refused.value) == why
    assert stored() == before


def test_comparing_the_keys_writes_nothing(django_assert_num_queries):
    KeyCheck.objects.all().delete()

    with django_assert_num_queries(1):
        startup.compare_keys()

    assert stored() == []


def test_a_damaged_check_value_is_refused(settings):
    KeyCheck.objects.update(canary_version=7)

    with pytest.raises(startup.WrongKeys):
        startup.check_keys()


def test_a_ring_that_cannot_be_read_is_refused(settings):
    settings.CONNHUB_KEYS = "nonsense"

    with pytest.raises(keyring.BadKeys):
        startup.check_keys()


@pytest.mark.parametrize("keys", [f"{SECOND}\n{FIRST}", f"{FIRST}\n{SECOND}"])
def test_a_second_key_may_join_and_is_noted_once_it_seals(settings, keys):
    settings.CONNHUB_KEYS = keys

    startup.check_keys()

    primary = keys.partition(":")[0]
    assert [key_id for key_id, _ in stored()] == sorted({"0a0b0c0d", primary})


@pytest.mark.parametrize(("mode", "warnings"), [(0o600, 0), (0o644, 1), (0o640, 1)])
def test_a_key_file_that_others_can_read_is_warned_of(settings, tmp_path, caplog, mode, warnings):
    path = tmp_path / "keys"
    path.write_text(FIRST)
    path.chmod(mode)
    settings.CONNHUB_KEYS_FILE = str(path)

    with caplog.at_level(logging.WARNING, "connhub.vault"):
        startup.check_keys()

    assert [record.message for record in caplog.records] == [
        "The key file can be read by others; make it 0600."
    ] * warnings


def test_core_dumps_are_forbidden():
    code = "from connhub.vault.startup import forbid_core_dumps as f; f()"
    show = "import resource; print(resource.getrlimit(resource.RLIMIT_CORE))"
    setup = (
        "import os, django; os.environ['DJANGO_SETTINGS_MODULE'] = 'tests.settings'; django.setup()"
    )

    run = subprocess.run(
        [sys.executable, "-c", f"{setup}\n{code}\n{show}"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert run.stdout == "(0, 0)\n"
