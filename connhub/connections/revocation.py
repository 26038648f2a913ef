"""Destroying credentials: here first and for good, then at the provider, whatever it answers."""

from contextlib import suppress
from typing import Any

from django.db import models
from django.db.models import F

from connhub.accounts.models import User
from connhub.vault.keyring import CantOpen

from .models import Credential, Rotation, Status
from .telling import providers as telling


def lock_live(credentials: models.QuerySet[Credential]) -> list[Credential]:
    """Those that hold a secret, locked until the transaction ends, with all it takes to revoke."""
    return _lock(credentials.filter(payload__isnull=False))


def _lock(credentials: models.QuerySet[Credential]) -> list[Credential]:
    return list(
        credentials.select_related(
            *("connection__service", "connection__auth_method", "connection__oauth_app"),
            *("environment", "user", "rotation"),
        )
        .select_for_update(of=("self",), no_key=True)
        .order_by("pk")
    )


def destroy(live: list[Credential], *, by: User, later: bool = False) -> None:
    """Empty locked credentials, and their second slots.

    A refresh under way can no longer write to them. With `later` it is left to the worker to tell
    the providers.
    """
    give_back(live, by=by, later=later)
    _empty(live, status=Status.REVOKED)


def give_up(live: list[Credential], why: str, *, by: User | None, kept: str = "") -> None:
    """Empty locked credentials before a change that would send their secrets to a new place.

    Those whose they are read `why`, and connect again. The worker tells the providers, but of the
    account that stays connected (`kept`): some take all of its tokens for one grant.
    """
    give_back([c for c in live if not kept or c.account != kept], by=by, later=True)
    _empty(live, status=Status.RECONNECT_NEEDED, last_error=why)


def _empty(live: list[Credential], **fields: Any) -> None:
    """Take every secret out of locked credentials and of their second slots."""
    if any(_rotation_of(credential) for credential in live):
        Rotation.objects.filter(credential__in=live).delete()
    Credential.objects.filter(pk__in=[credential.pk for credential in live]).update(
        payload=None,
        payload_version=F("payload_version") + 1,
        fence=F("fence") + 1,
        lease_until=None,
        intent_version=None,
        expires_at=None,
        ends_at=None,
        certificate_ends_at=None,
        renewable=False,
        **fields,
    )
    for credential in live:
        credential.status = fields["status"]


def _slots_of(live: list[Credential]) -> list[tuple[Credential, dict[str, str]]]:
    """The tokens in second slots, each with the credential that it is told about."""
    slots = []
    for credential in live:
        with suppress(CantOpen):
            if rotation := _rotation_of(credential):
                slots.append((credential, rotation.open().secrets))
    return [(credential, secrets) for credential, secrets in slots if "access_token" in secrets]


def _rotation_of(credential: Credential) -> Rotation | None:
    return getattr(credential, "rotation", None)


def remove(
    credentials: models.QuerySet[Credential], *, by: User, later: bool = False
) -> list[Credential]:
    """Take login users' credentials away, rows and all; those that held a secret are given back.

    The caller puts it on record, after this: events are written under a lock that comes last.
    """
    theirs = _lock(credentials)
    live = [credential for credential in theirs if credential.payload]
    telling.tell([(c, secrets_of(c)) for c in live], by=by, later=later)
    _delete(theirs)
    return live


def erase(own: list[Credential], *, by: User) -> None:
    """Take a connection's own credentials, all locked with their second slots, away, rows and all."""
    give_back([credential for credential in own if credential.payload], by=by)
    _delete(own)


def _delete(credentials: list[Credential]) -> None:
    if not credentials:
        return
    ids = [credential.pk for credential in credentials]
    if any(_rotation_of(credential) for credential in credentials):
        Rotation.objects.filter(credential__in=ids).delete()
    rows = Credential.objects.filter(pk__in=ids)
    # Nothing else hangs on them, so nothing has to be looked for.
    rows._raw_delete(rows.db)


def give_back(live: list[Credential], *, by: User | None, later: bool = False) -> None:
    """Have the providers told of locked credentials that are about to be destroyed here."""
    held = [(credential, secrets_of(credential)) for credential in live]
    telling.tell([*held, *_slots_of(live)], by=by, later=later)


def secrets_of(credential: Credential) -> dict[str, str]:
    """The secrets in clear; none if they can't be opened any more."""
    try:
        return credential.payload.open().reveal()
    except CantOpen:
        return {}
