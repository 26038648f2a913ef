"""Loads a URL with wrk and reads what it measured."""

import re
import subprocess
from dataclasses import dataclass

UNITS_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


@dataclass(frozen=True)
class Measured:
    """Requests per second, and how long half and 99 % of them took at most."""

    rate: float
    p50_ms: float
    p99_ms: float


def load(url: str, token: str, *, parallel: int, seconds: int) -> Measured:
    """Ask for the URL over as many connections at once. Raises: RuntimeError, if not all went well."""
    command = ["wrk", "-t1", f"-c{parallel}", f"-d{seconds}s", "--latency"]
    command += ["-H", f"Authorization: Bearer {token}", url]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in said or "Socket errors" in said:
        raise RuntimeError(f"{url} did not answer well:\n{said}")
    return Measured(
        rate=float(re.search(r"Requests/sec:\s+([\d.]+)", said)[1]),
        p50_ms=_latency_ms(said, "50%"),
        p99_ms=_latency_ms(said, "99%"),
    )


def _latency_ms(said: str, share: str) -> float:
    number, unit = re.search(rf"{share}\s+([\d.]+)(us|ms|s)", said).groups()
    return float(number) * UNITS_MS[unit]
