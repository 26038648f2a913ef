"""SECURITY 1.4, 1.5: every wrong way to set keys up ends the start with one line, nothing changed.

A ring that isn't the one of the database: see `test_startup` and `tests/test_start`.
"""

import base64
import os
import subprocess
import sys

import pytest

from connhub.vault.keyring import generate_entry, parse, retired_entry
from tests.servers.process import ROOT

ONE, TWO = generate_entry(), generate_entry()
ID, KEY = ONE.split(":")
RETIRED = retired_entry(parse(ONE).primary)
SECRET_KEY = "0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLMN"
REUSED = "connhub: SECRET_KEY: holds a key of CONNHUB_KEYS; make one of its own."
PRINTABLE = base64.b64encode(b"change-me-change-me-change-me-32").decode()


def ring(why: str) -> str:
    return f"connhub: CONNHUB_KEYS: {why}"


# What the key file holds (None: there is none), the secret key, and what is said.
WRONG = {
    "missing file": (None, SECRET_KEY, "connhub: CONNHUB_KEYS_FILE: can't be read "
                     "(No such file or directory)."),
    "not a text": (b"\xff\xfe\x00", SECRET_KEY, "connhub: CONNHUB_KEYS_FILE: is not text."),
    "empty": ("", SECRET_KEY, ring("holds no key.")),
    "nothing but blanks": (" \n, \n", SECRET_KEY, ring("holds no key.")),
    "nonsense": ("nonsense", SECRET_KEY, ring("key 1 is not of the form 8-hex-digits:base64.")),
    "no id": (KEY, SECRET_KEY, ring("key 1 is not of the form 8-hex-digits:base64.")),
    "short id": (f"0a0b:{KEY}", SECRET_KEY, ring("key 1 needs an id of 8 hex digits.")),
    "short key": (f"{ID}:c2hvcnQ=", SECRET_KEY, ring("key 1 has 5 bytes; it needs 32.")),
    "second key short": (f"{TWO}\n{ID}:c2hvcnQ=", SECRET_KEY,
                         ring("key 2 has 5 bytes; it needs 32.")),
    "sample key": (f"{ID}:{PRINTABLE}", SECRET_KEY,
                   ring("key 1 is a sample or far too simple; make a random one.")),
    "zeros": (f"{ID}:{'A' * 43}=", SECRET_KEY,
              ring("key 1 is a sample or far too simple; make a random one.")),
    "an id twice": (f"{ONE}\n{ID}:{TWO[9:]}", SECRET_KEY,
                    ring("holds key 2 twice (the id or the key repeats).")),
    "a key twice": (f"{ONE}\n01020304:{KEY}", SECRET_KEY,
                    ring("holds key 2 twice (the id or the key repeats).")),
    "a retired key first": (f"{RETIRED}\n{TWO}", SECRET_KEY, ring(
        "begins with a retired key, which can't seal; put a live one first.")),
    "the secret key again": (ONE, f"{KEY}-and-something-after", REUSED),
    "as hex": (ONE, base64.b64decode(KEY).hex().upper(), REUSED),
    "for URLs": (ONE, base64.urlsafe_b64encode(base64.b64decode(KEY)).decode() * 2, REUSED),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_it_is_refused_in_one_line_and_nothing_changes(case, tmp_path):
    content, secret_key, said = WRONG[case]
    keys, home = tmp_path / "keys", tmp_path / "home"
    home.mkdir()
    if content is not None:
        keys.write_bytes(content if isinstance(content, bytes) else content.encode())
        keys.chmod(0o600)
    before = sorted(tmp_path.rglob("*")), keys.exists() and keys.read_bytes()

    run = subprocess.run(
        [sys.executable, "manage.py", "serve"],
        env={
            "PATH": os.environ["PATH"],
            "CONNHUB_ENV_FILE": os.devnull,
            "CONNHUB_HOME": str(home),
            "CONNHUB_KEYS_FILE": str(keys),
            "SECRET_KEY": secret_key,
        },
        cwd=ROOT,
        capture_output=True,
        text=True,
    )

    assert (run.returncode, run.stdout, run.stderr) == (2, "", f"{said}\n")
    assert (sorted(tmp_path.rglob("*")), keys.exists() and keys.read_bytes()) == before
