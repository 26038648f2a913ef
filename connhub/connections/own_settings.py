"""An environment's own parameters, endpoint and credential, in place of those for all."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from connhub.accounts.models import Environment, User
from connhub.accounts.permissions import require
from connhub.audit.log import record
from connhub.errors import Refusal

from . import slots
from .auth import METHODS, is_interactive
from .auth.base import Granted
from .connecting import given_back_unless_kept, obtain
from .editing import require_all, require_may_connect
from .keeping import keep
from .meanwhile import locked_for, require_unchanged
from .models import Connection, Settings
from .revocation import erase


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
    ends_at: datetime | None = None,
    by: User,
    seen: int | None = None,
) -> dict[str, Any]:
    """Set what one environment has of its own. What needs authorizing is returned, not made.

    A connection that signs in at the service gets its settings when that succeeds, from the
    `pending` that comes back for `authorize.start`; any other at once, with the secrets given.

    Raises:
        PermissionDenied: `by` is no admin of the connection, or may not connect there.
        EachUsersOwn: it uses the credentials of login users.
        SecretAskedAgain: not all secrets were given; none is sent to another place than before.
        ConnectFailed: the service gave no token for them; nothing was changed.
        DeletedMeanwhile, EditedMeanwhile: as `locked_for` does.
    """
    method = connection.auth_method
    if is_interactive(method) or METHODS[method.kind].connects:
        require(by, "connection.set_environment", connection)
        require_unchanged(connection, seen)
        require_may_connect(by, connection, environment)
    settings = {"parameters": dict(parameters), "base_url": base_url}
    if is_interactive(method):
        return settings
    given = {name: value for name, value in secrets.items() if value}
    require_all(connection, given)
    # Before the transaction: a slow service must not hold its locks.
    granted = obtain(method, parameters, given, connection.scopes)
    granted.ends_at = ends_at
    fields = [*parameters, *given]
    with given_back_unless_kept(connection, parameters, granted):
        store(
            connection,
            environment,
            settings=settings,
            granted=granted,
            fields=fields,
            by=by,
            seen=seen,
        )
    return {}


@transaction.atomic
def store(
    connection: Connection,
    environment: Environment,
    *,
    settings: Mapping[str, Any],
    granted: Granted | None,
    fields: list[str],
    by: User,
    seen: int | None = None,
) -> None:
    """Put down what an environment has of its own; with nothing granted it is *not connected*.

    Raises: PermissionDenied, EachUsersOwn; DeletedMeanwhile, EditedMeanwhile, as `locked_for` does.
    """
    by, connection = locked_for(by, "connection.set_environment", connection, seen=seen)
    require_may_connect(by, connection, environment)
    Settings.objects.bulk_create(
        [Settings(connection=connection, environment=environment, **settings)],
        update_conflicts=True,
        unique_fields=["connection", "environment"],
        update_fields=settings,
    )
    if granted:
        credential = keep(connection, granted, environment=environment, by=by)
    else:
        credential = connection.credentials.create(environment=environment)
        connection.sum_up()
    connection.move_on()
    record(
        "connection.environment_set",
        by=by,
        on=connection,
        fields=fields,
        detail={"environment": environment.slug} | slots.ended(credential),
    )


@transaction.atomic
def drop(connection: Connection, environment: Environment, *, by: User) -> None:
    """Have the environment use what is for all again; its own secret is destroyed and revoked.

    Raises:
        PermissionDenied: `by` is no admin of the connection.
        NothingOwn: it has nothing of its own.
        NothingForAll: there is nothing that could take over.
        DeletedMeanwhile: the connection is gone.
    """
    by, connection = locked_for(by, "connection.set_environment", connection)
    credentials = connection.lock_own()
    own = [c for c in credentials if c.environment_id == environment.pk]
    places = set(connection.settings.values_list("environment", flat=True))
    if not own and environment.pk not in places:
        raise NothingOwn
    if None not in places:
        raise NothingForAll
    erase(own, by=by)
    connection.settings.filter(environment=environment).delete()
    connection.take_worst(c for c in credentials if c not in own)
    connection.move_on("status")
    record(
        "connection.environment_dropped",
        by=by,
        on=connection,
        detail={"environment": environment.slug},
    )
