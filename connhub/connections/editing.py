"""Changing a connection: what holds at once, and what only after authorizing again."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from connhub.accounts.models import Environment, User
from connhub.audit.log import record
from connhub.errors import Refusal
from connhub.services.addresses import PLACEHOLDER
from connhub.services.models import AuthMethod

from . import policies
from .access import main_settings, settings_for
from .auth import METHODS
from .auth.base import Field, Granted
from .authorize import keep
from .connecting import obtain
from .lifecycle import Details, new_app, secrets_of
from .models import Connection, Credential

CLIENT_URLS = ("token_url", "refresh_url", "revoke_url")


class ChangeTooOld(Refusal):
    code = "change-too-old"
    text = "This change waited for too long. Edit the connection again; nothing was changed."


class SecretAskedAgain(Refusal):
    code = "secret-asked-again"
    text = "Where the secret goes would change, so it has to be entered again."


def edit(connection: Connection, details: Details, *, by: User) -> dict[str, Any]:
    """Change a connection. What needs authorizing again is returned, not made.

    Name, description, access mode and new secrets hold at once. Scopes, parameters and OAuth app
    of a connection that is authorized at the service come back as `pending`, for
    `authorize.start`; until that succeeds the old credential goes on working.

    Raises:
        PermissionDenied: `by` is no admin of the connection, or gives secrets for an environment
            that they may not connect in.
        SecretAskedAgain: where a secret is sent would change, and not every secret was given.
        ConnectFailed: the service gave no token for what would be stored; nothing was changed.
    """
    policies.require_admin(by, connection)
    return _edit(connection, details, by, _tokens(connection, details, by))


def reconnect(
    connection: Connection,
    secrets: Mapping[str, str],
    *,
    by: User,
    environment: Environment | None = None,
) -> None:
    """New secrets for one environment or (None) for all; service and details stay as they are.

    An environment that had none of its own has from then on.

    Raises:
        PermissionDenied: `by` is no admin of the connection, or may not connect there.
        SecretAskedAgain: one that the method needs is missing.
        ConnectFailed: the service gave no token for them; nothing was changed.
    """
    policies.require_admin(by, connection)
    policies.require_connect_in(by, environment)
    given = {name: value for name, value in secrets.items() if value}
    if wanted_secrets(connection) - given.keys():
        raise SecretAskedAgain
    parameters = settings_for(connection, environment).parameters
    # Before the transaction: a slow service must not hold its locks.
    granted = obtain(connection.auth_method, parameters, given, connection.scopes)
    _keep_anew(connection, granted, given, by, environment)


@transaction.atomic
def _keep_anew(
    connection: Connection,
    granted: Granted,
    given: Mapping[str, str],
    by: User,
    environment: Environment | None,
) -> None:
    connection = Connection.objects.locked(connection.pk)
    policies.require_admin(by, connection)
    keep(connection, granted, environment=environment)
    where = environment.slug if environment else "all"
    record(
        "connection.reconnected", by=by, on=connection, fields=given, detail={"environment": where}
    )


@transaction.atomic
def _edit(
    connection: Connection, details: Details, by: User, tokens: Granted | None
) -> dict[str, Any]:
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
        changed += _change_secrets(connection, details, by, tokens)
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


def _tokens(connection: Connection, details: Details, by: User) -> Granted | None:
    """What the service gives for the connection as it would be; None if it isn't asked.

    No lock is held meanwhile. Raises: as `edit` does.
    """
    method = connection.auth_method
    if not METHODS[method.kind].connects:
        return None
    with transaction.atomic():
        changed, secrets = _new_secrets(connection, details, by)
    return obtain(method, details.parameters, secrets, details.scopes) if changed else None


def _new_secrets(
    connection: Connection, details: Details, by: User
) -> tuple[list[str], dict[str, str]]:
    """What changes of parameters, secrets and scopes, and all secrets as they would be."""
    stored = main_settings(connection)
    before, after = stored.parameters, dict(details.parameters)
    moved = sorted(n for n in before.keys() | after if before.get(n, "") != after.get(n, ""))
    given = {name: value for name, value in details.secrets.items() if value}
    asks_scopes = METHODS[connection.auth_method.kind].has_scopes
    rescoped = asks_scopes and set(details.scopes) != set(connection.scopes)
    changed = moved + list(given) + (["scopes"] if rescoped else [])
    if not changed:
        return [], {}
    policies.require_connect_in(by, stored.environment)
    secrets = _stored_secrets(connection, stored.environment_id)
    if moved and set(secrets) - set(given):
        raise SecretAskedAgain
    if wanted_secrets(connection) - set(secrets | given):
        raise SecretAskedAgain
    return changed, secrets | given


def _change_secrets(
    connection: Connection, details: Details, by: User, tokens: Granted | None
) -> list[str]:
    """Replace the secrets given and keep those left out; a new destination wants all of them."""
    changed, secrets = _new_secrets(connection, details, by)
    if not changed:
        return []
    stored = main_settings(connection)
    stored.parameters = dict(details.parameters)
    stored.save()
    if "scopes" in changed:
        connection.scopes = list(details.scopes)
        connection.save(update_fields=["scopes"])
    keep(connection, tokens or Granted(secrets), environment=stored.environment)
    return changed


def _stored_secrets(connection: Connection, environment_id: int | None) -> dict[str, str]:
    credential: Credential | None = (
        connection.credentials.filter(user=None, environment=environment_id)
        .live()
        .select_for_update(of=("self",))
        .first()
    )
    # Tokens are not among them: they come anew.
    names = {item.name for item in _secret_fields(connection)}
    stored = {} if credential is None else secrets_of(credential)
    return {name: value for name, value in stored.items() if name in names}


def wanted_secrets(connection: Connection) -> set[str]:
    """The secrets that the connection can't do without."""
    return {item.name for item in _secret_fields(connection) if item.required}


def _secret_fields(connection: Connection) -> list[Field]:
    fields = METHODS[connection.auth_method.kind].fields(connection.auth_method)
    return [item for item in fields if item.secret]
