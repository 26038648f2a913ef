"""What the commands about files of connections ask of whoever types them."""

import getpass
import sys
from pathlib import Path

from django.core.management.base import CommandError

from connhub.accounts.models import User


def stop(why: str) -> CommandError:
    """One line, and exit code 2."""
    return CommandError(why, returncode=2)


def person(email: str) -> User:
    """The active person with that e-mail. Raises: CommandError."""
    found = User.objects.filter(is_active=True, email=email.strip().lower()).first()
    if found is None:
        raise stop("There is no active person with that e-mail.")
    return found


def read(path: str, most: int) -> bytes:
    """A file's content, at most a byte more than `most`. Raises: CommandError."""
    try:
        with Path(path).open("rb") as file:
            return file.read(most + 1)
    except OSError as error:
        raise stop(f"{path} can't be read ({error.strerror}).") from None


def ask_passphrase(path: str | None, *, twice: bool = False) -> str:
    """From the file's first line, or typed unseen; never from the command line itself.

    Raises: CommandError.
    """
    if path:
        try:
            return read(path, 8192).decode().split("\n")[0].removesuffix("\r")
        except UnicodeDecodeError:
            raise stop("The passphrase file is not text in UTF-8.") from None
    if not sys.stdin.isatty():
        raise stop("Give --passphrase-file, as there is nobody to ask for the passphrase.")
    typed = getpass.getpass("Passphrase: ")
    if twice and typed != getpass.getpass("Passphrase, again: "):
        raise stop("The two are not the same.")
    return typed
