"""docs/backup.md: its commands, as they stand there, do what it says."""

import re
import subprocess

from .installation import HOUSE

DOCUMENT = (HOUSE / "docs" / "backup.md").read_text()
DRILL, CLEARING = re.findall(r"^```sh\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)


def run(commands, environment):
    return subprocess.run(
        ["sh", "-e", "-c", commands], env=environment, cwd=HOUSE, capture_output=True, text=True
    )


def test_the_drill_brings_everything_back_and_leaves_nothing(make, lived_in, backup, tmp_path):
    drill = tmp_path / "drill"
    environment = {
        "PATH": lived_in.environment["PATH"],
        "BACKUP": str(backup),
        "KEYS": str(lived_in.keys),
        "DRILL": str(drill),
    }
    if lived_in.database_url:
        environment["DATABASE_URL"] = make().database_url
    people = "from connhub.accounts.models import User; print(User.objects.count())"

    done = run(f"{DRILL}\n.venv/bin/python manage.py shell --no-imports -c '{people}'", environment)
    cleared = run(CLEARING, environment)

    assert (done.returncode, done.stderr) == (0, "")
    *_, checked, restored, chain, secrets, grants, verified, counted = done.stdout.splitlines()
    assert checked.startswith("Whole, and the keys are here: ")
    assert restored.startswith("Restored: ")
    assert chain.startswith("The audit chain is whole. Head ")
    assert secrets == "2 secrets, and all open."
    assert grants.startswith("1 OAuth grant left behind")
    assert ", chain whole. Head " in verified
    assert counted == "2"
    assert cleared.returncode == 0
    assert not drill.exists()


def test_the_first_commands_work_as_written(lived_in, tmp_path):
    """With the folder that is free here, for the one in the text."""
    first = re.search(r"^    (\S+ manage\.py backup) \S+$", DOCUMENT, re.MULTILINE)[1]

    done = run(f"{first} {tmp_path}", lived_in.environment)

    assert done.returncode == 0
    assert len(list(tmp_path.glob("connhub-*.tar.gz"))) == 1
