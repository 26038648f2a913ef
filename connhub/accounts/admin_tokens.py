"""Admin tokens: what a program presents to do by API what a person does on pages."""

import secrets
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from connhub.audit.log import record
from connhub.errors import Refusal
from connhub.vault import keyring

from .models import AdminToken, User
from .people import require_now

MARK = "cha_"
SHOWN_CHARACTERS = len(MARK) + 4
LONGEST = timedelta(days=365)
USUALLY = timedelta(days=90)
MOST = 50


class TokenRevokedAlready(Refusal):
    code = "token-revoked-already"
    text = "This admin token is revoked already."


class TooManyTokens(Refusal):
    code = "too-many-tokens"
    text = f"You have {MOST} admin tokens that work. Revoke one that nothing uses any more."


@transaction.atomic
def issue(
    name: str, *, by: User, expires_in: timedelta = USUALLY, read_only: bool = False
) -> tuple[AdminToken, str]:
    """Make a token that acts for `by`, for a year at most; the token is to be had only here.

    Raises:
        PermissionDenied: the account is deactivated.
        TooManyTokens: they have 50 that work.
    """
    by = require_now(by, "admin_token.issue")
    if by.admin_tokens.usable().count() >= MOST:
        raise TooManyTokens
    text = MARK + secrets.token_urlsafe(32)
    token = AdminToken.objects.create(
        person=by,
        name=name,
        prefix=text[:SHOWN_CHARACTERS],
        digest=keyring.digest(text),
        read_only=read_only,
        expires_at=timezone.now() + min(expires_in, LONGEST),
    )
    record("admin_token.issued", by=by, on=token, detail={"read_only": read_only}, change=False)
    return token, text


@transaction.atomic
def revoke(token: AdminToken, *, by: User) -> None:
    """End a token: the next call with it fails.

    Raises:
        PermissionDenied: it is somebody else's, and `by` is no super admin.
        TokenRevokedAlready: it was revoked before.
    """
    by = require_now(by, "admin_token.revoke", token)
    live = AdminToken.objects.filter(pk=token.pk, revoked_at=None)
    if not live.update(revoked_at=timezone.now()):
        raise TokenRevokedAlready
    record("admin_token.revoked", by=by, on=token)
