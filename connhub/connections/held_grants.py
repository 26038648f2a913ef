"""A grant for another account than before: it waits, sealed, until somebody says yes or no.

That is the person whom it was given to; what came by a connect link is for the admins to decide.
"""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from connhub.accounts import people
from connhub.accounts.models import User
from connhub.audit.log import Entry, record
from connhub.errors import Refusal
from connhub.vault.keyring import CantOpen, digest

from .attempts import AuthorizationFailed, require_may
from .auth.base import Granted
from .authorize import give_back, replaced_by, settle
from .models import Authorization, Connection, Credential


class NotWaiting(Refusal):
    code = "sign-in-gone"
    text = "This sign-in waits no longer. Nothing was changed. Start again from the connection."


def waiting(by: User, session_key: str) -> QuerySet[Authorization]:
    """What waits for the person's yes: in this session, or as an admin of the connection."""
    own = Q(link=None, user=by, session_digest=digest(session_key))
    for_admins = Q(
        link__isnull=False, connection__in=Connection.objects.administered_by(by).values("pk")
    )
    return Authorization.objects.filter(
        own | for_admins, grant__isnull=False, expires_at__gte=timezone.now()
    ).select_related("connection__service", "connection__auth_method", "environment")


def account_before(attempt: Authorization) -> str:
    """Whose account the grant would take the place of; "" if that is gone meanwhile."""
    before = replaced_by(attempt, attempt.connection)
    return before.account if before else ""


@transaction.atomic
def accept(attempt: Authorization, *, by: User, session_key: str) -> Credential:
    """Put the new account in the old one's place: the person said yes.

    Raises:
        NotWaiting: it was answered already, its time is over, or `by` may not any more.
    """
    by = people.locked(by)
    connection = Connection.objects.locked(attempt.connection_id)
    attempt = _take(waiting(by, session_key).filter(pk=attempt.pk))
    try:
        require_may(attempt, connection, by)
        granted = _opened(attempt)
    except (AuthorizationFailed, CantOpen):
        raise NotWaiting from None
    before = replaced_by(attempt, connection)
    accounts = {"account": attempt.account, "before": before.account if before else ""}
    changed = Entry("connection.account_changed", connection, detail=accounts)
    return settle(attempt, connection, granted, by, changed)


@transaction.atomic
def decline(attempt: Authorization, *, by: User, session_key: str) -> None:
    """Destroy the grant and tell the provider. Raises: NotWaiting."""
    _discard(_take(waiting(by, session_key).filter(pk=attempt.pk)), by)


def forget_expired() -> None:
    """Destroy the grants that nobody said yes to in time, and tell their providers."""
    over = Authorization.objects.filter(grant__isnull=False, expires_at__lt=timezone.now())
    forget(over, by=None)


@transaction.atomic
def forget(attempts: QuerySet[Authorization], *, by: User | None) -> None:
    """Destroy the attempts, and tell the providers of the grants that some of them hold."""
    whole = attempts.select_related(
        "user", "connection__service", "connection__auth_method", "environment"
    )
    for attempt in whole.select_for_update(of=("self",), no_key=True).order_by("pk"):
        Authorization.objects.filter(pk=attempt.pk).delete()
        if attempt.grant:
            _discard(attempt, by)


def _take(found: QuerySet[Authorization]) -> Authorization:
    """The one that was found, which is thereby used up. Raises: NotWaiting."""
    attempt = found.select_for_update(of=("self",), no_key=True).first()
    if attempt is None:
        raise NotWaiting
    Authorization.objects.filter(pk=attempt.pk).delete()
    return attempt


def _discard(attempt: Authorization, by: User | None) -> None:
    try:
        secrets = _opened(attempt).secrets
    except CantOpen:
        secrets = {}
    give_back(attempt, secrets, by=by)
    record("connection.other_account_declined", by=by, on=attempt.connection, change=False)


def _opened(attempt: Authorization) -> Granted:
    """Raises: CantOpen."""
    kept: dict[str, Any] = attempt.grant.open().reveal()
    ends_at = datetime.fromisoformat(kept["expires_at"]) if kept["expires_at"] else None
    return Granted(
        kept["secrets"], ends_at, kept["renewable"], kept["scopes"], account=attempt.account
    )
