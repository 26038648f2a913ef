"""A rotation of the vault's keys at work: anybody goes on with it, nobody has to be the first."""

import time
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from math import inf

from django.db import transaction
from django.dispatch import Signal
from django.utils import timezone

from connhub.audit.log import record
from connhub.vault import counting, keyring, rotation
from connhub.vault.models import KeyCheck, KeyRotation
from connhub.vault.rotation import Batch, Unreadable

EXAMPLES = 100
# Longer than any batch takes; after this, whoever was at it is gone.
SILENT = timedelta(seconds=20)
# Values that others keep sealing with another key end it, after so many passes.
MOST_PASSES, REST_S = 20, 0.1

# Sent with `kind` and `row` for what can't be opened, once everything else is done.
found_unreadable = Signal()
# Sent when a rotation has ended.
rotated = Signal()


def primary() -> KeyCheck:
    """The primary key, as the record names it."""
    return KeyCheck(keyring.ring().primary.id.hex())


def going_on() -> KeyRotation | None:
    return KeyRotation.objects.filter(ended_at=None).first()


def is_deserted(run: KeyRotation) -> bool:
    """Whether nobody is at it any more."""
    return timezone.now() - run.heard_of_at > SILENT


def work(run: KeyRotation, *, for_s: float = inf, tell: Callable[[], None] = lambda: None) -> bool:
    """Go on with it for so long, calling `tell` after each batch; whether it is done.

    Half of the time, or 0.1 s after each batch, is left to others. What can't be opened is skipped, and made known when all
    the rest is done.
    """
    until = time.monotonic() + for_s
    for _ in range(MOST_PASSES):
        unreadable: list[Unreadable] = []
        for batch in _in_no_hurry(rotation.one_pass(run)):
            unreadable += batch.unreadable
            tell()
            if batch.resealed and time.monotonic() > until:
                counting.flush()
                return False
        if rotation.count_left() <= len(unreadable):
            break
        time.sleep(REST_S)
    _end(run, unreadable)
    return True


def _in_no_hurry(batches: Iterable[Batch]) -> Iterator[Batch]:
    began = time.monotonic()
    for batch in batches:
        took = time.monotonic() - began
        yield batch
        time.sleep(min(took, REST_S))
        began = time.monotonic()


def _end(run: KeyRotation, unreadable: list[Unreadable]) -> None:
    for kind, row in unreadable:
        found_unreadable.send(None, kind=kind, row=row)
    with transaction.atomic():
        examples = [(kind.label, str(row.pk)) for kind, row in unreadable[:EXAMPLES]]
        ended = KeyRotation.objects.filter(pk=run.pk, ended_at=None).update(
            ended_at=timezone.now(), unreadable=len(unreadable), examples=examples
        )
        if ended:
            run.refresh_from_db()
            record(
                "vault_key.rotation_ended",
                on=primary(),
                outcome="failed" if unreadable else "ok",
                detail={"said": outcome_of(run)},
                change=False,
            )
    rotated.send(None)
    counting.flush()


def outcome_of(run: KeyRotation) -> str:
    """What came of it, in a few words."""
    done = f"{run.resealed:,} of {max(run.total, run.resealed):,} values sealed anew"
    return f"{done}, {run.unreadable:,} can't be opened" if run.unreadable else done
