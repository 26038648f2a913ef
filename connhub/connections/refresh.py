"""Renewing access tokens: once for all processes, surviving crashes, never losing a grant.

One caller holds a lease with a fencing number while it talks to the provider; the others wait and
read what it stored. An intent mark, committed before the call, tells after a crash that the
refresh token may have been used up.
"""

import random
import time
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Case, F, Q, When
from django.utils import timezone

from connhub.accounts.models import Environment, User
from connhub.audit.log import record
from connhub.egress.errors import BadAddress
from connhub.errors import Refusal
from connhub.services.addresses import Unfilled
from connhub.vault.keyring import CantOpen

from .access import (
    Access,
    AddressIncomplete,
    CredentialIncomplete,
    CredentialUnreadable,
    ReconnectNeeded,
    prepare,
    require_usable,
    values_of,
)
from .auth import METHODS
from .auth.base import Granted
from .auth.provider import ProviderError, ProviderRefused
from .models import Connection, Credential, Status
from .telling import providers as telling

MARGIN = timedelta(seconds=60)
LEASE = timedelta(seconds=30)  # longer than the 20 s that a token request may take
WAIT_S = 25.0
POLL_S = 0.05
BACK_OFF_S = 30
BACK_OFF_MAX_S = 900
FORCED_REST = timedelta(seconds=60)
FATAL = frozenset({"invalid_grant"})


class RenewalFailed(Refusal):
    code = "renewal-failed"
    text = "The access token has expired and the service did not renew it just now. Try again soon."
    status = 503
    wait_s = 5


def needs_renewal(credential: Credential) -> bool:
    return bool(
        credential.renewable
        and credential.expires_at
        and credential.expires_at - timezone.now() < MARGIN
    )


def ensure_fresh(credential: Credential, *, force_version: int | None = None) -> Credential:
    """The credential with a token that can be used now, renewed on the way if need be.

    `force_version` asks for a renewal of that payload version although it has not expired, which
    happens at most once a minute; whoever asks meanwhile waits for it.

    Raises:
        ReconnectNeeded: the provider no longer accepts the grant.
        RenewalFailed: it could not be renewed now, and the old token has expired.
        Refusal: the connection lacks what a renewal needs.
    """
    deadline = time.monotonic() + WAIT_S
    while True:
        if credential.status == Status.RECONNECT_NEEDED:
            raise ReconnectNeeded
        if not _is_wanted(credential, force_version):
            return credential
        if _backing_off(credential) or time.monotonic() > deadline:
            return _as_it_is(credential)
        if _take_lease(credential):
            return _renew(_read(credential), both_tries_lost=_both_tries_lost(credential))
        if force_version is None and _still_valid(credential):
            return credential
        time.sleep(POLL_S)
        credential = _read(credential)


def fresh_access(
    connection: Connection, environment: Environment | None, user: User | None = None
) -> Access:
    """What a call in this environment needs, its token renewed first where it ends.

    `user` is the login user that it is made for, where the connection uses their credentials.

    Raises: Refusal, as `prepare` and `ensure_fresh` do.
    """
    credential = connection.credential_for(environment, user)
    require_usable(connection, credential)
    if credential is not None:
        connection = ensure_fresh(credential).connection
    try:
        return prepare(connection, environment, user)
    except (BadAddress, Unfilled):
        raise AddressIncomplete from None


def _is_wanted(credential: Credential, force_version: int | None) -> bool:
    if force_version is None:
        return needs_renewal(credential)
    rested = not credential.renewed_at or timezone.now() - credential.renewed_at > FORCED_REST
    return credential.renewable and credential.payload_version == force_version and rested


def _as_it_is(credential: Credential) -> Credential:
    if _still_valid(credential):
        return credential
    raise RenewalFailed


def _read(credential: Credential) -> Credential:
    """As it is now. Raises: ReconnectNeeded, if it was taken away meanwhile."""
    found = (
        Credential.objects.select_related("connection__service", "connection__auth_method")
        .select_related("connection__oauth_app", "environment", "user")
        .filter(pk=credential.pk)
        .first()
    )
    if found is None:
        raise ReconnectNeeded
    return found


def _still_valid(credential: Credential) -> bool:
    return credential.expires_at is not None and credential.expires_at > timezone.now()


def _backing_off(credential: Credential) -> bool:
    return bool(credential.next_refresh_at and credential.next_refresh_at > timezone.now())


def _take_lease(credential: Credential) -> bool:
    """Whether this caller may renew. Commits the lease and the intent mark before any call."""
    now = timezone.now()
    free = Q(lease_until=None) | Q(lease_until__lt=now)
    return bool(
        Credential.objects.filter(
            free,
            pk=credential.pk,
            payload_version=credential.payload_version,
            fence=credential.fence,
        ).update(
            lease_until=now + LEASE,
            fence=F("fence") + 1,
            # An intent left by somebody who never came back: this attempt is the one retry.
            retried=Case(When(intent_version=credential.payload_version, then=True), default=False),
            intent_version=credential.payload_version,
        )
    )


