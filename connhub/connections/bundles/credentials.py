"""What becomes of the secrets of connections that are imported."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.db.models import prefetch_related_objects
from django.utils import timezone

from connhub.connections.auth import METHODS, is_interactive
from connhub.connections.editing import endpoints_vary
from connhub.connections.models import Connection, Credential, Rotation, Settings, Status
from connhub.services.models import OAuthApp

from .document import Grant, Item, Place, slug_of
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
    if item.credentials or is_interactive(connection.auth_method) or kind.connects:
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
    credential.ends_at = credential.certificate_ends_at = None
    if is_interactive(credential.connection.auth_method) and not side.decisions.moves:
        return give_up(credential, HELD_ELSEWHERE)
    credential.payload.put(dict(grant.secrets))
    credential.status, credential.last_error = Status.CONNECTED, ""
    credential.connected_at, credential.connected_by = timezone.now(), side.by
    credential.expires_at, credential.renewable = grant.expires_at, grant.renewable
    return credential


def give_up(credential: Credential, why: str) -> Credential:
    """Destroy the secret; a person has to connect again."""
    credential.payload.clear()
    credential.status, credential.last_error = Status.RECONNECT_NEEDED, why
    credential.fence += 1
    credential.lease_until = credential.intent_version = credential.expires_at = None
    credential.ends_at, credential.renewable = None, False
    return credential


def app_for(connection: Connection, item: Item, side: Side) -> OAuthApp | None:
    """The OAuth app of its own that the file gives, unsaved, or else the service's shared one."""
    if not is_interactive(connection.auth_method):
        return None
    if not item.client_id:
        return side.shared_app(connection.auth_method, item)
    app = OAuthApp(service=connection.service, client_id=item.client_id, created_by=side.by)
    if item.client_secret:
        app.client_secret.put(item.client_secret)
    return app


@dataclass
class Replaced:
    """A connection that is replaced: what it had, and what it will have."""

    connection: Connection
    item: Item
    before: Mapping[str | None, Settings]
    credentials: list[Credential]

    @classmethod
    def of(cls, connection: Connection, item: Item) -> "Replaced":
        before = {slug_of(row.environment): row for row in connection.settings.all()}
        return cls(connection, item, before, list(connection.credentials.all()))

    def moves(self, stage: str | None) -> bool:
        """Whether what is sent in that environment would go elsewhere than before."""
        places = {place.environment: place for place in self.item.settings}
        before = self.before.get(stage) or self.before.get(None)
        after = places.get(stage) or places.get(None)
        return _destination(before) != _destination(after)


def _destination(settings: Settings | Place | None) -> tuple[dict[str, str], str]:
    return (dict(settings.parameters), settings.base_url) if settings else ({}, "")


def lock(connections: Collection[Connection]) -> None:
    """Lock the credentials of connections that are locked, and read them as they are now."""
    rows = Credential.objects.filter(connection__in=connections).order_by("pk")
    for row in rows.select_for_update(of=("self",), no_key=True).values_list("pk"):
        del row
    prefetch_related_objects(list(connections), "credentials__environment")


def replace(replaced: Replaced, side: Side) -> None:
    """Bring a connection's OAuth app, credentials and status in line with the file.

    A secret of before that would be sent elsewhere from now on is destroyed.
    """
    connection, item = replaced.connection, replaced.item
    is_other_app = _change_app(replaced, side)
    own = {slug_of(row.environment): row for row in replaced.credentials if not row.user_id}
    brought = set()
    for grant in _grants(item, connection):
        row = own.get(grant.environment) or Credential(connection=connection)
        if grant.environment not in own:
            replaced.credentials.append(row)
        _filled(row, grant, item, side)
        brought.add(row.pk)
    for row in replaced.credentials:
        left_as_it_was = row.pk not in brought and row.payload
        if left_as_it_was and (is_other_app or replaced.moves(slug_of(row.environment))):
            give_up(row, MOVED)
            brought.add(row.pk)
    if brought:
        Rotation.objects.filter(credential__in=brought).delete()
    connection.status = summed_up(replaced.credentials)
    for row in replaced.credentials:
        if row.pk in brought and not row._state.adding:
            row.save()
    insert([row for row in replaced.credentials if row._state.adding])


def _change_app(replaced: Replaced, side: Side) -> bool:
    """Whether grants of the app before are worth nothing with the one after."""
    connection, item = replaced.connection, replaced.item
    before = connection.oauth_app
    if not is_interactive(connection.auth_method):
        return False
    if before is None or before.shared or before.client_id != item.client_id:
        connection.oauth_app = app_for(connection, item, side)
        if connection.oauth_app and connection.oauth_app._state.adding:
            connection.oauth_app.save(force_insert=True)
        return before is None or connection.oauth_app != before
    if item.client_secret:
        before.client_secret.put(item.client_secret)
    elif endpoints_vary(connection.auth_method) and _any_moves(replaced):
        before.client_secret.clear()
    before.save(update_fields=["client_secret", "client_secret_version"])
    return False


def _any_moves(replaced: Replaced) -> bool:
    stages = replaced.before.keys() | {place.environment for place in replaced.item.settings}
    return any(replaced.moves(stage) for stage in stages)
