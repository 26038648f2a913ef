"""What ends when somebody has to show anew who they are."""

from django.db.models import QuerySet
from django.utils import timezone

from connhub.audit.log import record_each

from . import sessions
from .models import AdminToken, User


def end_access(user: User, *, by: User, but: str | None = None) -> None:
    """End a person's sessions, but for the one with the key `but`, and their admin tokens."""
    sessions.end_all(user, but=but)
    end_tokens(user.admin_tokens.all(), by=by)


def end_tokens(tokens: QuerySet[AdminToken], *, by: User) -> None:
    """End those that still work: the next call with one fails."""
    live = list(tokens.filter(revoked_at=None, expires_at__gt=timezone.now()))
    if live:
        AdminToken.objects.filter(pk__in=[token.pk for token in live]).update(
            revoked_at=timezone.now()
        )
        record_each("admin_token.revoked", ((token, (), {}) for token in live), by=by)
