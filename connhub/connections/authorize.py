"""Sending a person to the provider and taking in what comes back (RFC 6749 section 4.1, 9207)."""

import hmac
import secrets
from collections.abc import Mapping, Sequence
from copy import copy
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from connhub.accounts.models import Environment, User
from connhub.audit.log import record
from connhub.errors import Refusal
from connhub.vault.keyring import CantOpen, digest

from . import policies
from .access import AddressIncomplete, settings_for
from .auth import METHODS
from .auth.base import Granted
from .auth.oauth2 import Client
from .auth.provider import ProviderError
from .models import Authorization, Connection, Credential, Settings, Status
from .refresh import AppMissing, client_for

LIFETIME = timedelta(minutes=10)


class NothingToAuthorize(Refusal):
    code = "nothing-to-authorize"
    text = "This connection doesn't sign in at the service. Edit it to change its credentials."


class AuthorizationFailed(Exception):
    """The way to the provider and back came to nothing; the text says why. Nothing was changed."""

    def __init__(self, text: str, connection: Connection | None = None):
        super().__init__(text)
        self.connection = connection


def redirect_uri(service_slug: str) -> str:
    """The one address that a service may send people back to, from the configured base URL alone."""
    return settings.CONNHUB_URL + reverse("oauth_callback", args=[service_slug])


def host_of(
    connection: Connection, environment: Environment | None, pending: Mapping[str, Any]
) -> str:
    """The host that the person will be sent to. Raises: Refusal, as `start` does."""
    try:
        return _client(connection, environment, pending).authorization_host()
    except ProviderError as error:
        raise AddressIncomplete(str(error)) from None


def start(
    connection: Connection,
    *,
    by: User,
    session_key: str,
    environment: Environment | None = None,
    pending: Mapping[str, Any] | None = None,
) -> str:
    """The provider's URL for one attempt, valid for ten minutes and this session alone.

    `pending` holds changes (scopes, parameters, OAuth app) that take effect if it succeeds.

    Raises:
        PermissionDenied, Refusal: `by` may not, or the connection as it stands can't.
    """
    policies.require_admin(by, connection)
    policies.require_connect_in(by, environment)
    pending = dict(pending or {})
    client = _client(connection, environment, pending)
    state, verifier = secrets.token_urlsafe(32), client.new_verifier()
    attempt = Authorization(
        state_digest=digest(state),
        session_digest=digest(session_key),
        user=by,
        connection=connection,
        environment=environment,
        redirect_uri=redirect_uri(connection.service.slug),
        pending=pending,
        expires_at=timezone.now() + LIFETIME,
    )
    attempt.verifier.put(verifier)
    scopes = _with_changes(connection, pending).scopes
    try:
        url = client.authorization_url(
            redirect_uri=attempt.redirect_uri, scopes=scopes, state=state, verifier=verifier
        )
    except ProviderError as error:
        raise AddressIncomplete(str(error)) from None
    _begin(attempt)
    return url


@transaction.atomic
def _begin(attempt: Authorization) -> None:
    attempt.save(force_insert=True)
    record("connection.authorization_started", by=attempt.user, on=attempt.connection, change=False)


def finish(
    service_slug: str, answer: Mapping[str, Sequence[str]], *, by: User, session_key: str
) -> Connection:
    """Take in the provider's answer: exchange the code and keep the tokens.

    `answer` holds each parameter with all its values: one that comes twice is not believed
    (RFC 6749 section 3.1). The attempt is used up whatever the answer says.

    Raises:
        AuthorizationFailed: the answer belongs to no attempt of this person and session, consent
            was denied, or the provider did not give a usable token.
    """
    attempts = [attempt for state in answer.get("state", ()) if (attempt := _take(state))]
    attempt = attempts[0] if attempts else None
    try:
        if attempt is None:
            raise AuthorizationFailed(
                "This answer belongs to no sign-in that is under way; it may have been used "
                "already. Start again from the connection."
            )
        _check(attempt, service_slug, by, session_key)
        granted = _exchange(attempt, _each_once(answer, attempt.connection))
        _keep(attempt, granted, by)
    except AuthorizationFailed as error:
        _note_failure(attempt.connection if attempt else None, by, str(error))
        raise
    attempt.connection.refresh_from_db()
    return attempt.connection


def _each_once(answer: Mapping[str, Sequence[str]], connection: Connection) -> dict[str, str]:
    if any(len(values) > 1 for values in answer.values()):
        raise AuthorizationFailed(
            f"The answer of {connection.service} says something twice. Start again.", connection
        )
    return {name: values[0] for name, values in answer.items() if values}


@transaction.atomic
def _take(state: str) -> Authorization | None:
    found = (
        Authorization.objects.select_for_update(of=("self",))
        .select_related(
            "connection__service", "connection__auth_method", "connection__oauth_app", "environment"
        )
        .filter(state_digest=digest(state))
        .first()
    )
    if found is not None:
        Authorization.objects.filter(pk=found.pk).delete()
    return found


def _check(attempt: Authorization, service_slug: str, by: User, session_key: str) -> None:
    same_session = hmac.compare_digest(attempt.session_digest, digest(session_key))
    if attempt.user_id != by.pk or not same_session:
        raise AuthorizationFailed(
            "This sign-in was started in another session. Start again from the connection."
        )
    connection = attempt.connection
    if connection.deleted_at or not policies.may_administer(by, connection):
        raise AuthorizationFailed("You no longer administer this connection.")
    if not policies.may_connect_in(by, attempt.environment):
        raise AuthorizationFailed("You may no longer connect in this environment.", connection)
    if connection.service.slug != service_slug:
        raise AuthorizationFailed(
            "This answer came to another service's address. Start again.", connection
        )
    if attempt.expires_at < timezone.now():
        raise AuthorizationFailed(
            "This sign-in took more than ten minutes. Start again.", connection
        )


