"""Makes what the first start needs and never touches what is there: keys, secret key, `.env`.

Run as `python -m connhub.bootstrap`; knows nothing of Django, whose settings need these files.
"""

import os
import secrets
import sys
from pathlib import Path

from connhub.vault.keyring import generate_entry

BASE_DIR = Path(__file__).resolve().parent.parent


def main() -> None:
    home = Path(os.environ.get("CONNHUB_HOME") or BASE_DIR / "var").resolve()
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    keys, secret = home / "connhub.keys", home / "secret_key"
    env = Path(os.environ.get("CONNHUB_ENV_FILE") or BASE_DIR / ".env")
    if not env.exists() and "CONNHUB_KEYS" not in os.environ:
        _write_once(keys, generate_entry())
        _write_once(secret, secrets.token_urlsafe(64))
        _write_once(
            env, f"CONNHUB_HOME={home}\nCONNHUB_KEYS_FILE={keys}\nSECRET_KEY_FILE={secret}\n"
        )


def _write_once(path: Path, text: str) -> None:
    """Write a file that only its owner may read; one that is there stays as it is."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(descriptor, "w") as file:
        file.write(text.rstrip("\n") + "\n")


if __name__ == "__main__":
    try:
        main()
    except OSError as error:
        sys.stderr.write(f"connhub: CONNHUB_HOME: {error.filename}: {error.strerror}.\n")
        sys.exit(2)
