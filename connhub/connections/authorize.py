"""Sending a person to the provider and taking in what comes back, by OAuth 2.0 or 1.0a."""

import hmac
from collections.abc import Mapping, Sequence
from datetime import timedelta
from secrets import token_urlsafe
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from connhub.accounts import people
from connhub.accounts.models import Environment, User
from connhub.audit.log import record
from connhub.errors import Refusal
from connhub.services import oauth_apps
from connhub.vault.keyring import CantOpen, digest

from . import policies
from .access import (
    AddressIncomplete,
    CredentialIncomplete,
    require_open,
)
from .auth import METHODS
from .auth.base import Begun, Granted
from .auth.provider import ProviderError
from .models import Authorization, Connection, Credential, Status
from .pending import apply, values_with, with_changes
from .whose import account_of, is_another

LIFETIME = timedelta(minutes=10)
STATE_NAMES = {name for method in METHODS.values() for name in method.state_names}


class NotBegun(Refusal):
    code = "sign-in-not-begun"
    text = "The service didn't let this sign-in begin. Try again."


class AuthorizationFailed(Exception):
    """The way to the provider and back came to nothing; the text says why. Nothing was changed."""

    def __init__(self, text: str, connection: Connection | None = None):
        super().__init__(text)
        self.connection = connection
        self.of_login_user = False


def redirect_uri(service_slug: str) -> str:
    """The one address that a service may send people back to, from the configured base URL alone."""
    return settings.CONNHUB_URL + reverse("oauth_callback", args=[service_slug])


