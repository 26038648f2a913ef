"""What is installed is what the README shows."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from connhub.connections import login_users
from connhub.usage import projects
from tests.clients.python.test_calling import database_for
from tests.test_house import imports

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("app")]

CLIENT = Path(__file__).parents[3] / "clients" / "python"


def python(*arguments: object, **env: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        env=os.environ | env,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_client_imports_nothing_but_its_http_client():
    modules = (CLIENT / "src" / "connhub_client").glob("*.py")
    named = {name for each in modules for name in imports("connhub_client.it", each.read_text())}

    libraries = {name.partition(".")[0] for name in named} - sys.stdlib_module_names
    assert libraries == {"connhub_client", "httpx2"}


def test_installed_package_runs_the_code_of_its_readme(
    ada, eve, reach, flow, integration, tmp_path
):
    reach("sales_crm", where={"path": "/echo"})
    reach("billing")
    calendar = reach("calendar", where={"path": "/echo"}, secrets={}, login_user=True)
    projects.add_member(integration, eve, by=ada)
    login_users.sign_in(calendar, {"key_1": "of eve"}, by=eve)
    database_for(ada, integration)
    code = re.findall(r"^```python\n(.*?)^```", (CLIENT / "README.md").read_text(), re.S | re.M)

    installed = python(
        *("-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index"),
        *("--disable-pip-version-check", "--target", tmp_path, CLIENT),
    )
    program = tmp_path / "readme.py"
    program.write_text("\n".join(code))
    ran = python(
        program, CONNHUB_URL=flow.server.url, CONNHUB_KEY=flow.token, PYTHONPATH=str(tmp_path)
    )

    assert installed.returncode == 0, installed.stderr
    assert (tmp_path / "connhub_client" / "py.typed").exists()
    assert (ran.returncode, ran.stderr) == (0, "")
    assert f"Please sign in at {flow.server.url}/profile/sign-ins/calendar/" in ran.stdout
