"""What happens to a connection between the first sign-in and the last goodbye."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from django.db import IntegrityError, models, transaction
from django.db.models import ProtectedError
from django.db.models.deletion import Collector
from django.urls import reverse
from django.utils import timezone

from connhub.accounts.models import Environment, User
from connhub.audit.log import record
from connhub.errors import Refusal
from connhub.services import oauth_apps
from connhub.services.models import AuthMethod, OAuthApp
from connhub.sharing import roles
from connhub.vault.keyring import CantOpen

from . import policies
from .auth import METHODS, is_interactive
from .auth.base import Granted
from .authorize import keep
from .connecting import obtain
from .models import AccessMode, Connection, Credential, Settings, Status, is_link_name
from .refresh import values_of

LISTED = 10


class BadLinkName(Refusal):
    code = "bad-link-name"
    text = "This link name can't be used. Choose another."


class LinkNameTaken(BadLinkName):
    code = "link-name-taken"


class NothingToRevoke(Refusal):
    code = "nothing-to-revoke"
    text = "There is nothing to revoke: this connection holds no credential."


class StillInUse(Refusal):
    code = "still-in-use"
    text = "Flows, data objects or functions still use this connection."


@dataclass(repr=False)
class Details:
    """What a form or an API call says about a connection; secrets are in clear, so never printed."""

    name: str
    description: str = ""
    access_mode: str = AccessMode.PROXY
    login_user: bool = False
    scopes: Sequence[str] = ()
    tags: Sequence[str] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    client_id: str = ""
    client_secret: str = ""


def create(
    method: AuthMethod,
    details: Details,
    *,
    link_name: str,
    by: User,
    environment: Environment | None = None,
    granted: Granted | None = None,
) -> Connection:
    """Make a connection, its creator the first admin.

    With an auth method that sends people to the provider it starts *not connected*; any other
    is *connected* with the secrets given, for one environment or (None) for all. If the method
    asks the service for a token, that comes first, and nothing is made if it fails; `granted` is
    what a test with these details brought already.

    Raises:
        PermissionDenied: `by` may not connect in that environment.
        BadLinkName: the link name is malformed or reserved.
        LinkNameTaken: the link name belongs to another connection, perhaps a deleted one.
        ConnectFailed: the service gave no token.
    """
    policies.require_connect_in(by, environment)
    if not is_link_name(link_name):
        raise BadLinkName
    # Before the transaction: a slow service must not hold its locks.
    if granted is None:
        granted = obtain(method, details.parameters, details.secrets, details.scopes)
    return _create(method, details, link_name, by, environment, granted)


@transaction.atomic
def _create(
    method: AuthMethod,
    details: Details,
    link_name: str,
    by: User,
    environment: Environment | None,
    granted: Granted,
) -> Connection:
    connection = _insert(method, details, link_name, by)
    roles.grant(connection, by, by=by)
    Settings.objects.create(
        connection=connection, environment=environment, parameters=dict(details.parameters)
    )
    if is_interactive(method):
        _choose_app(connection, details, environment, by)
        connection.save(update_fields=["oauth_app"])
    else:
        keep(connection, granted, environment=environment)
    record("connection.created", by=by, on=connection, fields=_given(details))
    return connection


def _insert(method: AuthMethod, details: Details, link_name: str, by: User) -> Connection:
    connection = Connection(
        name=details.name,
        link_name=link_name,
        service=method.service,
        auth_method=method,
        description=details.description,
        access_mode=details.access_mode,
        login_user=details.login_user,
        scopes=list(details.scopes),
        tags=list(details.tags),
        created_by=by,
    )
    try:
        with transaction.atomic():
            connection.save(force_insert=True)
    except IntegrityError:
        raise LinkNameTaken from None
    return connection


def _given(details: Details) -> list[str]:
    return ["name", *details.parameters, *details.secrets]


def _choose_app(
    connection: Connection, details: Details, environment: Environment | None, by: User
) -> None:
    """The connection's own OAuth app if a client id is given, else the service's shared one."""
    if details.client_id:
        connection.oauth_app = new_app(connection, details, by)
        return
    connection.oauth_app = oauth_apps.serving(connection.auth_method, environment)


def new_app(connection: Connection, details: Details, by: User) -> OAuthApp:
    """An OAuth app of the connection's own, sealed and saved; the connection stays as it is."""
    app = OAuthApp(service=connection.service, client_id=details.client_id, created_by=by)
    if details.client_secret:
        app.client_secret.put(details.client_secret)
    app.save(force_insert=True)
    return app


@transaction.atomic
def rename(connection: Connection, *, to: str, by: User) -> None:
    """Change the name alone; the link name stays. Raises: PermissionDenied."""
    policies.require_admin(by, connection)
    connection.name = to
    connection.version += 1
    connection.save(update_fields=["name", "version", "modified_at"])
    record("connection.renamed", by=by, on=connection, fields=["name"])