def host_of(
    connection: Connection, environment: Environment | None, pending: Mapping[str, Any]
) -> str:
    """The host that the person will be sent to. Raises: Refusal, as `start` does."""
    try:
        values, method = values_with(connection, environment, pending), connection.auth_method
        return METHODS[method.kind].sign_in_host(values, method)
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

    `pending` holds changes (scopes, parameters, OAuth app) that take effect if it succeeds. Where
    the connection uses the credentials of login users, what comes back will be `by`'s own.
    OAuth 1.0a asks the provider first, for up to 20 s; no lock is held meanwhile.

    Raises:
        PermissionDenied, Refusal: `by` may not, or the connection as it stands can't.
        NotBegun: the provider refused, or gave no usable answer; that is on record.
    """
    if connection.login_user:
        policies.require_use(by, connection)
        require_open(connection)
    else:
        policies.require_admin(by, connection)
        policies.require_connect_in(by, environment)
    pending = dict(pending or {})
    host_of(connection, environment, pending)
    try:
        begun = _ask_to_begin(connection, environment, pending)
    except ProviderError as error:
        _note_failure(connection, by, str(error))
        raise NotBegun(str(error)) from None
    attempt = Authorization(
        state_digest=digest(begun.state),
        session_digest=digest(session_key),
        user=by,
        connection=connection,
        environment=environment,
        login_user=connection.login_user,
        redirect_uri=redirect_uri(connection.service.slug),
        pending=pending,
        expires_at=timezone.now() + LIFETIME,
    )
    attempt.verifier.put(begun.verifier)
    _begin(attempt)
    return begun.url


def _ask_to_begin(
    connection: Connection, environment: Environment | None, pending: Mapping[str, Any]
) -> Begun:
    values, method = values_with(connection, environment, pending), connection.auth_method
    try:
        return METHODS[method.kind].begin(
            values,
            method,
            redirect_uri=redirect_uri(connection.service.slug),
            scopes=with_changes(connection, pending).scopes,
        )
    except KeyError:
        raise CredentialIncomplete from None


@transaction.atomic
def _begin(attempt: Authorization) -> None:
    try:
        with transaction.atomic():
            attempt.save(force_insert=True)
    except IntegrityError:
        # The state of OAuth 1.0a is the provider's; one that comes again tells nobody apart.
        raise NotBegun from None
    record("connection.authorization_started", by=attempt.user, on=attempt.connection, change=False)


def finish(
    service_slug: str, answer: Mapping[str, Sequence[str]], *, by: User, session_key: str
) -> Credential | Authorization:
    """Take in the provider's answer: exchange the code and keep the tokens.

    If they are for another account than before nothing is replaced: the attempt comes back, and
    its grant waits (see `held_grants`).

    `answer` holds each parameter with all its values: one that comes twice is not believed
    (RFC 6749 section 3.1). The attempt is used up whatever the answer says.

    Raises:
        AuthorizationFailed: the answer belongs to no attempt of this person and session, consent
            was denied, or the provider did not give a usable token.
    """
    attempts = _take_all(answer) or _take_unnamed(answer, service_slug, by, session_key)
    state, attempt = attempts[0] if attempts else ("", None)
    try:
        if attempt is None:
            raise AuthorizationFailed(
                "This answer belongs to no sign-in that is under way; it may have been used "
                "already. Start again from the connection."
            )
        _check(attempt, service_slug, by, session_key)
        granted = _exchange(attempt, state, _each_once(answer, attempt.connection))
        granted.account = account_of(
            attempt.connection, attempt.environment, attempt.pending, granted
        )
        return _keep(attempt, granted, by)
    except AuthorizationFailed as error:
        error.of_login_user = bool(attempt and attempt.login_user)
        _note_failure(attempt.connection if attempt else None, by, str(error))
        raise


def _each_once(answer: Mapping[str, Sequence[str]], connection: Connection) -> dict[str, str]:
    if any(len(values) > 1 for values in answer.values()):
        raise AuthorizationFailed(
            f"The answer of {connection.service} says something twice. Start again.", connection
        )
    return {name: values[0] for name, values in answer.items() if values}


def _take_all(answer: Mapping[str, Sequence[str]]) -> list[tuple[str, Authorization]]:
    """Each attempt that the answer names, with the state that it was named by."""
    states = {state for name in STATE_NAMES for state in answer.get(name, ())}
    found = [(state, _take(state_digest=digest(state))) for state in sorted(states)]
    return [(state, attempt) for state, attempt in found if attempt]


def _take_unnamed(
    answer: Mapping[str, Sequence[str]], service_slug: str, by: User, session_key: str
) -> list[tuple[str, Authorization]]:
    """The attempt of this session that a no without any name must mean; never more than a no."""
    if STATE_NAMES & answer.keys():
        return []
    attempt = _take(
        user=by,
        session_digest=digest(session_key),
        connection__service__slug=service_slug,
        connection__auth_method__kind__in=[m.kind for m in METHODS.values() if m.denies_unnamed],
    )
    return [("", attempt)] if attempt else []


@transaction.atomic
def _take(**which: Any) -> Authorization | None:
    """The newest such attempt, which is thereby used up."""
    found = (
        Authorization.objects.select_for_update(of=("self",))
        .select_related(
            "connection__service", "connection__auth_method", "connection__oauth_app", "environment"
        )
        .filter(grant=None, **which)
        .order_by("-expires_at")
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
    require_may(attempt, connection, by)
    if connection.service.slug != service_slug:
        raise AuthorizationFailed(
            "This answer came to another service's address. Start again.", connection
        )
    if attempt.expires_at < timezone.now():
        raise AuthorizationFailed(
            "This sign-in took more than ten minutes. Start again.", connection
        )


def require_may(attempt: Authorization, connection: Connection, by: User) -> None:
    """That the person may still do what they set out to, with the connection as it is now."""
    if attempt.login_user != connection.login_user:
        raise AuthorizationFailed("The connection was changed meanwhile. Start again.")
    if attempt.login_user:
        if connection.status == Status.REVOKED or not policies.may_use(by, connection):
            raise AuthorizationFailed("You may no longer use this connection.")
        return
    if connection.deleted_at or not policies.may_administer(by, connection):
        raise AuthorizationFailed("You no longer administer this connection.")
    if not policies.may_connect_in(by, attempt.environment):
        raise AuthorizationFailed("You may no longer connect in this environment.", connection)


def _exchange(attempt: Authorization, state: str, answer: Mapping[str, str]) -> Granted:
    connection, method = attempt.connection, attempt.connection.auth_method
    try:
        return METHODS[method.kind].complete(
            values_with(connection, attempt.environment, attempt.pending),
            method,
            answer,
            state=state,
            verifier=attempt.verifier.open().reveal(),
            redirect_uri=attempt.redirect_uri,
            scopes=with_changes(connection, attempt.pending).scopes,
        )
    except (ProviderError, Refusal) as error:
        raise AuthorizationFailed(str(error), connection) from error
    except (CantOpen, KeyError):
        raise AuthorizationFailed(
            "This sign-in can't be completed. Start again.", connection
        ) from None


@transaction.atomic
def _keep(attempt: Authorization, granted: Granted, by: User) -> Credential | Authorization:
    connection = Connection.objects.locked(attempt.connection_id)
    by = people.locked(by)
    require_may(attempt, connection, by)
    if is_another(replaced_by(attempt, connection), granted.account):
        return _hold(attempt, granted)
    return settle(attempt, connection, granted, by)


def _hold(attempt: Authorization, granted: Granted) -> Authorization:
    """Let the grant wait in a row that no answer of the provider can name any more."""
    attempt.state_digest, attempt.account = digest(token_urlsafe(32)), granted.account
    attempt.verifier.clear()
    ends_at = granted.expires_at.isoformat() if granted.expires_at else None
    attempt.grant.put(
        {
            "secrets": granted.secrets,
            "expires_at": ends_at,
            "renewable": granted.renewable,
            "scopes": granted.scopes,
        }
    )
    attempt.expires_at = timezone.now() + LIFETIME
    attempt.save(force_insert=True)
    record(
        "connection.other_account",
        by=attempt.user,
        on=attempt.connection,
        detail={"account": granted.account},
        change=False,
    )
    return attempt


def replaced_by(attempt: Authorization, connection: Connection) -> Credential | None:
    """The credential that the attempt is about to replace, if there is one."""
    owner = attempt.user if attempt.login_user else None
    there = connection.credentials.filter(environment=attempt.environment, user=owner)
    return there.defer("payload").first()


def settle(
    attempt: Authorization, connection: Connection, granted: Granted, by: User
) -> Credential:
    """Make what an attempt brought, and what waited for it, true of a locked connection."""
    fields = apply(connection, attempt.pending, attempt.environment)
    if connection.oauth_app is None and "oauth_app" not in attempt.pending:
        # From here on it is the one that its tokens belong to.
        connection.oauth_app = oauth_apps.serving(connection.auth_method, attempt.environment)
        connection.save(update_fields=["oauth_app"])
    owner = by if attempt.login_user else None
    credential = keep(connection, granted, environment=attempt.environment, user=owner)
    record(
        "connection.user_connected" if owner else "connection.connected",
        by=by,
        on=connection,
        fields=fields,
        detail={"scopes": granted.scopes, "environment": str(attempt.environment or "all")}
        | ({"user": owner.email} if owner else {}),
    )
    return credential


def keep(
    connection: Connection,
    granted: Granted,
    *,
    environment: Environment | None,
    user: User | None = None,
) -> Credential:
    """Seal what was granted as the connection's credential for an environment (None: for all).

    `user` is whose own it is, where the connection uses the credentials of login users.

    A refresh still under way for the credential before it can no longer write.
    """
    credential, _ = Credential.objects.select_for_update(of=("self",)).get_or_create(
        connection=connection, environment=environment, user=user
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
    credential.certificate_ends_at = None
    credential.save()
    connection.sum_up()
    return credential


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
