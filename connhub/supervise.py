"""One process group: starts ConnHub's processes, restarts what dies, ends all together."""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

STOP_S = 12
RESTARTS, WITHIN_S = 5, 60.0
LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
PR_SET_PDEATHSIG = 1


class CantStart(Exception):
    """A process keeps ending right after its start."""


@dataclass
class Process:
    """A command that should be running all the time."""

    name: str
    command: list[str]
    environment: dict[str, str] = field(default_factory=dict)
    running: subprocess.Popen | None = None
    starts: list[float] = field(default_factory=list)

    def start(self) -> None:
        now = time.monotonic()
        self.starts = [moment for moment in self.starts if now - moment < WITHIN_S] + [now]
        if len(self.starts) > RESTARTS:
            raise CantStart(self.name)
        self.running = subprocess.Popen(  # noqa: S603
            self.command,
            env=os.environ | self.environment,
            preexec_fn=_depend_on_parent,
        )

    def has_ended(self) -> bool:
        return self.running is not None and self.running.poll() is not None


def _depend_on_parent() -> None:
    """In the child: it gets SIGTERM when its parent is gone, even by kill -9.

    Ctrl-C reaches the whole group; until a child handles it, it leaves that to its parent.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if LIBC:
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def web(host: str, port: int, processes: int) -> Process:
    options = [
        "--host", host, "--port", str(port), "--workers", str(processes),
        "--no-access-log", "--no-server-header", "--no-proxy-headers", "--log-level", "warning",
        "--lifespan", "on", "--timeout-graceful-shutdown", "8", "--loop", "uvloop", "--ws", "none",
        "--http", "connhub.protocol:LimitedProtocol",
    ]  # fmt: skip
    return Process("web", [sys.executable, "-m", "uvicorn", "connhub.asgi:application", *options])


def worker() -> Process:
    return Process("worker", [sys.executable, "manage.py", "run_huey", "--quiet"])


def audit_forwarder() -> Process:
    return Process("audit", [sys.executable, "manage.py", "forward_audit"])


def run(processes: list[Process], *, when_up: Callable[[], None], host: str, port: int) -> int:
    """Keep the processes running until SIGINT, SIGTERM or SIGHUP; the exit code."""
    stopping = []
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, frame: stopping.append(number))
    announced = False
    try:
        for process in processes:
            process.start()
        while not stopping:
            for process in processes:
                if process.has_ended():
                    process.start()
            if not announced and _answers(host, port):
                when_up()
                announced = True
            time.sleep(0.1 if not announced else 0.5)
    except CantStart as error:
        sys.stderr.write(f"connhub: {error}: keeps ending right after its start.\n")
        return 1
    finally:
        stop(processes)
    return 0


def stop(processes: list[Process]) -> None:
    """Ask every process to end; after 12 s end it."""
    alive = [
        process.running for process in processes if process.running and not process.has_ended()
    ]
    for running in alive:
        running.terminate()
    deadline = time.monotonic() + STOP_S
    for running in alive:
        try:
            running.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


def is_free(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _answers(host: str, port: int) -> bool:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    try:
        socket.create_connection((host, port), timeout=0.2).close()
    except OSError:
        return False
    return True
