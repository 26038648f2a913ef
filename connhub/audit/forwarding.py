"""Events go out of the database, in order: to a file, to syslog, and the head of the chain."""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Protocol
from uuid import uuid4

from django.conf import settings
from django.utils import timezone

from connhub.egress.syslog import Syslog, parse

from .exporting import as_json
from .log import HEAD
from .models import Event, Head, Position

BATCH = 500
# Longer than a batch takes: whoever holds it is at work, or gone.
LEASE = timedelta(minutes=2)
log = logging.getLogger("connhub.audit")


class Sink(Protocol):
    """Where events go. `name` is what its position is kept under."""

    name: str

    def write(self, events: list[Event]) -> None:
        """All of them, for good, in this order. Raises: OSError."""


class FileSink:
    """Appends a JSON line for each event. The file is opened for each batch: it may be rotated."""

    def __init__(self, path: str) -> None:
        self.name = f"file:{path}"
        self._path = Path(path)

    def write(self, events: list[Event]) -> None:
        lines = "".join(map(as_json, events)).encode()
        with os.fdopen(
            os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), "rb+"
        ) as f:
            if self._is_torn(f):
                lines = b"\n" + lines
            f.write(lines)
            f.flush()
            os.fsync(f.fileno())

    def _is_torn(self, file) -> bool:
        """Whether the last line was cut short when its writer ended."""
        if file.seek(0, os.SEEK_END) == 0:
            return False
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"


class SyslogSink:
    """One syslog message for each event, its text the same JSON."""

    def __init__(self, url: str) -> None:
        self.name = f"syslog:{url}"
        self._syslog = Syslog(parse(url))

    def write(self, events: list[Event]) -> None:
        for event in events:
            self._syslog.send(event.at, as_json(event).rstrip("\n"))


def sinks() -> list[Sink]:
    """Those that the settings name."""
    made: list[Sink] = []
    if settings.CONNHUB_AUDIT_FILE:
        made.append(FileSink(settings.CONNHUB_AUDIT_FILE))
    if settings.CONNHUB_AUDIT_SYSLOG:
        made.append(SyslogSink(settings.CONNHUB_AUDIT_SYSLOG))
    return made


def is_wanted() -> bool:
    """Whether there is anything to forward to."""
    return bool(
        settings.CONNHUB_AUDIT_FILE
        or settings.CONNHUB_AUDIT_SYSLOG
        or settings.CONNHUB_AUDIT_HEAD_FILE
    )


def forward(sink: Sink) -> int:
    """Send what the sink has not got yet; how many events that were.

    How far it came is kept after each batch. A stop in between sends that batch again.
    """
    sent = 0
    with _held(sink.name) as (position, keep):
        while events := list(
            Event.objects.filter(sequence__gt=position).order_by("sequence")[:BATCH]
        ):
            try:
                sink.write(events)
            except OSError as error:
                log.warning(
                    "Audit events can't be forwarded.",
                    extra={"sink": sink.name.partition(":")[0], "error": type(error).__name__},
                )
                break
            position = events[-1].sequence
            sent += len(events)
            if not keep(position):
                break
    return sent


@contextmanager
def _held(name: str) -> Iterator[tuple[int, Callable[[int], bool]]]:
    """How far a sink came, for one process alone; beyond every event for all others.

    `keep` notes the new position and goes on holding it, or says that somebody else does.
    """
    holder, now = uuid4(), timezone.now()
    Position.objects.get_or_create(name=name, defaults={"held_until": now})
    free = Position.objects.filter(name=name, held_until__lte=now)
    mine = Position.objects.filter(name=name, holder=holder)
    if not free.update(holder=holder, held_until=now + LEASE):
        yield 2**62, lambda _: False
        return

    def keep(position: int) -> bool:
        return bool(mine.update(sequence=position, held_until=timezone.now() + LEASE))

    try:
        yield mine.values_list("sequence", flat=True).get(), keep
    finally:
        mine.update(held_until=timezone.now())


def release_positions() -> None:
    """Nobody is at any sink: whoever was is gone for good."""
    Position.objects.update(held_until=timezone.now())


class HeadNotInChain(Exception):
    """The head in the file is not in the chain any more: its end was cut off, or changed."""


def export_head(path: str) -> None:
    """Write the chain's head to the file, for `verify_audit --head`.

    Raises:
        HeadNotInChain: the head that is there is not in the chain; the file keeps it.
        OSError: it can't be read or written.
    """
    file, head = Path(path), Head.objects.filter(pk=HEAD).first()
    noted = file.read_text().strip() if file.exists() else ""
    if noted and not holds(noted):
        raise HeadNotInChain
    if head is None or noted == (now := f"{head.sequence}:{head.mac}"):
        return
    beside = file.with_name(f"{file.name}.new")
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
        f.write(now + "\n")
        f.flush()
        os.fsync(f.fileno())
    beside.replace(file)


def holds(head: str) -> bool:
    """Whether a head noted earlier, `SEQUENCE:MAC`, is in the chain."""
    sequence, _, mac = head.partition(":")
    if not (sequence.isascii() and sequence.isdecimal() and len(sequence) < 19):
        return False
    return Event.objects.filter(sequence=sequence, mac=mac).exists()


def forward_all(to: list[Sink]) -> int:
    """Everything that is set, once; what fails is logged and tried again the next time."""
    sent = sum(forward(sink) for sink in to)
    if path := settings.CONNHUB_AUDIT_HEAD_FILE:
        try:
            export_head(path)
        except HeadNotInChain:
            log.error("The audit log does not hold: its exported head is not in it any more.")
        except OSError as error:
            log.warning("The audit head can't be written.", extra={"error": type(error).__name__})
    return sent
