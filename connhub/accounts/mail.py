from collections.abc import Iterable, Mapping
from typing import Any

from django.conf import settings
from django.db import transaction
from django.template.loader import render_to_string
from django.utils import timezone

from . import tasks
from .models import Letter

NO_SERVER = ("dummy", "console")
BATCH = 500
# To which address, under which subject, from which template and with what.
Written = tuple[str, str, str, Mapping[str, Any]]


def is_set_up() -> bool:
    """Whether letters reach anybody; where they don't, pages show what they would have said."""
    return settings.EMAIL_BACKEND.split(".")[-2] not in NO_SERVER


def send(to: str, subject: str, template: str, context: Mapping[str, Any]) -> None:
    """Write a letter to one address, sent in the background once the transaction commits.

    `template` is a plain text one. Where no mail server is set up nothing is written.
    """
    send_all([(to, subject, template, context)])


def send_all(written: Iterable[Written]) -> None:
    """Write several letters, as `send` does each, in one query."""
    if not is_set_up():
        return
    letters = [_sealed(*each) for each in written]
    Letter.objects.bulk_create(letters, BATCH)
    for letter in letters:
        _send_after_commit(str(letter.pk))


def _sealed(to: str, subject: str, template: str, context: Mapping[str, Any]) -> Letter:
    letter = Letter(to=to, subject=" ".join(subject.split())[:200], next_try_at=timezone.now())
    letter.body.put(render_to_string(template, dict(context), using="letters"))
    return letter


def _send_after_commit(pk: str) -> None:
    # What can't be queued now the worker finds by itself.
    transaction.on_commit(lambda: tasks.deliver_letter(pk), robust=True)