def _both_tries_lost(before: Credential) -> bool:
    """Whether the attempt before this one was a retry already, and never came back either."""
    return before.retried and before.intent_version == before.payload_version


def _renew(credential: Credential, *, both_tries_lost: bool) -> Credential:
    if both_tries_lost:
        return _refused(
            credential, "renewal-lost", "Two renewals broke off; the grant is in doubt."
        )
    try:
        granted = _ask_provider(credential)
    except ProviderRefused as error:
        # A lost answer to an earlier, crashed attempt shows as invalid_grant as well.
        if error.code in FATAL:
            return _refused(credential, error.code, str(error))
        return _failed(credential, error)
    except ProviderError as error:
        return _failed(credential, error)
    except Refusal:  # nothing was sent
        _end(credential)
        raise
    return _store(credential, granted)


def _ask_provider(credential: Credential) -> Granted:
    try:
        secrets = credential.payload.open().reveal()
    except CantOpen:
        raise CredentialUnreadable from None
    method = credential.connection.auth_method
    asked = credential.scopes_granted or credential.connection.scopes
    try:
        granted = METHODS[method.kind].renew(values_of(credential, secrets), method, asked)
    except KeyError:
        raise CredentialIncomplete from None
    # What was typed stays beside the tokens; an OAuth grant is replaced whole.
    typed = {item.name for item in METHODS[method.kind].fields(method)}
    granted.secrets = {n: v for n, v in secrets.items() if n in typed} | granted.secrets
    return granted


def _store(credential: Credential, granted: Granted) -> Credential:
    """Keep the new tokens first and alone: a refresh token may live only in this answer."""
    version, fence = credential.payload_version, credential.fence
    credential.payload.put(granted.secrets)
    stored = Credential.objects.filter(
        pk=credential.pk, payload_version=version, fence=fence
    ).update(
        payload=credential.payload.ciphertext,
        payload_version=credential.payload_version,
        expires_at=granted.expires_at,
        renewable=granted.renewable,
        scopes_granted=granted.scopes,
        renewed_at=timezone.now(),
        status=Status.CONNECTED,
        last_error="",
        refresh_failures=0,
        next_refresh_at=None,
        lease_until=None,
        intent_version=None,
        retried=False,
    )
    if not stored:
        _give_back(credential, granted)
    credential = _read(credential)
    if stored:
        _note(credential, "connection.renewed")
    return credential


@transaction.atomic
def _give_back(credential: Credential, granted: Granted) -> None:
    """Tokens that came too late belong to nobody: if the credential has ended, so do they.

    If somebody authorized anew meanwhile they are dropped alone: many providers would take that
    grant for the same one.
    """
    if not Credential.objects.live().filter(pk=credential.pk).exists():
        telling.tell([(credential, granted.secrets)], by=None)


def _refused(credential: Credential, code: str, text: str) -> Credential:
    """The grant is dead, unless somebody stored a newer one meanwhile. It is never deleted."""
    with transaction.atomic():
        Connection.objects.locked(credential.connection_id)
        dead = _end(credential, status=Status.RECONNECT_NEEDED, last_error=text[:300])
        if dead:
            _note(credential, "connection.reconnect_needed", outcome="failed", error=code)
    if dead:
        raise ReconnectNeeded
    return _read(credential)


def _failed(credential: Credential, error: ProviderError) -> Credential:
    """A passing failure: keep the grant, try again later, longer each time."""
    wait_s = min(BACK_OFF_S * 2**credential.refresh_failures, BACK_OFF_MAX_S)
    wait_s *= random.uniform(1, 1.25)  # noqa: S311 - spreads the load, guards nothing
    if not _end(
        credential,
        refresh_failures=F("refresh_failures") + 1,
        next_refresh_at=timezone.now() + timedelta(seconds=wait_s),
        last_error=str(error)[:300],
    ):
        return _read(credential)
    _note(credential, "connection.renewal_failed", outcome="failed", error=str(error))
    return _as_it_is(_read(credential))


def _end(credential: Credential, **outcome: Any) -> bool:
    """Give the lease back with what came of it; False if the credential is another's by now.

    The fence moves on, so that nobody takes a lease on what they read before.
    """
    return bool(
        Credential.objects.filter(
            pk=credential.pk, payload_version=credential.payload_version, fence=credential.fence
        ).update(
            fence=F("fence") + 1, lease_until=None, intent_version=None, retried=False, **outcome
        )
    )


@transaction.atomic
def _note(credential: Credential, action: str, *, outcome: str = "ok", **detail: str) -> None:
    credential.connection.sum_up()
    whose = {"user": credential.user.email} if credential.user else {}
    record(action, on=credential.connection, outcome=outcome, detail=detail | whose)
