"""ConnHub in a home and with a database of its own, driven by its commands."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

HOUSE = Path(__file__).parent.parent.parent

REFUSALS = """
import json
from django.core.management import CommandError, call_command
def said(command):
    try:
        call_command(*command)
    except CommandError as error:
        return str(error) if error.returncode == 2 else f"ended with {{error.returncode}}"
    return "was not refused"
print(json.dumps([said(command) for command in {commands!r}]))
"""


@dataclass
class Installation:
    """`database_url` is of an empty PostgreSQL database; without it there is SQLite in its home."""

    home: Path
    database_url: str = ""
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self):
        self.environment = {
            "PATH": os.environ["PATH"],
            "CONNHUB_HOME": str(self.home),
            "CONNHUB_ENV_FILE": str(self.home / ".env"),
            "DJANGO_SETTINGS_MODULE": "connhub.settings",
            **({"DATABASE_URL": self.database_url} if self.database_url else {}),
        }
        subprocess.run(
            [sys.executable, "-m", "connhub.bootstrap"], env=self.environment, cwd=HOUSE, check=True
        )

    @property
    def keys(self) -> Path:
        return self.home / "connhub.keys"

    def start(self, *command: str, **options) -> subprocess.Popen:
        """A Python of this installation, its output to be read."""
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | options
        return subprocess.Popen(
            [sys.executable, *command], env=self.environment, cwd=HOUSE, **options
        )

    def manage(self, *arguments) -> tuple[int, str, str]:
        """A command's exit code and what it said."""
        process = self.start("manage.py", *map(str, arguments), stdin=subprocess.DEVNULL)
        out, err = process.communicate()
        return process.returncode, out, err

    def python(self, code: str) -> str:
        """What some code said, with Django set up."""
        process = self.start("-c", f"import django; django.setup()\n{code}")
        out, err = process.communicate()
        assert process.returncode == 0, err
        return out.strip()

    def refusals(self, *commands: tuple) -> list[str]:
        """What each command said that ended with 2, in one process; another end is told as such."""
        said = self.python(REFUSALS.format(commands=[list(map(str, c)) for c in commands]))
        return json.loads(said.splitlines()[-1])
