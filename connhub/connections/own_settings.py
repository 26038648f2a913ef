"""An environment's own parameters, endpoint and credential, in place of those for all."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from connhub.accounts.models import Environment, User
from connhub.audit.log import record
from connhub.errors import Refusal

from . import policies
from .access import settings_for
from .auth import is_interactive
from .auth.base import Granted
from .authorize import keep
from .connecting import obtain
from .editing import EachUsersOwn, SecretAskedAgain, wanted_secrets
from .models import Connection, Settings
from .revocation import destroy, lock_live


class NothingOwn(Refusal):
    code = "nothing-own"
    text = "This environment has nothing of its own here: it uses what is for all environments."


class NothingForAll(Refusal):
    code = "nothing-for-all"
    text = "This connection has no credentials for all environments that could take over."


def give(
    connection: Connection,
    environment: Environment,
    *,
    parameters: Mapping[str, str],
    base_url: str = "",
    secrets: Mapping[str, str],
    by: User,
) -> dict[str, Any]:
    """Set what one environment has of its own. What needs authorizing is returned, not made.

    A connection that signs in at the service gets its settings when that succeeds, from the
    `pending` that comes back for `authorize.start`; any other at once, with the secrets given.

    Raises:
        PermissionDenied: `by` is no admin of the connection, or may not connect there.
        EachUsersOwn: it uses the credentials of login users.
        SecretAskedAgain: not all secrets were given; none is sent to another place than before.
        ConnectFailed: the service gave no token for them; nothing was changed.
    """
    policies.require_admin(by, connection)
    policies.require_connect_in(by, environment)
    if connection.login_user:
        raise EachUsersOwn
    settings = {"parameters": dict(parameters), "base_url": base_url}
    if is_interactive(connection.auth_method):
        return settings
    given = {name: value for name, value in secrets.items() if value}
    if wanted_secrets(connection) - given.keys():
        raise SecretAskedAgain
    # Before the transaction: a slow service must not hold its locks.
    granted = obtain(connection.auth_method, parameters, given, connection.scopes)
    _store(connection, environment, settings, granted, [*parameters, *given], by)
    return {}


@transaction.atomic
def _store(
    connection: Connection,
    environment: Environment,
    settings: dict[str, Any],
    granted: Granted,
    fields: list[str],
    by: User,
) -> None:
    connection = Connection.objects.locked(connection.pk)
    policies.require_admin(by, connection)
    Settings.objects.update_or_create(
        connection=connection, environment=environment, defaults=settings
    )
    keep(connection, granted, environment=environment)
    record(
        "connection.environment_set",
        by=by,
        on=connection,
        fields=fields,
        detail={"environment": environment.slug},
    )


@transaction.atomic
def drop(connection: Connection, environment: Environment, *, by: User) -> None:
    """Have the environment use what is for all again; its own secret is destroyed and revoked.

    Raises:
        PermissionDenied: `by` is no admin of the connection.
        NothingOwn: it has nothing of its own.
        NothingForAll: there is nothing that could take over.
    """
    connection = Connection.objects.locked(connection.pk)
    policies.require_admin(by, connection)
    own = connection.credentials.own().filter(environment=environment)
    settings = connection.settings.filter(environment=environment)
    if not (own.exists() or settings.exists()):
        raise NothingOwn
    if settings_for(connection, None).pk is None:
        raise NothingForAll
    destroy(connection, lock_live(own), by=by)
    own.delete()
    settings.delete()
    connection.sum_up()
    record(
        "connection.environment_dropped",
        by=by,
        on=connection,
        detail={"environment": environment.slug},
    )
