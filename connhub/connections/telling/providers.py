"""Telling providers that tokens are revoked (RFC 7009), until they have heard it or an hour is over.

What is to be told is written down, sealed, in the transaction that destroys the token. Whoever did
that tells it right after the commit, for a few seconds; the worker tells what is left.
"""

import re
import time
from collections.abc import Iterable, Mapping
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import F, prefetch_related_objects
from django.utils import timezone

from connhub.accounts.models import User
from connhub.audit.context import Context, current
from connhub.audit.log import record
from connhub.connections.access import values_of
from connhub.connections.auth import METHODS
from connhub.connections.models import Credential
from connhub.errors import Refusal
from connhub.vault.keyring import CantOpen

from .models import Telling

# In a request no further provider is asked after this; each is given 10 s.
AT_ONCE_S = 5
# The second try comes a minute after the first, then 4, 16 and 64.
TRIES, BACK_OFF, TIMES = 5, timedelta(minutes=1), 4
PASSING = re.compile(r"did not answer|answered (429|5\d\d)")
BATCH = 500

Grant = tuple[Credential, Mapping[str, str]]


def tell(
    grants: Iterable[Grant],
    *,
    by: User | None,
    later: bool = False,
    parameters: dict[str, str] | None = None,
) -> None:
    """Have the providers of these secrets told that they are revoked, once the transaction commits.

    With `later` that is left to the worker, as for many connections at once. `parameters` are those
    that the secrets came with, where they are not the ones stored.
    """
    heard = [(credential, secrets) for credential, secrets in grants if _revokes(credential)]
    if not heard:
        return
    # As they are now: the provider is told later, where the tokens came from.
    prefetch_related_objects([credential for credential, _ in heard], "connection__settings")
    rows = [_written(credential, secrets, by, parameters) for credential, secrets in heard]
    Telling.objects.bulk_create(rows, BATCH)
    if not later:
        ids = [row.pk for row in rows]
        # After the commit: a slow provider must not hold the lock, nor a failing one keep the secret.
        transaction.on_commit(lambda: _tell_at_once(ids), robust=True)


def tell_next() -> bool:
    """Tell one provider what it has yet to hear, for the worker; False if there is nothing to tell."""
    for pk in Telling.objects.filter(next_at__lte=timezone.now()).values_list("pk", flat=True)[:5]:
        if _tell(pk):
            return True
    return False


def _revokes(credential: Credential) -> bool:
    return METHODS[credential.connection.auth_method.kind].revokes


def _written(
    credential: Credential,
    secrets: Mapping[str, str],
    by: User | None,
    parameters: dict[str, str] | None,
) -> Telling:
    context = current.get()
    row = Telling(
        connection=credential.connection,
        auth_method=credential.connection.auth_method,
        whose=credential.user.email if credential.user else "",
        by=by,
        ip=context.ip,
        request_id=context.request_id,
        next_at=timezone.now(),
    )
    try:
        row.values.put(values_of(credential, dict(secrets), parameters))
    except Refusal as refusal:
        row.why_not = refusal.code
    return row


def _tell_at_once(ids: Iterable[UUID]) -> None:
    deadline = time.monotonic() + AT_ONCE_S
    for pk in ids:
        if time.monotonic() > deadline:
            return
        _tell(pk)


def _tell(pk: UUID) -> bool:
    """Whether it was this one's turn, and nobody else's."""
    now = timezone.now()
    # Should this process end now, somebody else tries again.
    turn = Telling.objects.filter(pk=pk, next_at__lte=now)
    if not turn.update(next_at=now + BACK_OFF, tries=F("tries") + 1):
        return False
    row = Telling.objects.select_related("connection", "auth_method__service", "by").get(pk=pk)
    token = current.set(Context(row.ip, row.request_id))
    try:
        _note(row, _ask(row))
    finally:
        current.reset(token)
    return True


def _ask(row: Telling) -> str:
    """What the provider said, in a word."""
    if row.why_not:
        return f"was not asked ({row.why_not})"
    try:
        values = row.values.open().reveal()
        return METHODS[row.auth_method.kind].revoke(values, row.auth_method)
    except CantOpen:
        return "was not asked (credential-unreadable)"
    except Refusal as refusal:
        return f"was not asked ({refusal.code})"


@transaction.atomic
def _note(row: Telling, said: str) -> None:
    if PASSING.fullmatch(said) and row.tries < TRIES:
        wait = BACK_OFF * TIMES ** (row.tries - 1)
        Telling.objects.filter(pk=row.pk).update(next_at=timezone.now() + wait)
    else:
        row.delete()
    record(
        "connection.revoked_at_provider",
        by=row.by,
        on=row.connection,
        outcome="ok" if said == "revoked" else "failed",
        detail={"said": said} | ({"user": row.whose} if row.whose else {}),
        change=False,
    )
