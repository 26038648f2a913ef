"""Use Credentials of Login User: each person signs in for themself, and calls in their name use it.

Such a connection has no credential of its own. It is *connected* as soon as people can sign in.
"""

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from connhub.accounts import people
from connhub.accounts.models import Environment, User
from connhub.accounts.permissions import require
from connhub.audit.log import record, record_each
from connhub.errors import Refusal
from connhub.services import oauth_apps

from . import held_grants
from .access import require_open, settings_for
from .auth import METHODS, is_interactive
from .auth.base import Granted
from .connecting import given_back_unless_kept, obtain
from .keeping import keep
from .models import Authorization, Connection, Credential, Status
from .revocation import give_up, lock_live, remove


class LoginUserNotOffered(Refusal):
    code = "login-user-not-offered"
    text = "This way to authenticate can't use the credentials of login users."


class NotForLoginUsers(Refusal):
    code = "not-for-login-users"
    text = "This connection has a credential of its own; nobody signs in to it for themself."


class NotSignedIn(Refusal):
    code = "not-signed-in"
    text = "There is no such sign-in any more. Reload the page."


def require_offered(connection: Connection) -> None:
    """Raises: LoginUserNotOffered."""
    method = connection.auth_method
    if not METHODS[method.kind].offers_login_user(method):
        raise LoginUserNotOffered


def status_of(connection: Connection) -> Status:
    """*Connected* if people can sign in: at a provider, that takes an OAuth app."""
    method = connection.auth_method
    if not is_interactive(method) or connection.oauth_app_id:
        return Status.CONNECTED
    return Status.CONNECTED if oauth_apps.serving(method, None) else Status.NOT_CONNECTED


def switch(connection: Connection, *, on: bool, by: User) -> None:
    """Change whose credentials a locked connection uses; those that it had are destroyed.

    Raises:
        LoginUserNotOffered: its auth method can't.
    """
    if on:
        require_offered(connection)
    destroyed = remove(connection.credentials.all(), by=by)
    connection.login_user = on
    connection.status = status_of(connection) if on else Status.NOT_CONNECTED
    connection.save(update_fields=["login_user", "status"])
    record(
        "connection.login_user_on" if on else "connection.login_user_off",
        by=by,
        on=connection,
        detail={"destroyed": len(destroyed)},
    )


def give_up_all(connection: Connection, *, by: User) -> None:
    """Destroy what a locked connection, about to change, would send to a new place."""
    theirs = lock_live(connection.credentials.of_users())
    give_up(theirs, "The connection was changed. Authorize again.", by=by)


@transaction.atomic
def reopen(connection: Connection, *, by: User) -> None:
    """Let people sign in again to a connection that was revoked. Raises: PermissionDenied."""
    by = people.locked(by)
    connection = Connection.objects.locked(connection.pk)
    require(by, "connection.reconnect", connection)
    if not connection.login_user:
        raise NotForLoginUsers
    connection.status = status_of(connection)
    connection.save(update_fields=["status"])
    record("connection.reopened", by=by, on=connection)


def sign_in(
    connection: Connection,
    secrets: Mapping[str, str],
    *,
    by: User,
    environment: Environment | None = None,
) -> Credential:
    """Keep what a person typed as their own credential, for calls in their name alone.

    Raises:
        PermissionDenied: `by` may not use the connection.
        NotForLoginUsers: it has a credential of its own.
        ConnectFailed: the service was asked for a token with it, and gave none.
        Refusal: it is revoked, disabled or deleted.
    """
    _require_may(by, connection)
    # Before the transaction: a slow service must not hold its locks.
    parameters = settings_for(connection, environment).parameters
    granted = obtain(connection.auth_method, parameters, secrets, connection.scopes)
    with given_back_unless_kept(connection, parameters, granted, user=by):
        return _keep(connection, granted, by, environment)


def _require_may(by: User, connection: Connection) -> None:
    require(by, "connection.use", connection)
    if not connection.login_user:
        raise NotForLoginUsers
    require_open(connection)


@transaction.atomic
def _keep(
    connection: Connection, granted: Granted, by: User, environment: Environment | None
) -> Credential:
    by = people.locked(by)
    connection = Connection.objects.locked(connection.pk)
    _require_may(by, connection)
    credential = keep(connection, granted, environment=environment, by=by, user=by)
    record(
        "connection.user_connected",
        by=by,
        on=connection,
        detail={"user": by.email, "environment": str(environment or "all")},
    )
    return credential


@transaction.atomic
def sign_out(credential: Credential, *, by: User) -> None:
    """Destroy a person's own credential, then tell the provider: they do it, or an admin.

    Raises:
        PermissionDenied: it is somebody else's, and `by` is no admin of the connection.
        NotSignedIn: it is gone already.
    """
    connection, person = credential.connection, credential.user
    if person != by:
        by = people.require_now(by, "connection.remove_sign_in", connection)
    theirs = (
        Credential.objects.of_users()
        .filter(pk=credential.pk)
        .select_for_update(of=("self",), no_key=True)
    )
    if person is None or not theirs.exists():
        raise NotSignedIn
    remove(Credential.objects.filter(pk=credential.pk), by=by)
    record("connection.user_disconnected", by=by, on=connection, detail={"user": person.email})


@transaction.atomic
def end(credentials: QuerySet[Credential], *, of: User, by: User) -> list[Credential]:
    """End sign-ins of a person who leaves, as ending their account does; which ones it were.

    The providers are told by the worker.

    Raises:
        PermissionDenied: `by` is no super admin.
    """
    by = people.require_now(by, "account.administer")
    return _end(credentials.filter(user=of), of, by, later=True)


def forget(*, person: User, by: User, **signal: Any) -> None:
    """Destroy all credentials of a person whose account ends, in the transaction that ends it."""
    held_grants.forget(Authorization.objects.filter(user=person), by=by)
    _end(Credential.objects.filter(user=person), person, by)


def _end(
    credentials: QuerySet[Credential], person: User, by: User, *, later: bool = False
) -> list[Credential]:
    ended = remove(credentials, by=by, later=later)
    whose = {"user": person.email}
    record_each(
        "connection.user_disconnected", ((each.connection, [], whose) for each in ended), by=by
    )
    return ended
