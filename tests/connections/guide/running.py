"""Runs code that the guide shows, as somebody would who copied it: with curl, Python and Node."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.servers.process import ROOT, unavailable

HERE = Path(__file__).parent
CLIENT = ROOT / "clients" / "python" / "src"
LIMIT_S = 240


@dataclass(frozen=True)
class Code:
    """One snippet, and the environment variables it is run with."""

    language: str
    text: str
    env: Mapping[str, str] = field(default_factory=dict)


def outputs(codes: Sequence[Code], folder: Path) -> list[str]:
    """What each wrote, in this order; fails with all that went wrong.

    Those of one language share a process, for starting it takes longer than running them.
    """
    said: dict[int, str] = {}
    numbered = list(enumerate(codes))
    for languages, run in RUNNERS.items():
        chosen = [(number, code) for number, code in numbered if code.language in languages]
        said |= run(chosen, folder) if chosen else {}
    failed = [f"{codes[n].text}\n-> {text}" for n, text in said.items() if "FAILED" in text]
    assert not failed, f"{len(failed)} of {len(said)} failed:\n" + "\n\n".join(failed[:3])
    return [said[number] for number, _ in numbered]


def _in_shell(chosen: Iterable[tuple[int, Code]], folder: Path) -> dict[int, str]:
    said = {}
    for number, code in chosen:
        ran = subprocess.run(
            ["sh", "-c", code.text],
            env=os.environ | code.env,
            capture_output=True,
            text=True,
            timeout=30,
        )
        said[number] = ran.stdout if ran.returncode == 0 else f"FAILED {ran.stderr}"
    return said


def _in_python(chosen: Iterable[tuple[int, Code]], folder: Path) -> dict[int, str]:
    command = [sys.executable, "-W", "error::ResourceWarning", str(HERE / "run_all.py")]
    return _in_one_process(command, "py", chosen, folder, PYTHONPATH=str(CLIENT))


def _in_node(chosen: Iterable[tuple[int, Code]], folder: Path) -> dict[int, str]:
    node = shutil.which("node")
    if node is None:
        unavailable("Node.js is not installed.")
    return _in_one_process([str(node), str(HERE / "run_all.mjs")], "mjs", chosen, folder)


def _in_one_process(
    command: list[str],
    suffix: str,
    chosen: Iterable[tuple[int, Code]],
    folder: Path,
    **env: str,
) -> dict[int, str]:
    listed = []
    for number, code in chosen:
        path = folder / f"snippet_{number}.{suffix}"
        path.write_text(code.text)
        listed.append([number, str(path), dict(code.env)])
    ran = subprocess.run(
        command,
        input=json.dumps(listed),
        env=os.environ | env,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )
    assert ran.returncode == 0, ran.stderr
    return {int(number): text for number, text in json.loads(ran.stdout).items()}


RUNNERS = {
    ("curl",): _in_shell,
    ("python", "client"): _in_python,
    ("javascript",): _in_node,
}
