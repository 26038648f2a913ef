"""One command from nothing to a running ConnHub, in a home of its own, and back to nothing."""

import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import requests

HOUSE = Path(__file__).parent.parent
START_S, STOP_S = 60, 20
CODE = re.compile(r"enter the code ([2-9A-Z]{5}(?:-[2-9A-Z]{5}){3})")
WRITTEN = ["connhub.keys", "secret_key", ".env"]


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("connhub") / "home"


@pytest.fixture(scope="module")
def environment(home) -> dict[str, str]:
    """As after a fresh checkout: nothing set but where things go, and a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return {
        "PATH": os.environ["PATH"],
        "CONNHUB_HOME": str(home),
        "CONNHUB_ENV_FILE": str(home / ".env"),
        "PORT": str(port),
        "PYTHONUNBUFFERED": "1",
    }


def bootstrap(environment):
    command = [sys.executable, "-m", "connhub.bootstrap"]
    return subprocess.run(command, env=environment, cwd=HOUSE, capture_output=True, text=True)


@contextmanager
def serving(environment) -> Iterator[subprocess.Popen]:
    """`manage.py serve`, ended by Ctrl-C as from a terminal, and its output in `.said`."""
    command = [sys.executable, "manage.py", "serve"]
    log = Path(environment["CONNHUB_HOME"]) / "said"
    with log.open("w+") as said:
        process = subprocess.Popen(
            command, env=environment, cwd=HOUSE, stdout=said, stderr=said, start_new_session=True
        )
        process.said = log.read_text
        try:
            wait_until(lambda: "Ctrl-C ends it." in log.read_text() or process.poll() is not None)
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
            process.wait(STOP_S)


def wait_until(true, seconds=START_S):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


def members_of(session: int) -> list[str]:
    """The processes that were started from one, those that only wait to be collected left out."""
    ps = ["ps", "-o", "pid=,sess=,stat=,args=", "-e"]
    lines = subprocess.run(ps, capture_output=True, text=True, check=True).stdout.splitlines()
    return [line for line in lines if line.split()[1] == str(session) and line.split()[2][0] != "Z"]


def contents(home):
    return {name: (home / name).read_bytes() for name in WRITTEN}


def url(environment, path):
    return f"http://127.0.0.1:{environment['PORT']}{path}"


def people(home) -> int:
    with closing(sqlite3.connect(home / "connhub.sqlite3")) as database:
        return database.execute("SELECT count(*) FROM accounts_user").fetchone()[0]


def test_bootstrap_makes_keys_for_the_owner_alone(environment, home):
    run = bootstrap(environment)

    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
    assert {name: oct((home / name).stat().st_mode & 0o777) for name in WRITTEN} == dict.fromkeys(
        WRITTEN, "0o600"
    )
    assert home.stat().st_mode & 0o777 == 0o700
    assert (home / ".env").read_text() == (
        f"CONNHUB_HOME={home}\n"
        f"CONNHUB_KEYS_FILE={home / 'connhub.keys'}\n"
        f"SECRET_KEY_FILE={home / 'secret_key'}\n"
    )


def test_bootstrap_run_again_changes_nothing(environment, home):
    bootstrap(environment)
    before = contents(home)

    run = bootstrap(environment)

    assert run.returncode == 0
    assert contents(home) == before


def test_bootstrap_never_replaces_keys_that_are_there(environment, tmp_path):
    home = tmp_path / "restored"
    home.mkdir()
    (home / "connhub.keys").write_text("0a0b0c0d:restored\n")

    bootstrap(environment | {"CONNHUB_HOME": str(home), "CONNHUB_ENV_FILE": str(home / ".env")})

    assert (home / "connhub.keys").read_text() == "0a0b0c0d:restored\n"


def test_bootstrap_where_nothing_can_be_written_says_so_in_one_line(environment, tmp_path):
    (tmp_path / "file").touch()

    run = bootstrap(environment | {"CONNHUB_HOME": str(tmp_path / "file" / "home")})

    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr == f"connhub: CONNHUB_HOME: {tmp_path}/file/home: Not a directory.\n"


def test_first_start_serves_and_the_next_keeps_what_was_done(environment, home):
    bootstrap(environment)

    with serving(environment) as first:
        said = first.said()
        assert f"ConnHub is at {url(environment, '')}\n" in said
        assert requests.get(url(environment, "/healthz"), timeout=10).text == "ok"
        ready = requests.get(url(environment, "/readyz"), timeout=10)
        assert (ready.status_code, ready.json()["ready"]) == (200, True)
        set_up(environment, CODE.search(said)[1])
        in_use = subprocess.run(
            [sys.executable, "manage.py", "serve"],
            env=environment, cwd=HOUSE, capture_output=True, text=True,
        )  # fmt: skip
        children = members_of(first.pid)
    assert first.returncode == 0
    assert len(children) >= 3  # itself, web and worker
    assert members_of(first.pid) == []
    assert "Traceback" not in first.said()
    assert in_use.returncode == 2
    assert in_use.stderr == (
        f"CommandError: PORT: {environment['PORT']} is in use already. "
        "Try another: make run PORT=8001.\n"
    )

    with serving(environment) as second:
        said = second.said()
        assert f"ConnHub is at {url(environment, '')}\n" in said
        assert CODE.search(said) is None
        page = requests.get(url(environment, "/setup/"), timeout=10)
        assert page.url == url(environment, "/sign-in/")
        assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert people(home) == 1
    assert members_of(second.pid) == []


def set_up(environment, code):
    """Fill in the page of the first run, as a browser would."""
    with requests.Session() as session:
        page = session.get(url(environment, "/"), timeout=10)
        assert page.url == url(environment, "/setup/")
        answer = session.post(
            page.url,
            {
                "csrfmiddlewaretoken": re.search(r'csrfmiddlewaretoken" value="(\w+)"', page.text)[
                    1
                ],
                "code": code,
                "name": "Root",
                "email": "root@acme.example",
                "password": "correct horse battery staple",
            },
            headers={"Referer": page.url},
            timeout=10,
        )
        assert answer.url == url(environment, "/connections/")
        assert answer.status_code == 200


def ctrl_c(process):
    """A terminal sends it to the process group in the foreground."""
    os.killpg(process.pid, signal.SIGINT)


def stop_all(process):
    """A service manager sends it to every process of the service."""
    for line in members_of(process.pid):
        os.kill(int(line.split()[0]), signal.SIGTERM)


def hang_up(process):
    os.kill(process.pid, signal.SIGHUP)


@pytest.mark.parametrize("end", [ctrl_c, stop_all, hang_up])
def test_however_it_is_ended_it_ends_whole_and_quietly(environment, end):
    bootstrap(environment)

    with serving(environment) as process:
        end(process)
        process.wait(STOP_S)

    assert process.returncode == 0
    assert members_of(process.pid) == []
    assert "Traceback" not in process.said()


def test_killed_it_leaves_nothing_behind_and_can_start_again(environment):
    bootstrap(environment)

    with serving(environment) as process:
        process.kill()
        process.wait(STOP_S)
        wait_until(lambda: members_of(process.pid) == [])

    with serving(environment) as again:
        assert answers(environment)
    assert again.returncode == 0


def test_a_process_that_dies_is_started_again(environment):
    bootstrap(environment)

    with serving(environment) as process:
        (before,) = web_processes(process)
        os.kill(before, signal.SIGKILL)
        wait_until(lambda: web_processes(process) not in ([], [before]) and answers(environment))

    assert process.returncode == 0


def web_processes(process) -> list[int]:
    return [int(line.split()[0]) for line in members_of(process.pid) if "uvicorn" in line]


def answers(environment) -> bool:
    try:
        return requests.get(url(environment, "/healthz"), timeout=2).ok
    except requests.ConnectionError:
        return False


def test_other_keys_than_the_database_was_sealed_with_end_the_start(environment, home, tmp_path):
    bootstrap(environment)
    with serving(environment):
        pass
    other = subprocess.run(
        [sys.executable, "-c", "from connhub.vault.keyring import generate_entry as g; print(g())"],
        env=environment, cwd=HOUSE, capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    keys = tmp_path / "keys"
    keys.write_text(other)
    before = (home / "connhub.sqlite3").read_bytes()

    run = subprocess.run(
        [sys.executable, "manage.py", "serve"],
        env=environment | {"CONNHUB_KEYS_FILE": str(keys)},
        cwd=HOUSE, capture_output=True, text=True,
    )  # fmt: skip

    assert run.returncode == 2
    assert run.stderr.splitlines()[-1] == (
        "CommandError: CONNHUB_KEYS: holds none of the keys that this database was sealed with."
    )
    assert (home / "connhub.sqlite3").read_bytes() == before
