"""Changing a connection: what holds at once, and what only after authorizing again."""

from typing import Any

from django.db import transaction

from connhub.accounts.models import User
from connhub.audit.log import record
from connhub.errors import Refusal
from connhub.services.addresses import PLACEHOLDER
from connhub.services.models import AuthMethod

from . import policies
from .access import main_settings
from .auth import METHODS
from .auth.base import Granted
from .authorize import keep
from .lifecycle import Details, new_app, secrets_of
from .models import Connection, Credential

CLIENT_URLS = ("token_url", "refresh_url", "revoke_url")


class ChangeTooOld(Refusal):
    code = "change-too-old"
    text = "This change waited for too long. Edit the connection again; nothing was changed."


class SecretAskedAgain(Refusal):
    code = "secret-asked-again"
    text = "Where the secret goes would change, so it has to be entered again."


@transaction.atomic
def edit(connection: Connection, details: Details, *, by: User) -> dict[str, Any]:
    """Change a connection. What needs authorizing again is returned, not made.

    Name, description, access mode and new secrets hold at once. Scopes, parameters and OAuth app
    of a connection that is authorized at the service come back as `pending`, for
    `authorize.start`; until that succeeds the old credential goes on working.

    Raises:
        PermissionDenied: `by` is no admin of the connection, or gives secrets for an environment
            that they may not connect in.
        SecretAskedAgain: where a secret is sent would change, and not every secret was given.
    """
    connection = Connection.objects.locked(connection.pk)
    policies.require_admin(by, connection)
    changed = _change_words(connection, details)
    pending: dict[str, Any] = {}
    if METHODS[connection.auth_method.kind].interactive:
        pending = _pending(connection, details, by)
        if pending and not connection.credentials.live().exists():
            changed += _change_now(connection, pending)
            pending = {}
    else:
        changed += _change_secrets(connection, details, by)
    if changed:
        connection.version += 1
        connection.save()
        record("connection.edited", by=by, on=connection, fields=changed)
    return pending


def _change_words(connection: Connection, details: Details) -> list[str]:
    changed = []
    for name in ("name", "description", "access_mode", "login_user"):
        if getattr(connection, name) != getattr(details, name):
            setattr(connection, name, getattr(details, name))
            changed.append(name)
    return changed


def _pending(connection: Connection, details: Details, by: User) -> dict[str, Any]:
    pending: dict[str, Any] = {}
    if set(details.scopes) != set(connection.scopes):
        pending["scopes"] = list(details.scopes)
    if dict(details.parameters) != main_settings(connection).parameters:
        pending["parameters"] = dict(details.parameters)
    app = connection.oauth_app
    is_other_client = details.client_id not in ("", app.client_id if app else "")
    if details.client_secret or is_other_client:
        pending["oauth_app"] = str(new_app(connection, details, by).pk)
    own_secret = app is not None and not app.shared and bool(app.client_secret)
    is_moved = "parameters" in pending and endpoints_vary(connection.auth_method)
    if own_secret and not details.client_secret and (is_other_client or is_moved):
        raise SecretAskedAgain
    return pending


def endpoints_vary(method: AuthMethod) -> bool:
    """Whether parameters decide where the client secret is sent."""
    return any(PLACEHOLDER.search(method.config.get(name) or "") for name in CLIENT_URLS)


def _change_now(connection: Connection, pending: dict[str, Any]) -> list[str]:
    """Make changes true at once, as nothing was ever authorized that they could break."""
    connection.scopes = pending.get("scopes", connection.scopes)
    if "oauth_app" in pending:
        connection.oauth_app_id = pending["oauth_app"]
    if "parameters" in pending:
        stored = main_settings(connection)
        stored.parameters = pending["parameters"]
        stored.save()
    return list(pending)


def _change_secrets(connection: Connection, details: Details, by: User) -> list[str]:
    """Replace the secrets given and keep those left out; a new destination wants all of them."""
    stored = main_settings(connection)
    before, after = stored.parameters, dict(details.parameters)
    moved = sorted(n for n in before.keys() | after if before.get(n, "") != after.get(n, ""))
    given = {name: value for name, value in details.secrets.items() if value}
    if not moved and not given:
        return []
    policies.require_connect_in(by, stored.environment)
    secrets = _stored_secrets(connection, stored.environment_id)
    if moved and set(secrets) - set(given):
        raise SecretAskedAgain
    if _wanted(connection) - set(secrets | given):
        raise SecretAskedAgain
    stored.parameters = after
    stored.save()
    keep(connection, Granted(secrets | given), environment=stored.environment)
    return moved + list(given)


def _stored_secrets(connection: Connection, environment_id: int | None) -> dict[str, str]:
    credential: Credential | None = (
        connection.credentials.filter(user=None, environment=environment_id)
        .live()
        .select_for_update(of=("self",))
        .first()
    )
    return {} if credential is None else secrets_of(credential)


def _wanted(connection: Connection) -> set[str]:
    """The secrets that the connection can't do without."""
    fields = METHODS[connection.auth_method.kind].fields(connection.auth_method)
    return {item.name for item in fields if item.secret and item.required}
