"""Changes the key file: whole or not at all, one process at a time, with the same mode and owner."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from . import keyring


@contextmanager
def changing(path: str) -> Iterator[list[str]]:
    """The entries of the key file; as the block leaves them, they are written.

    Raises:
        OSError: it can't be read or replaced; it is as it was.
        BadKeys: the entries would be no key ring; it is as it was.
    """
    file = Path(path).resolve()  # what a link points to is replaced, not the link
    with _alone_in(file.parent):
        before = keyring.entries(file.read_text())
        after = list(before)
        yield after
        if after != before:
            text = "".join(f"{entry}\n" for entry in after)
            keyring.parse(text)
            _replace(file, text)


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _replace(file: Path, text: str) -> None:
    status = file.stat()
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")  # mode 0600
    try:
        with os.fdopen(descriptor, "w") as temporary:
            temporary.write(text)
            if (status.st_uid, status.st_gid) != (os.geteuid(), os.getegid()):
                os.fchown(descriptor, status.st_uid, status.st_gid)
            os.fchmod(descriptor, status.st_mode & 0o7777)
            temporary.flush()
            os.fsync(descriptor)
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
