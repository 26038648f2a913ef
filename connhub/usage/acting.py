"""For whom a flow calls, where a connection uses the credentials of login users."""

from connhub.accounts.models import User
from connhub.connections.access import NotConnected, ReconnectNeeded, require_open
from connhub.connections.models import Connection, Status
from connhub.errors import Refusal

from . import policies
from .models import IntegrationKey
from .problems import AuthorizeAsUser


def login_user(connection: Connection, key: IntegrationKey, email: str) -> User:
    """The person that the key acts for over such a connection.

    Nobody of that address, somebody without access to the key's integration, and somebody who has
    not authorized all get the same answer, so that nothing shows who exists.

    Raises:
        AuthorizeAsUser: there is no such person, or they have no credential that can be used.
        NotConnected, Refusal: nobody can use the connection in this environment.
    """
    require_open(connection)
    if connection.status != Status.CONNECTED or not connection.serves(key.environment):
        raise NotConnected
    person = User.objects.filter(email=email, is_active=True).first() if email else None
    if person is None or not _has_access(person, key):
        raise authorize(connection, key)
    credential = connection.credential_for(key.environment, person)
    if credential is None or not credential.payload or _is_dead(credential.status):
        raise authorize(connection, key)
    return person


def authorize(connection: Connection, key: IntegrationKey) -> AuthorizeAsUser:
    """The refusal that says where the user has to go."""
    places = {row.environment_id for row in connection.settings.all()}
    own = key.environment.slug if key.environment_id in places else ""
    return AuthorizeAsUser(own)


def as_user_needs(connection: Connection, key: IntegrationKey, refusal: Refusal) -> Refusal:
    """What a refusal means for whoever calls for a login user: a lost grant is theirs to give again."""
    is_theirs = connection.login_user and isinstance(refusal, ReconnectNeeded)
    return authorize(connection, key) if is_theirs else refusal


def _has_access(person: User, key: IntegrationKey) -> bool:
    return policies.belonging_to(person).filter(pk=key.integration_id).exists()


def _is_dead(status: int) -> bool:
    return status not in (Status.CONNECTED, Status.FAILING)
