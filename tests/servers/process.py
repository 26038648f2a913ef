"""Starting a server for the tests, waiting until it answers, stopping it for certain."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
READY_WITHIN_S = 30


class StartError(RuntimeError):
    """The server ended, or never answered; the text holds the end of its log."""


def unavailable(reason: str) -> None:
    """Skip what needs the server; with CI=true in the environment, fail instead."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def temporary_folder(name: str) -> Path:
    """A folder for one server, readable by its owner alone; its keeper deletes it."""
    return Path(tempfile.mkdtemp(prefix=f"connhub-{name}-"))


def listens(port: int) -> bool:
    """Whether something accepts connections on this port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def running(
    command: list[str],
    *,
    folder: Path,
    ready: Callable[[], bool],
    env: dict[str, str] | None = None,
    user: str = "",
    stop_signal: str = "SIGTERM",
) -> Iterator[None]:
    """Run a server under a keeper while the block lasts; `folder` goes when the server has ended.

    Raises:
        StartError: it ended, or was not ready within 30 s.
    """
    keeper = _under_keeper(command, folder, {**os.environ, **(env or {})}, user, stop_signal)
    try:
        _wait_until(ready, keeper, folder / "log")
        yield
    finally:
        keeper.communicate()  # closes its standard input and waits until it has ended


def python(module: str, *arguments: object) -> list[str]:
    """The command that runs a module of this project with the tests' interpreter."""
    return [sys.executable, "-m", module, *map(str, arguments)]


def _under_keeper(
    command: list[str], folder: Path, env: dict[str, str], user: str, stop_signal: str
) -> subprocess.Popen:
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            python("tests.servers.keeper", folder, stop_signal, user, *command),
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
            env=env,
            start_new_session=True,  # Ctrl-C reaches pytest alone, which then stops the server
        )


def _wait_until(ready: Callable[[], bool], keeper: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    with log.open(errors="replace") as written:  # stays readable when the folder is deleted
        while not ready():
            if keeper.poll() is not None or time.monotonic() > deadline:
                raise StartError(written.read()[-2000:])
            time.sleep(0.05)
