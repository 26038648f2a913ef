"""Changing a connection: what holds at once, and what only after authorizing again."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet

from connhub.accounts.models import Environment, User
from connhub.accounts.permissions import may, require
from connhub.audit.log import record
from connhub.errors import Refusal
from connhub.services.addresses import PLACEHOLDER
from connhub.services.models import AuthMethod

from . import login_users, slots
from .access import fields_of, main_settings, settings_for
from .auth import METHODS, is_interactive
from .auth.base import Field, Granted
from .connecting import given_back_unless_kept, obtain
from .keeping import keep, keep_anew
from .lifecycle import Details, new_app
from .meanwhile import locked_for, require_unchanged
from .models import Connection, Credential, Settings, Status
from .revocation import secrets_of

CLIENT_URLS = (
    *("token_url", "refresh_url", "revoke_url"),
    *("request_token_url", "access_token_url"),
)


class ChangeTooOld(Refusal):
    code = "change-too-old"
    text = "This change waited for too long. Edit the connection again; nothing was changed."


class SecretAskedAgain(Refusal):
    code = "secret-asked-again"
    text = "Where the secret goes would change, so it has to be entered again."


class OtherSecretsWouldMove(Refusal):
    code = "other-secrets-would-move"

    def __init__(self, environments: Sequence[Environment]) -> None:
        names = ", ".join(str(environment) for environment in environments)
        super().__init__(
            "Secrets of other environments go to this address too. Give each of these settings of "
            f"its own first, or have it use what is for all environments: {names}."
        )


class EachUsersOwn(Refusal):
    code = "each-users-own"
    text = "Each person signs in to this connection for themself, under Your sign-ins."


def edit(
    connection: Connection, details: Details, *, by: User, seen: int | None = None
) -> dict[str, Any]:
    """Change a connection. What needs authorizing again is returned, not made.

    Name, description, access mode and new secrets hold at once. Scopes, parameters and OAuth app
    of a connection that is authorized at the service come back as `pending`, for
    `authorize.start`; until that succeeds the old credential goes on working. Where login users
    sign in, everything holds at once, and they authorize again for what changed. Turning that on
    or off destroys every credential there is.

    Raises:
        PermissionDenied: `by` is no admin of the connection, or gives secrets for an environment
            that they may not connect in.
        SecretAskedAgain: where a secret is sent would change, and not every secret was given.
        OtherSecretsWouldMove: so would it of environments with a credential but no settings.
        ConnectFailed: the service gave no token for what would be stored; nothing was changed.
        LoginUserNotOffered: the auth method can't use the credentials of login users.
        DeletedMeanwhile: it is gone.
        EditedMeanwhile: it is no longer the version that was `seen`.
    """
    tokens = _tokens(connection, details, by, seen)
    with given_back_unless_kept(connection, details.parameters, tokens):
        return _edit(connection, details, by, tokens, seen)


def reconnect(
    connection: Connection,
    secrets: Mapping[str, str],
    *,
    by: User,
    environment: Environment | None = None,
    seen: int | None = None,
    ends_at: datetime | None = None,
) -> None:
    """New secrets for one environment or (None) for all; service and details stay as they are.

    An environment that had none of its own has from then on. A rotation under way is over.

    Raises:
        PermissionDenied: `by` is no admin of the connection, or may not connect there.
        EachUsersOwn: it uses the credentials of login users.
        SecretAskedAgain: one that the method needs is missing.
        ConnectFailed: the service gave no token for them; nothing was changed.
        DeletedMeanwhile, EditedMeanwhile: as `edit` does.
    """
    given = {name: value for name, value in secrets.items() if value}
    parameters, granted = {}, Granted(given)
    if METHODS[connection.auth_method.kind].connects:
        require(by, "connection.reconnect", connection)
        require_unchanged(connection, seen)
        require_may_connect(by, connection, environment)
        require_all(connection, given)
        parameters = settings_for(connection, environment).parameters
        # Before the transaction: a slow service must not hold its locks.
        granted = obtain(connection.auth_method, parameters, given, connection.scopes)
    granted.ends_at = ends_at
    with given_back_unless_kept(connection, parameters, granted):
        _take_in(connection, granted, given, by, environment, seen)


def require_may_connect(by: User, connection: Connection, environment: Environment | None) -> None:
    """That they may connect there, and it has a credential of its own.

    Raises: PermissionDenied, EachUsersOwn.
    """
    require(by, "environment.connect_in", environment)
    if connection.login_user:
        raise EachUsersOwn


def require_all(connection: Connection, given: Mapping[str, str]) -> None:
    """That no secret is missing which the connection can't do without. Raises: SecretAskedAgain."""
    required = {item.name for item in fields_of(connection.auth_method, ()) if item.required}
    # What is stored says which are secret; nobody has to look where nothing is missing.
    if (missing := required - given.keys()) and missing & wanted_secrets(connection):
        raise SecretAskedAgain


