"""How a call is made over a connection: where it goes and what is added to it."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.db.models import F

from connhub.accounts.models import Environment, User
from connhub.egress import guard
from connhub.errors import Refusal
from connhub.services import oauth_apps
from connhub.services.addresses import Unfilled, fill, fill_config
from connhub.services.limits import is_host_of
from connhub.services.models import AuthMethod
from connhub.vault.keyring import CantOpen, digest

from .auth import METHODS, is_interactive
from .auth.base import Field, Injection, filled
from .auth.provider import ProviderError
from .models import Connection, Credential, Settings, Status


class ConnectionRevoked(Refusal):
    code = "connection-revoked"
    text = "This connection was revoked. Reconnect it to use it again."


class ConnectionDisabled(Refusal):
    code = "connection-disabled"
    text = "This connection is disabled. Enable it to use it again."


class NotConnected(Refusal):
    code = "not-connected"
    text = "This connection has no credential yet. Connect it first."


class ReconnectNeeded(Refusal):
    code = "reconnect-needed"
    text = "The service no longer accepts this connection's authorization. Reconnect it."


class CredentialUnreadable(Refusal):
    code = "credential-unreadable"
    text = "The stored credential can't be opened. Reconnect, or restore the missing key."


class CredentialIncomplete(Refusal):
    code = "credential-incomplete"
    text = "The service asks for more than this connection holds. Edit it and enter all of it."


class AppMissing(Refusal):
    code = "app-missing"
    text = "This connection has no client id and secret yet. Edit it to add them."


class AddressIncomplete(Refusal):
    code = "address-incomplete"
    text = "Part of the service's address is missing or can't be used. Edit the connection."


@dataclass(frozen=True, slots=True, repr=False)
class Access:
    """A connection made ready for calls in one environment."""

    connection: Connection
    credential: Credential | None
    base_url: str
    injection: Injection
    values: Mapping[str, str]
    expires_at: datetime | None
    renewable: bool

    @property
    def own_values(self) -> dict[str, str]:
        """The values without the secret of an OAuth app that other connections share."""
        app = self.connection.oauth_app
        is_shared = app is not None and app.shared
        return {n: v for n, v in self.values.items() if n != "client_secret" or not is_shared}


def settings_for(connection: Connection, environment: Environment | None) -> Settings:
    """The parameters and endpoint that hold in an environment: its own, else those for all."""
    stored = {row.environment_id: row for row in connection.settings.all()}
    own = stored.get(environment.pk) if environment else None
    return own or stored.get(None) or Settings(connection=connection)


def main_settings(connection: Connection) -> Settings:
    """Those that the connection was made with: for all environments, or for one."""
    by_rank = F("environment__position").asc(nulls_first=True)
    stored = connection.settings.select_related("environment").order_by(by_rank).first()
    return stored or Settings(connection=connection)


def require_usable(connection: Connection, credential: Credential | None) -> None:
    """Refuse what no call may use as things stand."""
    require_open(connection)
    if connection.auth_method.kind == "none":
        return
    if credential is None or credential.status == Status.NOT_CONNECTED:
        raise NotConnected
    if credential.status == Status.REVOKED:
        raise ConnectionRevoked
    if credential.status == Status.RECONNECT_NEEDED:
        raise ReconnectNeeded
    if not credential.payload:
        raise NotConnected


def require_open(connection: Connection) -> None:
    """Refuse what nobody may use, whatever credential they have."""
    if connection.deleted_at:
        raise NotConnected
    if connection.disabled_at:
        raise ConnectionDisabled
    if connection.login_user and connection.status == Status.REVOKED:
        raise ConnectionRevoked


def prepare(
    connection: Connection, environment: Environment | None, user: User | None = None
) -> Access:
    """What a call in this environment needs, its secrets opened.

    `user` is the login user that it is made for, where the connection uses their credentials.

    Raises:
        Refusal: the connection is revoked, disabled, not connected or needs a person.
        Unfilled: a parameter of its address is missing.
        BadAddress: it has an endpoint of its own that can't be one.
    """
    credential = connection.credential_for(environment, user)
    require_usable(connection, credential)
    stored = settings_for(connection, environment)
    opened = _open(credential)
    values = _app_values(connection) | stored.parameters | opened
    return Access(
        connection=connection,
        credential=credential,
        base_url=_address(connection, stored, environment),
        injection=_hiding(
            injection_for(connection.auth_method, values),
            [opened[name] for name in _once_secret(connection.auth_method, opened)],
        ),
        values=values,
        expires_at=credential.expires_at if credential else None,
        renewable=bool(credential and credential.renewable),
    )


def injection_for(method: AuthMethod, values: Mapping[str, str]) -> Injection:
    """What calls get: what the method adds, and the headers that the service always wants.

    Raises: CredentialIncomplete.
    """
    try:
        headers = method.config.get("headers", {}).items()
        defaults = tuple((name, filled(text, values)) for name, text in headers)
        injection = METHODS[method.kind].apply(values, method)
    except KeyError:
        raise CredentialIncomplete from None
    except ProviderError as error:
        raise CredentialIncomplete(str(error)) from None
    return replace(injection, defaults=defaults) if defaults else injection


def fields_of(method: AuthMethod, sealed: Collection[str]) -> list[Field]:
    """What the method asks for; what was once stored as secret, of the names `sealed`, stays so."""
    asked = METHODS[method.kind].fields(method)
    return [replace(item, secret=item.secret or item.name in sealed) for item in asked]


def _once_secret(method: AuthMethod, sealed: Collection[str]) -> list[str]:
    asked = METHODS[method.kind].fields(method)
    return [item.name for item in asked if not item.secret and item.name in sealed]


def _hiding(injection: Injection, secrets: Sequence[str]) -> Injection:
    if not secrets:
        return injection
    return replace(injection, secrets=(*injection.secrets, *secrets))


def app_of(connection: Connection, environment: Environment | None) -> dict[str, str]:
    """Id and secret of the connection's OAuth app, or else of the shared one for the environment.

    Raises: AppMissing, CredentialUnreadable.
    """
    app = connection.oauth_app or oauth_apps.serving(connection.auth_method, environment)
    if app is None:
        raise AppMissing
    try:
        secret = app.client_secret.open().reveal() if app.client_secret else ""
    except CantOpen:
        raise CredentialUnreadable from None
    return {"client_id": app.client_id, "client_secret": secret}


def _app_values(connection: Connection) -> dict[str, str]:
    """What calls take of the OAuth app: both to sign, or the id that some want in a header."""
    method, app = connection.auth_method, connection.oauth_app
    if app and METHODS[method.kind].signs_with_app:
        return app_of(connection, None)
    return {"client_id": app.client_id} if app and method.config.get("headers") else {}


def values_of(
    credential: Credential, secrets: dict[str, str], parameters: dict[str, str] | None = None
) -> dict[str, str]:
    """Parameters, OAuth app and secrets of a credential's connection, as its method takes them.

    `parameters` replace those stored, for an attempt that would change them.

    Raises:
        AppMissing, AddressIncomplete, CredentialUnreadable: the connection lacks what it takes.
    """
    connection = credential.connection
    app: dict[str, str] = {}
    if is_interactive(connection.auth_method):
        app = app_of(connection, credential.environment)
    if parameters is None:
        parameters = settings_for(connection, credential.environment).parameters
    try:
        fill_config(connection.auth_method.config, parameters)
    except Unfilled:
        raise AddressIncomplete from None
    return parameters | app | secrets


def base_url_for(connection: Connection, stored: Settings, environment: Environment | None) -> str:
    """The connection's own endpoint, else the service's for the environment, else its base URL.

    A retired auth method holds the base URL that its connections were made for.
    """
    if stored.base_url:
        return stored.base_url
    endpoints = {row.environment_id: row.base_url for row in connection.service.endpoints.all()}
    own = endpoints.get(environment.pk) if environment else None
    of_method = connection.auth_method.config.get("base_url")
    return own or endpoints.get(None) or of_method or connection.service.base_url


def at_the_service(method: AuthMethod, base_url: str) -> str:
    """The address, if it is at a host that the service's limits name. Raises: BadAddress."""
    target = guard.parse_url(base_url, schemes=("https", "http"), ports=guard.ANY_PORT)
    if not is_host_of(method, target.host):
        raise guard.BadAddress("The definition of the service does not name this host.")
    return base_url


def _address(connection: Connection, stored: Settings, environment: Environment | None) -> str:
    base_url = fill(base_url_for(connection, stored, environment), stored.parameters)
    return at_the_service(connection.auth_method, base_url) if stored.base_url else base_url


def destination_of(connection: Connection, environment: Environment | None) -> str:
    """A hash of where an environment's secrets go, to tell whether that changed meanwhile."""
    stored = settings_for(connection, environment)
    base_url = base_url_for(connection, stored, environment)
    return digest(json.dumps([base_url, stored.parameters], sort_keys=True))


def _open(credential: Credential | None) -> dict[str, str]:
    if credential is None:
        return {}
    try:
        return credential.payload.open().reveal()
    except CantOpen:
        raise CredentialUnreadable from None
