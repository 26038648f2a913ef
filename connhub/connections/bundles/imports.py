"""A file on its way in: uploaded, looked at, decided on, applied in the background, forgotten."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta
from functools import partial
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import models, transaction
from django.utils import timezone

from connhub.accounts.models import User
from connhub.audit.context import Context, current
from connhub.audit.log import record
from connhub.audit.models import Event
from connhub.connections.bundles.models import Import
from connhub.errors import Refusal
from connhub.vault import passphrase
from connhub.vault.keyring import CantOpen

from . import applying, document
from .document import MAX_BYTES, BadFile, Bundle
from .preview import Decisions, Entry, look

Phase = Import.Phase
LIFETIME = timedelta(hours=1)
# Longer than any step takes without a word, and than a worker at work keeps anybody waiting.
SILENT, UNATTENDED = timedelta(minutes=2), timedelta(minutes=10)
TRIES, WITHIN = 10, timedelta(minutes=15)
REFUSED = "import.refused"
BROKEN = "Something went wrong on ConnHub's side."


class TooManyTries(Refusal):
    code = "too-many-tries"
    text = "Too many files could not be opened. Wait a quarter of an hour, then try again."
    status = HTTPStatus.TOO_MANY_REQUESTS
    wait_s = int(WITHIN.total_seconds())


class NotOpened(Refusal):
    code = "bundle-not-opened"
    text = "It doesn't open: the passphrase is another one, or the file was changed."
    status = HTTPStatus.BAD_REQUEST


class UnderWay(Refusal):
    code = "import-under-way"
    text = "This import is under way already."


class Gone(Refusal):
    code = "import-gone"
    text = "This import is over, or waited for more than an hour. Upload the file again."


def open_file(data: bytes, sealed_under: str, *, by: User) -> Bundle:
    """What is in a file that ConnHub exported. Tries that fail are counted and on record.

    Raises:
        TooManyTries: ten failed within 15 minutes; nothing was tried.
        BadFile: it is no such file, or its content is not what it must be.
        NotOpened: the passphrase is wrong or the file was changed; nobody can tell which.
    """
    if _failures(by) >= TRIES:
        raise TooManyTries
    try:
        if len(data) > MAX_BYTES:
            raise BadFile("The file is larger than 10 MiB.")
        return document.read(_unsealed(data, sealed_under))
    except (BadFile, NotOpened) as refusal:
        record(REFUSED, by=by, on=by, outcome="failed", detail={"why": refusal.code}, change=False)
        raise


def _failures(by: User) -> int:
    own = Event.objects.filter(actor_type="user", actor_id=str(by.pk), action=REFUSED)
    return own.filter(at__gt=timezone.now() - WITHIN).count()


def _unsealed(data: bytes, sealed_under: str) -> bytes:
    try:
        return passphrase.open_file(data, sealed_under)
    except passphrase.NotSealedFile:
        raise BadFile from None
    except passphrase.WrongPassphrase:
        raise NotOpened from None


@transaction.atomic
def keep(bundle: Bundle, *, by: User) -> Import:
    """Seal the content for an hour, in place of what the person looked at before."""
    Import.objects.filter(user=by, phase__in=(Phase.LOOKED_AT, Phase.FAILED, Phase.DONE)).delete()
    row = Import(user=by, expires_at=timezone.now() + LIFETIME, total=len(bundle.items))
    row.decisions = asdict(Decisions())
    row.content.put(bundle.plain())
    row.save(force_insert=True)
    return row


def bundle_of(row: Import) -> Bundle:
    """What was uploaded. Raises: Gone."""
    try:
        return document.of_plain(row.content.open().reveal())
    except CantOpen:
        raise Gone from None


def look_at(row: Import) -> list[Entry]:
    """The preview, as things stand and were decided. Raises: Gone."""
    return look(bundle_of(row), decisions_of(row), row.user)


def decisions_of(row: Import) -> Decisions:
    return Decisions(**row.decisions)


def is_stuck(row: Import) -> bool:
    """Whether whoever should work on it has gone without a word; then nothing was imported."""
    patience = {Phase.WAITING: UNATTENDED, Phase.CHECKING: SILENT, Phase.WRITING: SILENT}
    at_work = Phase(row.phase) in patience
    return at_work and timezone.now() - row.heard_of_at > patience[Phase(row.phase)]


def is_open(row: Import) -> bool:
    """Whether there still is something to decide."""
    return row.phase in (Phase.LOOKED_AT, Phase.FAILED) or is_stuck(row)


@transaction.atomic
def decide(row: Import, decisions: Decisions, *, by: User) -> None:
    """Keep what the person wants; nothing is imported yet. Raises: UnderWay, Gone."""
    row = _locked(row, by)
    row.decisions = asdict(decisions)
    row.save(update_fields=["decisions"])


@transaction.atomic
def start(row: Import, *, seen: str, by: User, enqueue: Callable[[str, int, Context], Any]) -> None:
    """Have it applied in the background, if what is here still is what the person saw.

    Raises: UnderWay, Gone.
    """
    row = _locked(row, by)
    row.phase, row.run, row.seen, row.checked = Phase.WAITING, row.run + 1, seen, 0
    row.heard_of_at, row.outcome = timezone.now(), ""
    row.save()
    transaction.on_commit(partial(enqueue, str(row.pk), row.run, current.get()))


def _locked(row: Import, by: User) -> Import:
    found = Import.objects.select_for_update(no_key=True).filter(pk=row.pk, user=by).first()
    if found is None or found.expires_at < timezone.now() or found.phase == Phase.DONE:
        raise Gone
    if not is_open(found):
        raise UnderWay
    return found


@transaction.atomic
def drop(row: Import, *, by: User) -> None:
    """Forget the file. What is being written is written or not, as a whole."""
    Import.objects.filter(pk=row.pk, user=by).delete()


def run(pk: str, number: int, context: Context) -> None:
    """Apply an import that was started; for the worker.

    The last transaction commits the connections and the word that it is done together, so that a
    process that dies at any moment leaves all or nothing.
    """
    mine = Import.objects.filter(pk=pk, run=number)
    claimed = mine.filter(phase=Phase.WAITING).update(
        phase=Phase.CHECKING, heard_of_at=timezone.now()
    )
    row = mine.select_related("user").first()
    if not claimed or row is None:
        return
    token = current.set(context)
    try:
        _apply(row, mine)
    except (Refusal, PermissionDenied) as refusal:
        text = refusal.text if isinstance(refusal, Refusal) else "You may not do this any more."
        _fail(row, mine, text)
    except Exception:
        _fail(row, mine, BROKEN)
        raise
    finally:
        current.reset(token)


def _apply(row: Import, mine: models.QuerySet[Import]) -> None:
    def tell(**news: Any) -> None:
        if not mine.update(heard_of_at=timezone.now(), **news):
            raise Gone

    def begin() -> None:
        if (
            not mine.select_for_update(no_key=True)
            .filter(phase=Phase.WRITING)
            .values_list("pk")
            .first()
        ):
            raise Gone

    def end(outcome: applying.Outcome) -> None:
        done = mine.get()
        done.content.clear()
        done.phase, done.outcome, done.checked = Phase.DONE, f"{outcome}.", done.total
        done.decisions = {"tags": row.decisions["tags"]}
        done.save()

    applying.apply(
        bundle_of(row),
        decisions_of(row),
        by=row.user,
        seen=row.seen,
        checked=lambda count: tell(checked=count),
        about_to_write=lambda: tell(phase=Phase.WRITING, checked=row.total),
        begin=begin,
        end=end,
    )


@transaction.atomic
def _fail(row: Import, mine: models.QuerySet[Import], why: str) -> None:
    mine.update(phase=Phase.FAILED, outcome=why[:300])
    record(
        "import.failed",
        by=row.user,
        on=row.user,
        outcome="failed",
        detail={"why": why},
        change=False,
    )


def forget_expired() -> None:
    Import.objects.filter(expires_at__lt=timezone.now()).delete()
