"""Destroying credentials: here first and for good, then at the provider, whatever it answers."""

import time
from functools import partial

from django.db import models, transaction

from connhub.accounts.models import User
from connhub.audit.log import record
from connhub.errors import Refusal
from connhub.vault.keyring import CantOpen

from .auth import METHODS
from .models import Connection, Credential, Status
from .refresh import values_of

# Many people's grants may end at once; the providers get this long for all of them.
TELLING_S = 30


def lock_live(credentials: models.QuerySet[Credential]) -> list[Credential]:
    """Those that hold a secret, locked until the transaction ends, with all it takes to revoke."""
    return list(
        credentials.filter(payload__isnull=False)
        .select_related(
            "connection__service", "connection__auth_method", "connection__oauth_app", "user"
        )
        # As they are now: the provider is told later, where the tokens came from.
        .prefetch_related("connection__settings")
        .select_for_update(of=("self",))
        .order_by("pk")
    )


def destroy(connection: Connection, live: list[Credential], *, by: User) -> None:
    """Empty a connection's own credentials; a refresh under way can no longer write to them."""
    tell_after_commit([(credential, secrets_of(credential)) for credential in live], by)
    for credential in live:
        credential.payload.clear()
        credential.status = Status.REVOKED
        credential.fence += 1
        credential.lease_until = credential.intent_version = credential.expires_at = None
        credential.renewable = False
        credential.save()
    connection.sum_up()


def remove(credentials: models.QuerySet[Credential], *, by: User) -> list[Credential]:
    """Take login users' credentials away, rows and all; those that held a secret are given back.

    The caller puts it on record, after this: events are written under a lock that comes last.
    """
    live = lock_live(credentials)
    tell_after_commit([(credential, secrets_of(credential)) for credential in live], by)
    credentials.delete()
    return live


def secrets_of(credential: Credential) -> dict[str, str]:
    """The secrets in clear; none if they can't be opened any more."""
    try:
        return credential.payload.open().reveal()
    except CantOpen:
        return {}


def tell_after_commit(grants: list[tuple[Credential, dict[str, str]]], by: User | None) -> None:
    """Ask the providers of these secrets to revoke them, once the transaction has committed."""
    told = [
        (credential, secrets)
        for credential, secrets in grants
        if METHODS[credential.connection.auth_method.kind].revokes
    ]
    if told:
        # After the commit: a slow provider must not hold the lock, nor a failing one keep the secret.
        transaction.on_commit(partial(_tell_providers, told, by), robust=True)


def _tell_providers(grants: list[tuple[Credential, dict[str, str]]], by: User | None) -> None:
    deadline = time.monotonic() + TELLING_S
    for credential, secrets in grants:
        said = "was not asked (too many at once)"
        if time.monotonic() < deadline:
            said = _tell_provider(credential, secrets)
        whose = {"user": credential.user.email} if credential.user else {}
        record(
            "connection.revoked_at_provider",
            by=by,
            on=credential.connection,
            outcome="ok" if said == "revoked" else "failed",
            detail={"said": said} | whose,
            change=False,
        )


def _tell_provider(credential: Credential, secrets: dict[str, str]) -> str:
    method = credential.connection.auth_method
    try:
        return METHODS[method.kind].revoke(values_of(credential, secrets), method)
    except Refusal as refusal:
        return f"was not asked ({refusal.code})"
