"""Sending a person to the provider and taking in what comes back, by OAuth 2.0 or 1.0a."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from secrets import token_urlsafe
from typing import Any, NamedTuple

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from connhub.accounts.models import Environment, User
from connhub.audit.log import Entry, record, record_all
from connhub.errors import Refusal
from connhub.services import oauth_apps
from connhub.vault.keyring import CantOpen, digest

from .access import AddressIncomplete, CredentialIncomplete, destination_of
from .attempts import (
    Actor,
    AuthorizationFailed,
    check,
    locked,
    note_failure,
    require_may,
    require_may_begin,
)
from .auth import METHODS
from .auth.base import Begun, Granted
from .auth.provider import ProviderError
from .connect_links import validity
from .connect_links.validity import LinkDead
from .keeping import keep
from .models import Authorization, Connection, ConnectLink, Credential
from .pending import apply, values_with, with_changes
from .telling import providers as telling
from .whose import account_of, is_another, is_in_use

LIFETIME = timedelta(minutes=10)
# What came by a connect link for another account waits for an admin, who isn't there.
UNTIL_DECIDED = timedelta(hours=24)
STATE_NAMES = {name for method in METHODS.values() for name in method.state_names}


class NotBegun(Refusal):
    code = "sign-in-not-begun"
    text = "The service didn't let this sign-in begin. Try again."


class Finished(NamedTuple):
    """What came of an attempt; without a credential its grant waits, as `held_grants` says."""

    attempt: Authorization
    credential: Credential | None


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
    by: Actor,
    session_key: str,
    environment: Environment | None = None,
    pending: Mapping[str, Any] | None = None,
    then: str = "",
) -> str:
    """The provider's URL for one attempt, valid for ten minutes and this session alone.

    `pending` holds changes (scopes, parameters, OAuth app) that take effect if it succeeds; `then`
    is the page of ConnHub that the person goes to in the end, if not the connection's. Where
    the connection uses the credentials of login users, what comes back will be `by`'s own. `by`
    may be a connect link, for whoever opened it in this session.
    OAuth 1.0a asks the provider first, for up to 20 s; no lock is held meanwhile.

    Raises:
        PermissionDenied, LinkDead, Refusal: `by` may not, or the connection as it stands can't.
        NotBegun: the provider refused, or gave no usable answer; that is on record.
    """
    require_may_begin(connection, environment, by)
    pending = _bound(connection, pending) if pending else {}
    host_of(connection, environment, pending)
    try:
        begun = _ask_to_begin(connection, environment, pending)
    except ProviderError as error:
        note_failure(connection, by, str(error))
        raise NotBegun(str(error)) from None
    attempt = Authorization(
        state_digest=digest(begun.state),
        session_digest=digest(session_key),
        user=by.made_by if isinstance(by, ConnectLink) else by,
        link=by if isinstance(by, ConnectLink) else None,
        connection=connection,
        environment=environment,
        login_user=connection.login_user,
        destination=destination_of(connection, environment),
        redirect_uri=redirect_uri(connection.service.slug),
        pending=pending,
        then=then,
        expires_at=timezone.now() + LIFETIME,
    )
    attempt.verifier.put(begun.verifier)
    _begin(attempt)
    return begun.url


def _bound(connection: Connection, pending: Mapping[str, Any]) -> dict[str, Any]:
    """Changes that hold only if nobody makes others before them."""
    now = Connection.objects.filter(pk=connection.pk).values_list("version", flat=True).get()
    return {**pending, "version": now}


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
    record(
        "connection.authorization_started", by=attempt.actor, on=attempt.connection, change=False
    )


def finish(
    service_slug: str, answer: Mapping[str, Sequence[str]], *, by: User | None, session_key: str
) -> Finished:
    """Take in the provider's answer: exchange the code and keep the tokens.

    If they are for another account than before nothing is replaced, and the grant waits. What
    was begun by a connect link ends by it, whoever is signed in; `by` is None if nobody is.

    `answer` holds each parameter with all its values: one that comes twice is not believed
    (RFC 6749 section 3.1). The attempt is used up whatever the answer says.

    Raises:
        AuthorizationFailed: the answer belongs to no attempt of this person and session, consent
            was denied, or the provider did not give a usable token.
        LinkDead: the connect link that it was begun by is good for nothing any more.
    """
    attempts = _take_all(answer) or _take_unnamed(answer, service_slug, session_key)
    state, attempt = attempts[0] if attempts else ("", None)
    try:
        if attempt is None:
            raise AuthorizationFailed(
                "This answer belongs to no sign-in that is under way; it may have been used "
                "already. Start again from the connection."
            )
        actor = check(attempt, service_slug, by, session_key)
        granted = _exchange(attempt, state, _each_once(answer, attempt.connection))
        return Finished(attempt, _keep_or_give_back(attempt, granted, actor))
    except LinkDead as dead:
        note_failure(attempt.connection if attempt else None, dead.link, dead.why)
        raise
    except AuthorizationFailed as error:
        if attempt is None:
            note_failure(None, by, str(error))
            raise
        error.of_login_user, error.link = attempt.login_user, attempt.link
        note_failure(attempt.connection, attempt.link or by, str(error))
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
    answer: Mapping[str, Sequence[str]], service_slug: str, session_key: str
) -> list[tuple[str, Authorization]]:
    """The attempt of this session that a no without any name must mean; never more than a no."""
    if STATE_NAMES & answer.keys():
        return []
    attempt = _take(
        session_digest=digest(session_key),
        connection__service__slug=service_slug,
        connection__auth_method__kind__in=[m.kind for m in METHODS.values() if m.denies_unnamed],
    )
    return [("", attempt)] if attempt else []


@transaction.atomic
def _take(**which: Any) -> Authorization | None:
    """The newest such attempt, which is thereby used up."""
    found = (
        Authorization.objects.select_for_update(of=("self",), no_key=True)
        .select_related(
            *("connection__service", "connection__auth_method__service"),
            "connection__oauth_app",
            *("environment", "user", "link__made_by", "link__environment"),
        )
        # Where it goes is read once, so that what is checked is what is asked.
        .prefetch_related("connection__settings", "connection__service__endpoints")
        .filter(grant=None, **which)
        .order_by("-expires_at")
        .first()
    )
    if found is not None:
        Authorization.objects.filter(pk=found.pk).delete()
    return found


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


def _keep_or_give_back(attempt: Authorization, granted: Granted, by: Actor) -> Credential | None:
    """Keep what was granted; if somebody was faster, or `by` may not any more, it is revoked."""
    granted.account = account_of(attempt.connection, attempt.environment, attempt.pending, granted)
    try:
        return _keep(attempt, granted, by)
    except (AuthorizationFailed, PermissionDenied, Refusal):
        # Some providers take all tokens of an account for one grant, which is in use then.
        if not is_in_use(replaced_by(attempt, attempt.connection), granted.account):
            give_back(attempt, granted.secrets, by=None)
        raise


@transaction.atomic
def give_back(attempt: Authorization, secrets: Mapping[str, str], *, by: User | None) -> None:
    """Have the provider told that what an attempt brought is revoked.

    Not once the address is another than the tokens came from: they go nowhere else.
    """
    whole = Connection.objects.select_related("service", "auth_method", "oauth_app")
    connection = with_changes(whole.get(pk=attempt.connection_id), attempt.pending)
    is_moved = attempt.destination != destination_of(connection, attempt.environment)
    if is_moved or "parameters" in attempt.pending:
        return
    user = attempt.user if attempt.login_user else None
    given = Credential(connection=connection, environment=attempt.environment, user=user)
    telling.tell([(given, secrets)], by=by)


@transaction.atomic
def _keep(attempt: Authorization, granted: Granted, by: Actor) -> Credential | None:
    by, connection = locked(by, attempt.connection)
    require_may(attempt, connection, by)
    credential = None
    if is_another(replaced_by(attempt, connection), granted.account):
        _hold(attempt, granted)
    else:
        credential = settle(attempt, connection, granted, by)
    if isinstance(by, ConnectLink):
        validity.use_up(by, connection, account=granted.account)
    return credential


def _hold(attempt: Authorization, granted: Granted) -> None:
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
    attempt.expires_at = timezone.now() + (UNTIL_DECIDED if attempt.link else LIFETIME)
    attempt.save(force_insert=True)
    record(
        "connection.other_account",
        by=attempt.actor,
        on=attempt.connection,
        detail={"account": granted.account},
        change=False,
    )


def replaced_by(attempt: Authorization, connection: Connection) -> Credential | None:
    """The credential that the attempt is about to replace, if there is one."""
    owner = attempt.user if attempt.login_user else None
    there = connection.credentials.filter(environment=attempt.environment, user=owner)
    return there.defer("payload").first()


def settle(
    attempt: Authorization,
    connection: Connection,
    granted: Granted,
    by: Actor,
    *said: Entry,
) -> Credential:
    """Make what an attempt brought, and what waited for it, true of a locked connection.

    That goes on record after what is `said` of it already.
    """
    person = by if isinstance(by, User) else None
    fields = apply(
        connection, attempt.pending, attempt.environment, by=person, account=granted.account
    )
    if connection.oauth_app is None and "oauth_app" not in attempt.pending:
        # From here on it is the one that its tokens belong to.
        connection.oauth_app = oauth_apps.serving(connection.auth_method, attempt.environment)
        connection.save(update_fields=["oauth_app"])
    owner = attempt.user if attempt.login_user else None
    credential = keep(connection, granted, environment=attempt.environment, by=by, user=owner)
    if not owner:
        connection.move_on()
    done = Entry(
        "connection.user_connected" if owner else "connection.connected",
        connection,
        fields,
        {"scopes": granted.scopes, "environment": str(attempt.environment or "all")}
        | ({"user": owner.email} if owner else {}),
    )
    record_all([*said, done], by=by)
    return credential
