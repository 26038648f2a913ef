"""Who calls the admin API: the person whose admin token the call presents."""

import time
from datetime import timedelta

from django.http import HttpRequest
from django.utils import timezone
from ninja.security import HttpBearer

from connhub.accounts.models import AdminToken, User
from connhub.audit.context import current

from ...callers import with_tokens
from ...problems import NoAdminToken
from .refusals import ReadOnlyToken

SAFE = ("GET", "HEAD", "OPTIONS")


class Call(HttpRequest):
    """A request with an admin token: its user is the token's person."""

    user: User
    auth: AdminToken


class AdminTokenAuth(HttpBearer):
    """From here on the request is the person's; what goes on record of it names the token.

    Raises:
        NoAdminToken: the token is unknown, expired or revoked, or its person deactivated.
        RateLimited: too many calls with it, or with unknown ones from the caller's address.
        ReadOnlyToken: the call would change something, and the token only looks.
    """

    def authenticate(self, request: HttpRequest, token: str) -> AdminToken:
        digest = with_tokens.digest_of(token)
        if not digest:
            raise NoAdminToken
        if with_tokens.knows(digest):
            with_tokens.take(digest, time.time())
        found = with_tokens.find(digest)
        request.user = found.person
        current.set(current.get()._replace(admin_token=str(found)[:100]))
        if found.read_only and request.method not in SAFE:
            raise ReadOnlyToken
        _note_use(found)
        return found


def _note_use(token: AdminToken) -> None:
    """Remember when it was last used, to the minute."""
    now = timezone.now()
    if token.last_used_at is None or now - token.last_used_at > timedelta(minutes=1):
        AdminToken.objects.filter(pk=token.pk).update(last_used_at=now)
