"""Sealing what was granted: the one place where a connection's credential is written whole."""

from collections.abc import Iterable

from django.utils import timezone

from connhub.accounts.models import Environment, User
from connhub.audit.log import record

from . import slots
from .auth.base import Granted
from .models import Connection, ConnectLink, Credential, Status


def keep(
    connection: Connection,
    granted: Granted,
    *,
    environment: Environment | None,
    by: User | ConnectLink | None = None,
    user: User | None = None,
) -> Credential:
    """Seal what was granted as a locked connection's credential for an environment (None: for all).

    `by` authorized it or typed it in; `user` is whose own it is, where the connection uses the
    credentials of login users.

    A refresh still under way for the credential before it can no longer write, and a rotation of
    its secret is over.
    """
    theirs = connection.credentials.filter(user=user).select_related("rotation").order_by("pk")
    by_place = {c.environment_id: c for c in theirs.select_for_update(of=("self",), no_key=True)}
    place = environment.pk if environment else None
    if place not in by_place:
        by_place[place] = Credential(connection=connection, environment=environment, user=user)
    credential = by_place[place]
    if not credential._state.adding and hasattr(credential, "rotation"):
        credential.rotation.delete()
        credential.rotation_ended = True
    fill(credential, granted)
    credential.connected_at = timezone.now()
    credential.connected_by = by if isinstance(by, User) else None
    credential.save()
    if connection.take_worst(by_place.values()):
        connection.save(update_fields=["status"])
    return credential


def fill(credential: Credential, granted: Granted) -> None:
    """Seal what was granted in place of all that a locked credential held; the caller saves it."""
    credential.payload.put(granted.secrets)
    credential.status = Status.CONNECTED
    credential.account = granted.account
    credential.scopes_granted = granted.scopes
    credential.expires_at, credential.renewable = granted.expires_at, granted.renewable
    credential.fence += 1
    credential.lease_until = credential.intent_version = credential.next_refresh_at = None
    credential.retried, credential.refresh_failures, credential.last_error = False, 0, ""
    credential.tested_at, credential.test_report = None, {}
    credential.ends_at, credential.certificate_ends_at = granted.ends_at, None


def keep_anew(
    connection: Connection,
    granted: Granted,
    *,
    environment: Environment | None,
    by: User | ConnectLink,
    fields: Iterable[str],
) -> Credential:
    """Keep what somebody typed in place of what there was, and put down that they did."""
    credential = keep(connection, granted, environment=environment, by=by)
    connection.move_on()
    where = environment.slug if environment else "all"
    detail = {"environment": where} | slots.ended(credential)
    record("connection.reconnected", by=by, on=connection, fields=fields, detail=detail)
    return credential