def _exchange(attempt: Authorization, answer: Mapping[str, str]) -> Granted:
    connection = attempt.connection
    issuer = connection.auth_method.config.get("issuer")
    if "iss" in answer and issuer and answer["iss"] != issuer:
        raise AuthorizationFailed("The answer came from another provider. Start again.", connection)
    if "error" in answer:
        raise AuthorizationFailed(_denied(answer["error"], connection), connection)
    if not answer.get("code"):
        raise AuthorizationFailed(
            f"{connection.service} sent no code back. Start again.", connection
        )
    try:
        return _client(connection, attempt.environment, attempt.pending).exchange(
            answer["code"],
            redirect_uri=attempt.redirect_uri,
            verifier=attempt.verifier.open().reveal(),
            asked=_with_changes(connection, attempt.pending).scopes,
        )
    except (ProviderError, Refusal) as error:
        raise AuthorizationFailed(str(error), connection) from error
    except CantOpen:
        raise AuthorizationFailed(
            "This sign-in can't be completed. Start again.", connection
        ) from None


def _denied(code: str, connection: Connection) -> str:
    if code == "access_denied":
        return f"Access was not allowed at {connection.service}. Nothing was changed; you can try again."
    known = {
        "invalid_scope": "doesn't know one of the scopes",
        "server_error": "had an error",
        "temporarily_unavailable": "is busy",
        "unauthorized_client": "doesn't allow this client to ask",
    }
    return f"{connection.service} {known.get(code, 'refused')}. Nothing was changed."


@transaction.atomic
def _keep(attempt: Authorization, granted: Granted, by: User) -> None:
    connection = Connection.objects.locked(attempt.connection_id)
    if connection.deleted_at or not policies.may_administer(by, connection):
        raise AuthorizationFailed("You no longer administer this connection.")
    fields = _apply(connection, attempt.pending, attempt.environment)
    keep(connection, granted, environment=attempt.environment)
    record(
        "connection.connected",
        by=by,
        on=connection,
        fields=fields,
        detail={"scopes": granted.scopes, "environment": str(attempt.environment or "all")},
    )


def keep(
    connection: Connection, granted: Granted, *, environment: Environment | None
) -> Credential:
    """Seal what was granted as the connection's credential for an environment (None: for all).

    A refresh still under way for the credential before it can no longer write.
    """
    credential, _ = Credential.objects.select_for_update(of=("self",)).get_or_create(
        connection=connection, environment=environment, user=None
    )
    credential.payload.put(granted.secrets)
    credential.status = Status.CONNECTED
    credential.account = granted.account
    credential.scopes_granted = granted.scopes
    credential.connected_at = timezone.now()
    credential.expires_at, credential.renewable = granted.expires_at, granted.renewable
    credential.fence += 1
    credential.lease_until = credential.intent_version = credential.next_refresh_at = None
    credential.retried, credential.refresh_failures, credential.last_error = False, 0, ""
    credential.tested_at, credential.test_report = None, {}
    credential.save()
    connection.sum_up()
    return credential


def _with_changes(connection: Connection, pending: Mapping[str, Any]) -> Connection:
    """The connection as it would be; the one given stays as it is."""
    connection = copy(connection)
    if "scopes" in pending:
        connection.scopes = list(pending["scopes"])
    if "oauth_app" in pending:
        own = connection.service.oauth_apps.filter(shared=False)
        connection.oauth_app = own.filter(pk=pending["oauth_app"]).first()
    return connection


def _client(
    connection: Connection, environment: Environment | None, pending: Mapping[str, Any]
) -> Client:
    if not METHODS[connection.auth_method.kind].interactive:
        raise NothingToAuthorize
    changed = _with_changes(connection, pending)
    app, style = changed.oauth_app, connection.auth_method.config.get("token_auth")
    if app and not app.client_secret and style != "none":
        raise AppMissing
    probe = Credential(connection=changed, environment=environment)
    return client_for(probe, pending.get("parameters"))


def _apply(
    connection: Connection, pending: Mapping[str, Any], environment: Environment | None
) -> list[str]:
    """Make pending changes true; the names of what changed."""
    if not pending:
        return []
    changed = _with_changes(connection, pending)
    changed.version += 1
    changed.save(update_fields=["scopes", "oauth_app", "version", "modified_at"])
    if "parameters" in pending:
        _give_up_others(connection, environment)
        Settings.objects.update_or_create(
            connection=connection,
            environment=environment,
            defaults={
                name: pending[name] for name in ("parameters", "base_url") if name in pending
            },
        )
    return list(pending)


def _give_up_others(connection: Connection, environment: Environment | None) -> None:
    """Destroy the secrets that settings about to change would send to a new place."""
    for other in connection.credentials.live().select_for_update(of=("self",)):
        stored = settings_for(connection, other.environment)
        is_replaced = other.environment == environment and other.user_id is None
        if stored.environment == environment and not is_replaced:
            other.payload.clear()
            other.status = Status.RECONNECT_NEEDED
            other.last_error = "The connection's address was changed. Reconnect."
            other.fence += 1
            other.save()


@transaction.atomic
def _note_failure(connection: Connection | None, by: User, why: str) -> None:
    record(
        "connection.authorize_failed",
        by=by,
        on=connection,
        outcome="failed",
        detail={"why": why},
        change=False,
    )