@transaction.atomic
def _take_in(
    connection: Connection,
    granted: Granted,
    given: Mapping[str, str],
    by: User,
    environment: Environment | None,
    seen: int | None,
) -> None:
    by, connection = locked_for(by, "connection.reconnect", connection, seen=seen)
    require_may_connect(by, connection, environment)
    require_all(connection, given)
    keep_anew(connection, granted, environment=environment, by=by, fields=given)


@transaction.atomic
def _edit(
    connection: Connection,
    details: Details,
    by: User,
    tokens: Granted | None,
    seen: int | None,
) -> dict[str, Any]:
    by, connection = locked_for(by, "connection.edit", connection, seen=seen)
    changed = _change_words(connection, details)
    pending: dict[str, Any] = {}
    if connection.login_user != details.login_user:
        login_users.switch(connection, on=details.login_user, by=by)
        changed.append("login_user")
    if connection.login_user:
        changed += _change_for_users(connection, details, by)
    elif is_interactive(connection.auth_method):
        pending = _pending(connection, details, by)
        if pending and not connection.credentials.live().exists():
            changed += _change_now(connection, pending)
            pending = {}
    else:
        changed += _change_secrets(connection, details, by, tokens)
    changed += _change_end_of_app(connection, details)
    if changed:
        connection.version += 1
        connection.save()
        record("connection.edited", by=by, on=connection, fields=changed)
    return pending


def _change_words(connection: Connection, details: Details) -> list[str]:
    changed = []
    for name in ("name", "description", "access_mode"):
        if getattr(connection, name) != getattr(details, name):
            setattr(connection, name, getattr(details, name))
            changed.append(name)
    if list(details.tags) != connection.tags:
        connection.tags = list(details.tags)
        changed.append("tags")
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


def _change_for_users(connection: Connection, details: Details, by: User) -> list[str]:
    """Make changes true at once: of another address or OAuth app, the users have to hear anyway."""
    changes = _pending(connection, details, by)
    if changes.keys() & {"parameters", "oauth_app"}:
        login_users.give_up_all(connection, by=by)
    changed = _change_now(connection, changes)
    if connection.status != Status.REVOKED:
        connection.status = login_users.status_of(connection)
    return changed


def _tokens(connection: Connection, details: Details, by: User, seen: int | None) -> Granted | None:
    """What the service gives for the connection as it would be; None if it isn't asked.

    No lock is held meanwhile. Raises: as `edit` does.
    """
    method = connection.auth_method
    if details.login_user or not METHODS[method.kind].connects:
        return None
    require(by, "connection.edit", connection)
    require_unchanged(connection, seen)
    with transaction.atomic():
        stored = main_settings(connection)
        changed, secrets = _new_secrets(connection, stored, details, by)
    return obtain(method, details.parameters, secrets, details.scopes) if changed else None