@transaction.atomic
def revoke(connection: Connection, *, by: User) -> None:
    """Destroy the connection's credentials, then ask the provider to revoke its tokens.

    Flows fail with `connection-revoked` as soon as this commits. Only then is the provider
    asked, 10 s for each token; what it answers is recorded and changes nothing here.

    Raises:
        PermissionDenied: `by` is not an admin of the connection.
        NothingToRevoke: it was never connected, or is revoked already.
    """
    connection = Connection.objects.locked(connection.pk)
    policies.require_admin(by, connection)
    live = list(_lock_live(connection))
    if not live:
        raise NothingToRevoke
    _destroy(connection, live, by)
    record("connection.revoked", by=by, on=connection)


def _lock_live(connection: Connection) -> models.QuerySet[Credential]:
    return (
        connection.credentials.live()
        .select_related("connection__service", "connection__auth_method", "connection__oauth_app")
        .select_for_update(of=("self",))
    )


def _destroy(connection: Connection, live: list[Credential], by: User) -> None:
    """Empty the credentials; a refresh under way can no longer write to them."""
    grants = [(credential, secrets_of(credential)) for credential in live]
    for credential in live:
        credential.payload.clear()
        credential.status = Status.REVOKED
        credential.fence += 1
        credential.lease_until = credential.intent_version = credential.expires_at = None
        credential.renewable = False
        credential.save()
    connection.sum_up()
    if METHODS[connection.auth_method.kind].revokes:
        # After the commit: a slow provider must not hold the lock, nor a failing one keep the secret.
        transaction.on_commit(partial(_tell_provider, connection, grants, by), robust=True)


def secrets_of(credential: Credential) -> dict[str, str]:
    """The secrets in clear; none if they can't be opened any more."""
    try:
        return credential.payload.open().reveal()
    except CantOpen:
        return {}


def _tell_provider(
    connection: Connection, grants: list[tuple[Credential, dict[str, str]]], by: User
) -> None:
    for credential, secrets in grants:
        try:
            method = credential.connection.auth_method
            said = METHODS[method.kind].revoke(values_of(credential, secrets), method)
        except Refusal as refusal:
            said = f"was not asked ({refusal.code})"
        record(
            "connection.revoked_at_provider",
            by=by,
            on=connection,
            outcome="ok" if said == "revoked" else "failed",
            detail={"said": said},
            change=False,
        )


@transaction.atomic
def delete(connection: Connection, *, by: User) -> None:
    """Take a connection away: its secrets are destroyed, its link name stays taken for good.

    Raises:
        PermissionDenied: `by` is no admin of the connection.
        StillInUse: flow steps, data objects or functions use it; the refusal lists them.
    """
    connection = Connection.objects.locked(connection.pk)
    policies.require_admin(by, connection)
    if refusal := still_in_use(connection, by):
        raise refusal
    _destroy(connection, list(_lock_live(connection)), by)
    _destroy_own_app(connection)
    connection.deleted_at = timezone.now()
    connection.save(update_fields=["deleted_at"])
    record("connection.deleted", by=by, on=connection)


def _destroy_own_app(connection: Connection) -> None:
    app = connection.oauth_app
    if app is None or app.shared or app.connection_set.exclude(pk=connection.pk).exists():
        return
    app.client_secret.clear()
    app.save(update_fields=["client_secret", "client_secret_version"])


def in_use_by(connection: Connection) -> list[Any]:
    """Everything that its foreign key protects the connection for."""
    collector = Collector(using="default")
    try:
        collector.collect([connection])
    except ProtectedError as error:
        return sorted(error.protected_objects, key=str)
    return []


def still_in_use(connection: Connection, by: User) -> StillInUse | None:
    """The refusal that names what the person may see and counts the rest; None if nothing uses it."""
    users = in_use_by(connection)
    if not users:
        return None
    visible = {kind: _visible(kind, users, by) for kind in {type(thing) for thing in users}}
    seen = [thing for thing in users if thing.pk in visible[type(thing)]]
    more, unseen = len(seen) - LISTED, len(users) - len(seen)
    parts = [str(thing) for thing in seen[:LISTED]]
    parts += [f"{more} more"] if more > 0 else []
    parts += [f"{unseen} that you cannot see"] if unseen else []
    return StillInUse(
        f"It is still used by {_in_words(parts)}. Change those first, then delete it.",
        links=[("Find usage", reverse("connection_usage", args=[connection.link_name]))],
    )


def _visible(kind: Any, users: list[Any], by: User) -> set[int]:
    ids = [thing.pk for thing in users if type(thing) is kind]
    return set(kind.objects.visible_to(by).filter(pk__in=ids).values_list("pk", flat=True))


def _in_words(parts: list[str]) -> str:
    return " and ".join(part for part in (", ".join(parts[:-1]), parts[-1]) if part)
