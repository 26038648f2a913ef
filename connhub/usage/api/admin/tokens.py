"""Who calls the admin API: the person whose admin token the call presents."""

from django.http import HttpRequest
from ninja.security import HttpBearer

from connhub.accounts.models import AdminToken, User
from connhub.audit.context import current

from ...callers import with_tokens
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
        found = with_tokens.authenticate(token)
        request.user = found.person
        current.set(current.get()._replace(admin_token=str(found)[:100]))
        if found.read_only and request.method not in SAFE:
            raise ReadOnlyToken
        return found
