"""How connections and what belongs to them look in answers: never with a secret."""

from datetime import date, datetime
from typing import Any

from ninja import Schema
from pydantic import Field

from connhub.connections import listing
from connhub.connections.fields import shown_of
from connhub.connections.models import Connection, Credential, Status


class StepOut(Schema):
    """One step of a test."""

    name: str
    outcome: str = Field(description="ok, warned, failed or skipped")
    took_ms: int
    said: str
    hint: str


class TestOut(Schema):
    """What a test did, step by step."""

    ok: bool
    took_ms: int
    steps: list[StepOut]


class RowOut(Schema):
    """A connection as a row of the list."""

    link_name: str
    name: str
    service: str
    kind: str = Field(description="The kind of its auth method.")
    status: str
    environments: dict[str, str] = Field(description="How it stands in each environment.")
    login_user: bool
    disabled: bool
    tags: list[str]
    created_at: datetime
    modified_at: datetime
    last_used_at: datetime | None
    used_by: int = Field(description="How many flows and functions use it.")
    data_objects: int
    may_administer: bool
    url: str = Field(description="Its page.")


class PlaceOut(Schema):
    """Settings for all environments (null), or for one."""

    environment: str | None
    parameters: dict[str, str]
    base_url: str = Field(description="Where the service answers there; empty: as everywhere.")


class CredentialOut(Schema):
    """What is known of a credential, for all environments (null) or for one; never the secret."""

    environment: str | None
    status: str
    account: str
    connected_at: datetime | None
    expires_at: datetime | None
    ends_on: date | None
    renewable: bool
    scopes_granted: list[str]
    tested_at: datetime | None
    test: TestOut | None
    last_error: str


class ConnectionOut(Schema):
    """A connection with all but its secrets; `version` is also its ETag."""

    link_name: str
    name: str
    description: str
    service: str
    auth_method: str
    kind: str
    status: str
    environments: dict[str, str]
    version: int
    access_mode: str
    login_user: bool
    disabled: bool
    tags: list[str]
    scopes: list[str]
    client_id: str | None = Field(None, description="Of an OAuth app of its own.")
    settings: list[PlaceOut]
    credentials: list[CredentialOut]
    created_at: datetime
    created_by: str | None
    modified_at: datetime
    url: str
    authorize_url: str | None = Field(
        None, description="The page where a person goes on to the service to authorize it."
    )


def word(status: int) -> str:
    """A status as the API spells it: "reconnect_needed"."""
    return Status(status).name.lower()


def row(found: listing.Row, base: str) -> dict[str, Any]:
    """A row of the list; `base` is what its page's address begins with."""
    connection, use = found.connection, found.use
    return {
        "link_name": connection.link_name,
        "name": connection.name,
        "service": connection.service.slug,
        "kind": connection.auth_method.kind,
        "status": word(connection.status),
        "environments": {each.environment.slug: word(each.status) for each in found.stages},
        "login_user": connection.login_user,
        "disabled": bool(connection.disabled_at),
        "tags": connection.tags,
        "created_at": connection.created_at,
        "modified_at": connection.modified_at,
        "last_used_at": use.last_used_at,
        "used_by": use.used_by,
        "data_objects": use.data_objects,
        "may_administer": use.may_administer,
        "url": base + connection.get_absolute_url(),
    }


def whole(connection: Connection, stages: list[listing.Stage], base: str) -> dict[str, Any]:
    """A connection that was read `for_summary`, with its settings."""
    app = connection.oauth_app
    return {
        "link_name": connection.link_name,
        "name": connection.name,
        "description": connection.description,
        "service": connection.service.slug,
        "auth_method": connection.auth_method.label,
        "kind": connection.auth_method.kind,
        "status": word(connection.status),
        "environments": {each.environment.slug: word(each.status) for each in stages},
        "version": connection.version,
        "access_mode": connection.access_mode,
        "login_user": connection.login_user,
        "disabled": bool(connection.disabled_at),
        "tags": connection.tags,
        "scopes": connection.scopes,
        "client_id": app.client_id if app and not app.shared else None,
        "settings": [_place(connection, each) for each in connection.settings.all()],
        "credentials": [_credential(each) for each in connection.credentials.all()],
        "created_at": connection.created_at,
        "created_by": str(connection.created_by) if connection.created_by else None,
        "modified_at": connection.modified_at,
        "url": base + connection.get_absolute_url(),
    }


def _place(connection: Connection, stored: Any) -> dict[str, Any]:
    shown = shown_of(connection.auth_method, stored.parameters)
    return {
        "environment": stored.environment and stored.environment.slug,
        "parameters": {name: str(value) for name, _, value in shown},
        "base_url": stored.base_url,
    }


def _credential(credential: Credential) -> dict[str, Any]:
    return {
        "environment": credential.environment and credential.environment.slug,
        "status": word(credential.status),
        "account": credential.account,
        "connected_at": credential.connected_at,
        "expires_at": credential.expires_at,
        "ends_on": credential.ends_at and credential.ends_at.date(),
        "renewable": credential.renewable,
        "scopes_granted": credential.scopes_granted,
        "tested_at": credential.tested_at,
        "test": credential.test_report or None,
        "last_error": credential.last_error,
    }
