"""Keeps one server process for as long as somebody holds this process's standard input open.

`python -m tests.servers.keeper FOLDER SIGNAL USER COMMAND…` runs COMMAND, as USER unless that is
empty. When standard input ends (closed by the tests, or by the kernel because they were killed) the
server gets SIGNAL, 10 s later SIGKILL, and FOLDER is deleted.
"""

import os
import shutil
import signal
import subprocess
import sys
import threading

GRACE_S = 10


def main(folder: str, signal_name: str, user: str, command: list[str]) -> int:
    """Run the command to its end and delete the folder; the command's exit code."""
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, _take_no_notice)
    try:
        server = subprocess.Popen(command, stdin=subprocess.DEVNULL, **_identity(user))
        threading.Thread(
            target=_stop_at_end_of_input, args=(server, signal.Signals[signal_name]), daemon=True
        ).start()
        return server.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _take_no_notice(*_: object) -> None:
    """Only the end of standard input counts. (SIG_IGN would be handed on to the server.)"""


def _identity(user: str) -> dict:
    return {"user": user, "group": user, "extra_groups": []} if user else {}


def _stop_at_end_of_input(server: subprocess.Popen, stop_signal: signal.Signals) -> None:
    while os.read(0, 1024):
        pass
    server.send_signal(stop_signal)
    try:
        server.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        server.kill()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:]))
