"""Integration keys: what a flow presents to the runtime API."""

import secrets
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from connhub.accounts.models import Environment, User
from connhub.accounts.permissions import require
from connhub.audit.log import record
from connhub.errors import Refusal
from connhub.vault import keyring

from .models import Integration, IntegrationKey
from .problems import Unauthorized

MARK = "chk_"
SHOWN_CHARACTERS = len(MARK) + 4
YEAR = timedelta(days=365)


class KeyRevokedAlready(Refusal):
    code = "key-revoked-already"
    text = "This key is revoked already."


@transaction.atomic
def issue(
    integration: Integration,
    environment: Environment,
    *,
    name: str,
    by: User,
    expires_in: timedelta = YEAR,
) -> tuple[IntegrationKey, str]:
    """Make a key for one integration in one environment; the token is to be had only here.

    Raises:
        PermissionDenied: `by` is no admin of the integration, or lacks the role admin for any
            but the lowest environment.
    """
    require(by, "integration.issue_key", integration)
    require(by, "environment.connect_in", environment)
    token = MARK + secrets.token_urlsafe(32)
    key = IntegrationKey.objects.create(
        integration=integration,
        environment=environment,
        name=name,
        prefix=token[:SHOWN_CHARACTERS],
        digest=keyring.digest(token),
        issued_by=by,
        expires_at=timezone.now() + expires_in,
    )
    record("key.issued", by=by, on=key, detail=_scope(key))
    return key, token


@transaction.atomic
def revoke(key: IntegrationKey, *, by: User) -> None:
    """End a key: the next call with it fails.

    Raises:
        PermissionDenied: `by` is no admin of the key's integration.
        KeyRevokedAlready: it was revoked before.
    """
    require(by, "integration.revoke_key", key.integration)
    live = IntegrationKey.objects.filter(pk=key.pk, revoked_at=None)
    if not live.update(revoked_at=timezone.now()):
        raise KeyRevokedAlready
    record("key.revoked", by=by, on=key, detail=_scope(key))


def _scope(key: IntegrationKey) -> dict[str, str]:
    return {"integration": key.integration.slug, "environment": key.environment.slug}


def authenticate(token: str) -> IntegrationKey:
    """The key that a token belongs to. Raises: Unauthorized, if it is unknown, expired or revoked."""
    known = IntegrationKey.objects.usable().select_related("integration__project", "environment")
    key = known.filter(digest=keyring.digest(token)).first()
    if key is None:
        raise Unauthorized
    _note_use(key)
    return key


def _note_use(key: IntegrationKey) -> None:
    """Remember when it was last used, to the minute."""
    now = timezone.now()
    if key.last_used_at is None or now - key.last_used_at > timedelta(minutes=1):
        IntegrationKey.objects.filter(pk=key.pk).update(last_used_at=now)
