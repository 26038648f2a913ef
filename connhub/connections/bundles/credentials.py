"""What becomes of the secrets of connections that are imported."""

from collections.abc import Iterable, Sequence

from django.utils import timezone

from connhub.connections.access import settings_for
from connhub.connections.auth import METHODS
from connhub.connections.editing import endpoints_vary
from connhub.connections.models import Connection, Credential, Settings, Status
from connhub.services.models import OAuthApp

from .document import Grant, Item, slug_of
from .side import Side

BATCH = 1000
MOVED = "An import changed where this connection's secrets go. Reconnect."
HELD_ELSEWHERE = (
    "It came with an import, and whoever exported it may still use the grant. Reconnect."
)


def names(item: Item) -> list[str]:
    """The names of the secrets that the file brings, for the record."""
    found = {name for grant in item.credentials for name in grant.secrets}
    return sorted(found | ({"client_secret"} if item.client_secret else set()))


def summed_up(credentials: Iterable[Credential]) -> int:
    """The connection's status: the worst of its credentials', those of login users aside."""
    own = [credential.status for credential in credentials if credential.user_id is None]
    return max(own, default=Status.NOT_CONNECTED)


def insert(credentials: Sequence[Credential]) -> None:
    Credential.objects.bulk_create(credentials, BATCH)


def new(connection: Connection, item: Item, side: Side) -> list[Credential]:
    """The credentials of a connection that is added, not saved yet."""
    return [
        _filled(Credential(connection=connection), g, item, side) for g in _grants(item, connection)
    ]


def _grants(item: Item, connection: Connection) -> Sequence[Grant]:
    """Those of the file; a connection whose auth method needs no secret is connected without any."""
    kind = METHODS[connection.auth_method.kind]
    if item.credentials or kind.interactive or kind.connects:
        return item.credentials
    if any(field.secret for field in kind.fields(connection.auth_method)):
        return []
    return [Grant(place.environment, {}) for place in item.settings]


def _filled(credential: Credential, grant: Grant, item: Item, side: Side) -> Credential:
    """The grant put into the row. One that somebody else may go on renewing is not kept."""
    credential.environment = side.stages[grant.environment]
    credential.account = grant.account
    credential.scopes_granted = list(grant.scopes_granted)
    credential.fence += 1
    credential.lease_until = credential.intent_version = credential.next_refresh_at = None
    credential.retried, credential.refresh_failures = False, 0
    credential.tested_at, credential.test_report = None, {}
    if METHODS[item.kind].interactive and not side.decisions.moves:
        return give_up(credential, HELD_ELSEWHERE)
    credential.payload.put(dict(grant.secrets))
    credential.status, credential.last_error = Status.CONNECTED, ""
    credential.connected_at = timezone.now()
    credential.expires_at, credential.renewable = grant.expires_at, grant.renewable
    return credential


def give_up(credential: Credential, why: str) -> Credential:
    """Destroy the secret; a person has to connect again."""
    credential.payload.clear()
    credential.status, credential.last_error = Status.RECONNECT_NEEDED, why
    credential.fence += 1
    credential.lease_until = credential.intent_version = credential.expires_at = None
    credential.renewable = False
    return credential


def app_for(connection: Connection, item: Item, side: Side) -> OAuthApp | None:
    """The OAuth app of its own that the file gives, unsaved, or else the service's shared one."""
    if not METHODS[item.kind].interactive:
        return None
    if not item.client_id:
        return side.shared_app(connection.service, item)
    app = OAuthApp(service=connection.service, client_id=item.client_id, created_by=side.by)
    if item.client_secret:
        app.client_secret.put(item.client_secret)
    return app


def replaced(connection: Connection, item: Item, side: Side) -> list[Credential]:
    """Bring a connection's OAuth app and credentials in line with the file; the rows, saved.

    The connection's stored settings are still those from before.
    """
    rows = list(
        connection.credentials.select_for_update(of=("self",)).select_related("environment")
    )
    own = {
        row.environment.slug if row.environment else None: row for row in rows if not row.user_id
    }
    is_other_app = _change_app(connection, item, side)
    brought = []
    for grant in _grants(item, connection):
        row = own.get(grant.environment) or Credential(connection=connection)
        if grant.environment not in own:
            rows.append(row)
        brought.append(_filled(row, grant, item, side))
    after = _settings(connection, item, side)
    for row in rows:
        if row not in brought and row.payload and (is_other_app or _moves(connection, row, after)):
            give_up(row, MOVED)
    for row in rows:
        row.save()
    return rows


def _change_app(connection: Connection, item: Item, side: Side) -> bool:
    """Whether grants of the app before are worth nothing now, or would show up elsewhere."""
    before = connection.oauth_app
    if not METHODS[item.kind].interactive:
        return False
    kept = before is not None and not before.shared and before.client_id == item.client_id
    if not kept:
        connection.oauth_app = app_for(connection, item, side)
        is_same = before is not None and connection.oauth_app == before
        return not is_same
    assert before is not None
    if item.client_secret:
        before.client_secret.put(item.client_secret)
    elif _client_moves(connection, item):
        before.client_secret.clear()
    before.save(update_fields=["client_secret", "client_secret_version"])
    return False


def _client_moves(connection: Connection, item: Item) -> bool:
    """Whether the client secret would be sent elsewhere."""
    stored = {slug_of(row.environment): row.parameters for row in connection.settings.all()}
    given = {place.environment: dict(place.parameters) for place in item.settings}
    return stored != given and endpoints_vary(connection.auth_method)


def _settings(connection: Connection, item: Item, side: Side) -> dict[int | None, Settings]:
    """By environment: the settings as they will be."""
    found = {}
    for place in item.settings:
        stage = side.stages[place.environment]
        found[stage.pk if stage else None] = Settings(
            connection=connection, parameters=dict(place.parameters), base_url=place.base_url
        )
    return found


def _moves(connection: Connection, row: Credential, after: dict[int | None, Settings]) -> bool:
    """Whether a credential would be sent elsewhere than before."""
    before = settings_for(connection, row.environment)
    later = after.get(row.environment_id) or after.get(None) or Settings(connection=connection)
    return (before.parameters, before.base_url) != (later.parameters, later.base_url)
