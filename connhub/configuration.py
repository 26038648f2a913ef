"""Reads the process's environment and the .env file, for the settings alone."""

import re
import sys
import warnings
from pathlib import Path
from typing import NoReturn

import environ

env = environ.FileAwareEnv()
environ.Env.read_env(
    env.str("CONNHUB_ENV_FILE", "") or str(Path(__file__).resolve().parent.parent / ".env")
)


def stop(name: str, why: str) -> NoReturn:
    """End the start with one line and exit code 2."""
    print(f"connhub: {name}: {why}", file=sys.stderr)
    sys.exit(2)


def read(name: str, cast: str = "str", default=environ.Env.NOTSET, must: str = ""):
    """The setting's value; the file that NAME_FILE points to goes before NAME."""
    try:
        with warnings.catch_warnings(action="error"):  # a warning would quote the value
            value = getattr(env, cast)(name, default=default)
    except environ.ImproperlyConfigured:
        stop(name, must or "is not set. Run `make run` once, or see .env.example.")
    except OSError as error:
        stop(f"{name}_FILE", f"can't be read ({error.strerror}).")
    except UnicodeDecodeError:
        stop(f"{name}_FILE", "is not text.")
    except (ValueError, KeyError, UserWarning):
        stop(name, must or "must be a whole number.")
    return value.strip() if isinstance(value, str) else value


def read_number(name: str, default: int, most: int = 2**40) -> int:
    """A whole number from 1 to `most`."""
    value = read(name, "int", default)
    if not 0 < value <= most:
        stop(name, f"must be between 1 and {most}.")
    return value


def read_path(name: str) -> str:
    """The absolute path of a file, there or not, in a folder that is; "" if none is set."""
    path = read(name, default="")
    if path and not (Path(path).is_absolute() and Path(path).parent.is_dir()):
        stop(name, "must be the absolute path of a file in a folder that exists.")
    return path


def read_rate(name: str, default: str = "6000/minute") -> str:
    """So many in such a time, as the library of rate limits writes it."""
    rate = read(name, default=default)
    if not re.fullmatch(r"[1-9][0-9]*/(second|minute|hour|day)", rate):
        stop(name, "must look like 6000/minute.")
    return rate


def read_switch(name: str, default: str) -> bool:
    """Whether it is true."""
    value = read(name, default=default).lower()
    if value not in ("true", "false"):
        stop(name, "must be true or false.")
    return value == "true"
