"""Changes to a connection that wait for a sign-in, and take effect when it succeeds."""

from collections.abc import Mapping
from copy import copy
from typing import Any

from connhub.accounts.models import Environment, User
from connhub.errors import Refusal

from .access import AppMissing, values_of
from .auth import is_interactive
from .models import Connection, Credential, Settings
from .revocation import give_up, lock_live

MOVED = "The connection's address was changed. Reconnect."


class NothingToAuthorize(Refusal):
    code = "nothing-to-authorize"
    text = "This connection doesn't sign in at the service. Edit it to change its credentials."


def with_changes(connection: Connection, pending: Mapping[str, Any]) -> Connection:
    """The connection as it would be; the one given stays as it is."""
    connection = copy(connection)
    if "scopes" in pending:
        connection.scopes = list(pending["scopes"])
    if "oauth_app" in pending:
        own = connection.service.oauth_apps.filter(shared=False)
        connection.oauth_app = own.filter(pk=pending["oauth_app"]).first()
    return connection


def values_with(
    connection: Connection, environment: Environment | None, pending: Mapping[str, Any]
) -> dict[str, str]:
    """What the method takes to sign in, as it would be after the change."""
    if not is_interactive(connection.auth_method):
        raise NothingToAuthorize
    changed = with_changes(connection, pending)
    app, style = changed.oauth_app, connection.auth_method.config.get("token_auth")
    if app and not app.client_secret and style != "none":
        raise AppMissing
    probe = Credential(connection=changed, environment=environment)
    return values_of(probe, {}, pending.get("parameters"))


def apply(
    connection: Connection,
    pending: Mapping[str, Any],
    environment: Environment | None,
    *,
    by: User | None,
    account: str = "",
) -> list[str]:
    """Make pending changes of a locked connection true; the names of what changed.

    `account` is whose grant takes effect with them.
    """
    if not pending:
        return []
    if "parameters" in pending:
        give_up(_others_there(connection, environment), MOVED, by=by, kept=account)
    changed = with_changes(connection, pending)
    changed.save(update_fields=["scopes", "oauth_app"])
    if "parameters" in pending:
        Settings.objects.update_or_create(
            connection=connection,
            environment=environment,
            defaults={
                name: pending[name] for name in ("parameters", "base_url") if name in pending
            },
        )
    return [name for name in pending if name != "version"]


def _others_there(connection: Connection, environment: Environment | None) -> list[Credential]:
    """Those, locked, whose secrets settings about to change would send to a new place.

    The one that is about to be replaced is not among them.
    """
    others = connection.credentials.exclude(environment=environment, user=None)
    if environment:
        return lock_live(others.filter(environment=environment))
    own = connection.settings.exclude(environment=None)
    return lock_live(others.exclude(environment__in=own.values("environment")))
