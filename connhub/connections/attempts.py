"""Who may begin a sign-in at a provider, and who may go on with it: a person, or a connect link."""

import hmac

from django.db import transaction
from django.utils import timezone

from connhub.accounts import people
from connhub.accounts.models import Environment, User
from connhub.accounts.permissions import may, require
from connhub.audit.log import record
from connhub.vault.keyring import digest

from .access import destination_of, require_open
from .connect_links import validity
from .models import Authorization, Connection, ConnectLink, Status

Actor = User | ConnectLink


class AuthorizationFailed(Exception):
    """The way to the provider and back came to nothing; the text says why. Nothing was changed."""

    def __init__(self, text: str, connection: Connection | None = None):
        super().__init__(text)
        self.connection = connection
        self.of_login_user = False
        self.link: ConnectLink | None = None


def require_may_begin(connection: Connection, environment: Environment | None, by: Actor) -> None:
    """Raises: PermissionDenied, LinkDead, Refusal."""
    if isinstance(by, ConnectLink):
        validity.require_valid(by, connection)
    elif connection.login_user:
        require(by, "connection.use", connection)
        require_open(connection)
    else:
        require(by, "connection.reconnect", connection)
        require(by, "environment.connect_in", environment)


def check(attempt: Authorization, service_slug: str, by: User | None, session_key: str) -> Actor:
    """Who an answer comes from: the attempt must be this person's and session's, and in time.

    What was begun by a connect link belongs to the link, whoever is signed in by now.

    Raises: AuthorizationFailed, LinkDead.
    """
    same_session = hmac.compare_digest(attempt.session_digest, digest(session_key))
    is_own = by is not None and attempt.user_id == by.pk
    actor = attempt.link or (by if is_own else None)
    if actor is None or not same_session:
        raise AuthorizationFailed(
            "This sign-in was started in another session. Start again from the connection."
        )
    connection = attempt.connection
    require_may(attempt, connection, actor)
    if connection.service.slug != service_slug:
        raise AuthorizationFailed(
            "This answer came to another service's address. Start again.", connection
        )
    if attempt.expires_at < timezone.now():
        raise AuthorizationFailed(
            "This sign-in took more than ten minutes. Start again.", connection
        )
    return actor


def require_may(attempt: Authorization, connection: Connection, by: Actor) -> None:
    """That they may still do what was set out to, with the connection as it is now.

    Raises: AuthorizationFailed; LinkDead, for a link.
    """
    if isinstance(by, ConnectLink):
        validity.require_valid(by, connection)
    else:
        _require_person_may(attempt, connection, by)
    if attempt.destination != destination_of(connection, attempt.environment):
        raise AuthorizationFailed(
            "The connection's address was changed meanwhile. Start again.", connection
        )


def _require_person_may(attempt: Authorization, connection: Connection, by: User) -> None:
    if attempt.login_user != connection.login_user:
        raise AuthorizationFailed("The connection was changed meanwhile. Start again.")
    if attempt.login_user:
        if connection.status == Status.REVOKED or not may(by, "connection.use", connection):
            raise AuthorizationFailed("You may no longer use this connection.")
        return
    if attempt.pending.get("version", connection.version) != connection.version:
        raise AuthorizationFailed(
            "Somebody changed the connection meanwhile, so your change was not made. Edit it again.",
            connection,
        )
    if not may(by, "connection.reconnect", connection):
        raise AuthorizationFailed("You no longer administer this connection.")
    if not may(by, "environment.connect_in", attempt.environment):
        raise AuthorizationFailed("You may no longer connect in this environment.", connection)


def locked(by: Actor, connection: Connection) -> tuple[Actor, Connection]:
    """Both as they are now, until the commit. Raises: PermissionDenied, LinkDead."""
    if isinstance(by, ConnectLink):
        return validity.locked(by)
    return people.locked(by), Connection.objects.locked(connection.pk)


@transaction.atomic
def note_failure(connection: Connection | None, by: Actor | None, why: str) -> None:
    """Put on record that a try to connect came to nothing."""
    is_link = isinstance(by, ConnectLink)
    record(
        "connect_link.failed" if is_link else "connection.authorize_failed",
        by=by,
        on=connection,
        outcome="failed",
        detail={"why": why},
        change=False,
    )
