"""Integration keys: what a flow presents to the runtime API."""

import secrets
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from connhub.accounts.models import Environment, User
from connhub.accounts.people import require_now
from connhub.accounts.permissions import require
from connhub.audit.log import record, record_each
from connhub.errors import Refusal
from connhub.vault import keyring

from . import callers
from .models import Integration, IntegrationKey
from .registration import locked as locked_integration

MARK = "chk_"
SHOWN_CHARACTERS = len(MARK) + 4
YEAR = timedelta(days=365)


class KeyRevokedAlready(Refusal):
    code = "key-revoked-already"
    text = "This key is revoked already."


class KeyOver(Refusal):
    code = "key-over"
    text = "This key is expired or revoked. Create a new one."


class KeyReplacedAlready(Refusal):
    code = "key-replaced-already"
    text = "Another key took this one's place already."


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
        IntegrationGone: the integration was deleted meanwhile.
    """
    by = require_now(by, "integration.issue_key", integration)
    integration = locked_integration(integration)
    require(by, "environment.connect_in", environment)
    key, token = _make(integration, environment, name, by, expires_in)
    record("key.issued", by=by, on=key, detail=_scope(key))
    return key, token


@transaction.atomic
def rotate(
    key: IntegrationKey, *, by: User, overlap: timedelta, expires_in: timedelta = YEAR
) -> tuple[IntegrationKey, str]:
    """Make the key that takes another's place; both work for `overlap`, or until the old one's end.

    Raises:
        PermissionDenied: as `issue`.
        KeyOver: the old one doesn't work any more.
        KeyReplacedAlready: this was done before.
    """
    by = require_now(by, "integration.issue_key", key.integration)
    locked_integration(key.integration)
    require(by, "environment.connect_in", key.environment)
    locked = IntegrationKey.objects.select_for_update(of=("self",), no_key=True)
    old = locked.select_related("integration", "environment", "replaced_by").get(pk=key.pk)
    if hasattr(old, "replaced_by"):
        raise KeyReplacedAlready
    if not old.is_usable:
        raise KeyOver
    new, token = _make(old.integration, old.environment, old.name, by, expires_in, replaces=old)
    old.expires_at = min(old.expires_at, new.issued_at + overlap)
    old.save(update_fields=["expires_at"])
    hours = overlap // timedelta(hours=1)
    record("key.rotated", by=by, on=old, detail=_scope(new) | {"new": str(new), "hours": hours})
    return new, token


def _make(
    integration: Integration,
    environment: Environment,
    name: str,
    by: User,
    expires_in: timedelta,
    replaces: IntegrationKey | None = None,
) -> tuple[IntegrationKey, str]:
    token = MARK + secrets.token_urlsafe(32)
    key = IntegrationKey.objects.create(
        integration=integration,
        environment=environment,
        name=name,
        prefix=token[:SHOWN_CHARACTERS],
        digest=keyring.digest(token),
        issued_by=by,
        expires_at=timezone.now() + expires_in,
        replaces=replaces,
    )
    return key, token


@transaction.atomic
def revoke(key: IntegrationKey, *, by: User) -> None:
    """End a key: the next call with it fails.

    Raises:
        PermissionDenied: `by` is no admin of the key's integration.
        KeyRevokedAlready: it was revoked before.
    """
    by = require_now(by, "integration.revoke_key", key.integration)
    live = IntegrationKey.objects.filter(pk=key.pk, revoked_at=None)
    if not live.update(revoked_at=timezone.now()):
        raise KeyRevokedAlready
    record("key.revoked", by=by, on=key, detail=_scope(key))


def revoke_all(integration: Integration, *, by: User) -> None:
    """End all keys of an integration, which is about to go. The caller has asked the policies."""
    usable = integration.keys.usable().select_related("integration", "environment")
    record_each("key.revoked", [(key, [], _scope(key)) for key in usable], by=by)
    usable.update(revoked_at=timezone.now())


def _scope(key: IntegrationKey) -> dict[str, str]:
    return {"integration": key.integration.slug, "environment": key.environment.slug}


def authenticate(token: str) -> IntegrationKey:
    """The key that a token belongs to. Raises: Unauthorized, RateLimited, as `callers` says."""
    return callers.with_keys.authenticate(token)
