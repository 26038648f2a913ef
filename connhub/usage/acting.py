"""For whom a flow calls, where a connection uses the credentials of login users."""

from django.db.models import QuerySet

from connhub.accounts.models import Environment, User
from connhub.connections.access import NotConnected, ReconnectNeeded, require_open
from connhub.connections.models import Connection, Credential, Status
from connhub.errors import Refusal

from . import policies
from .models import IntegrationKey
from .problems import AuthorizeAsUser

GOOD = (Status.CONNECTED, Status.FAILING)


def login_user(connection: Connection, key: IntegrationKey, email: str) -> User:
    """The person that the key acts for over such a connection.

    Nobody of that address, somebody without access to the key's integration, and somebody who has
    not authorized all get the same answer, so that nothing shows who exists.

    Raises:
        AuthorizeAsUser: there is no such person, or they have no credential that can be used.
        NotConnected, Refusal: nobody can use the connection in this environment.
    """
    require_ready(connection, key.environment)
    person = User.objects.filter(email=email, is_active=True).first() if email else None
    if person is None or not _has_access(person, key):
        raise authorize(connection, key)
    credential = connection.credential_for(key.environment, person)
    if credential is None or not credential.payload or credential.status not in GOOD:
        raise authorize(connection, key)
    return person


def require_ready(connection: Connection, environment: Environment) -> None:
    """Refuse where nobody's credential could be used. Raises: NotConnected, Refusal."""
    require_open(connection)
    if connection.status != Status.CONNECTED or not connection.serves(environment):
        raise NotConnected


def sign_ins() -> QuerySet[Credential]:
    """The credentials of login users that calls in their name may use."""
    theirs = Credential.objects.of_users().live()
    return theirs.filter(status__in=GOOD, connection__login_user=True)


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
