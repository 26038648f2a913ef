"""Letters on their way: each is sealed while it waits, and gone once the mail server has it."""

import logging
from datetime import timedelta
from smtplib import SMTPException

from django.conf import settings
from django.core.mail import EmailMessage
from django.db.models import F, QuerySet
from django.utils import timezone

from connhub.audit.log import record
from connhub.vault.keyring import CantOpen

from .models import Letter

logger = logging.getLogger(__name__)
# Longer than a mail server takes to answer.
AT_WORK = timedelta(minutes=2)
MOST_TRIES = 12


def due() -> QuerySet[Letter]:
    """Those that nobody is sending and that needn't wait any longer."""
    return Letter.objects.filter(next_try_at__lte=timezone.now())


def deliver(pk: str) -> None:
    """Hand a letter to the mail server; if it fails, later again: after 2 minutes, 4, 8 … 12 hours.

    A letter that twelve tries didn't deliver is dropped, on record. One that was handed over just
    as ConnHub was killed is sent twice.
    """
    again = timezone.now() + AT_WORK
    if not due().filter(pk=pk).update(tries=F("tries") + 1, next_try_at=again):
        return
    letter = Letter.objects.get(pk=pk)
    try:
        body = letter.body.open().reveal()
        EmailMessage(letter.subject, body, settings.DEFAULT_FROM_EMAIL, [letter.to]).send()
    except (SMTPException, OSError, CantOpen) as error:
        _put_off(letter, error)
    else:
        letter.delete()


def _put_off(letter: Letter, error: Exception) -> None:
    # The kind of the error alone: what a mail server says may quote the letter.
    said = type(error).__name__
    logger.warning("A letter could not be sent: %s", said)
    if letter.tries >= MOST_TRIES:
        record("letter.dropped", on=letter, outcome="failed", detail={"said": said}, change=False)
        letter.delete()
        return
    wait = min(timedelta(minutes=2**letter.tries), timedelta(hours=12))
    letter.next_try_at = timezone.now() + wait
    letter.save(update_fields=["next_try_at"])