def _new_secrets(
    connection: Connection, stored: Settings, details: Details, by: User
) -> tuple[list[str], dict[str, str]]:
    """What changes of parameters, secrets and scopes, and all secrets as they would be.

    Where the service took the token away, it is asked for a new one though nothing else changes.
    """
    before, after = stored.parameters, dict(details.parameters)
    moved = sorted(n for n in before.keys() | after if before.get(n, "") != after.get(n, ""))
    given = {name: value for name, value in details.secrets.items() if value}
    kind = METHODS[connection.auth_method.kind]
    rescoped = kind.has_scopes and set(details.scopes) != set(connection.scopes)
    changed = moved + list(given) + (["scopes"] if rescoped else [])
    credential = (
        _live_in(connection, stored.environment)
        .select_for_update(of=("self",), no_key=True)
        .first()
    )
    is_dead = credential is not None and credential.status == Status.RECONNECT_NEEDED
    if kind.connects and is_dead and may(by, "environment.connect_in", stored.environment):
        changed.append("token")
    if not changed:
        return [], {}
    require(by, "environment.connect_in", stored.environment)
    sealed = secrets_of(credential) if credential else {}
    fields = fields_of(connection.auth_method, sealed)
    # Tokens are not among them: they come anew.
    names = {item.name for item in fields if item.secret}
    secrets = {name: value for name, value in sealed.items() if name in names}
    if moved and set(secrets) - set(given):
        raise SecretAskedAgain
    if moved and (others := would_move(connection)):
        raise OtherSecretsWouldMove(others)
    if _wanted(fields) - set(secrets | given):
        raise SecretAskedAgain
    return changed, secrets | given


def _change_secrets(
    connection: Connection, details: Details, by: User, tokens: Granted | None
) -> list[str]:
    """Replace the secrets given and keep those left out; a new destination wants all of them."""
    stored = main_settings(connection)
    changed, secrets = _new_secrets(connection, stored, details, by)
    if not changed or (changed == ["token"] and tokens is None):
        return _change_end(connection, details)
    if stored.pk is None or stored.parameters != dict(details.parameters):
        stored.parameters = dict(details.parameters)
        stored.save()
    if "scopes" in changed:
        connection.scopes = list(details.scopes)
    granted = tokens or Granted(secrets)
    granted.ends_at = details.ends_at
    credential = keep(connection, granted, environment=stored.environment, by=by)
    return [*changed, *slots.ended(credential)]


def _change_end(connection: Connection, details: Details) -> list[str]:
    """Take over when the secret is said to end, while it stays itself."""
    ends_at = Q(ends_at=details.ends_at) if details.ends_at else Q(ends_at=None)
    place = main_settings(connection).environment
    others = _live_in(connection, place).exclude(ends_at)
    return ["ends_on"] if others.update(ends_at=details.ends_at) else []


def _change_end_of_app(connection: Connection, details: Details) -> list[str]:
    """The same for the client secret of the connection's own OAuth app."""
    app, ends_at = connection.oauth_app, details.client_secret_ends_at
    if app is None or app.shared or not app.client_secret or details.client_secret:
        return []
    if app.ends_at == ends_at:
        return []
    app.ends_at = ends_at
    app.save(update_fields=["ends_at"])
    return ["client_secret_ends_on"]


def asked_of(connection: Connection) -> list[Field]:
    """What the connection's auth method asks for; what it keeps as a secret stays one."""
    credential = _live_in(connection, main_settings(connection).environment).first()
    return fields_of(connection.auth_method, secrets_of(credential) if credential else ())


def _live_in(connection: Connection, environment: Environment | None) -> QuerySet[Credential]:
    return connection.credentials.own().live().filter(environment=environment)


def would_move(connection: Connection) -> list[Environment]:
    """The environments whose own secrets go wherever the connection's main settings say."""
    main = main_settings(connection)
    others = connection.credentials.own().live().select_related("environment").defer("payload")
    places = [credential.environment for credential in others if credential.environment]
    return [
        place
        for place in places
        if place != main.environment and settings_for(connection, place).pk == main.pk
    ]


def wanted_secrets(connection: Connection) -> set[str]:
    """The secrets that the connection can't do without."""
    return _wanted(asked_of(connection))


def _wanted(fields: Sequence[Field]) -> set[str]:
    """The secrets that the connection can't do without."""
    return {item.name for item in fields if item.secret and item.required}
