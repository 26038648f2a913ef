"""What happens to a connection between the first sign-in and the last goodbye."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import PROTECT
from django.urls import reverse
from django.utils import timezone

from connhub.accounts import people
from connhub.accounts.models import Environment, User
from connhub.accounts.permissions import require
from connhub.audit.log import record
from connhub.errors import Refusal
from connhub.services import oauth_apps
from connhub.services.models import AuthMethod, OAuthApp
from connhub.sharing import roles

from . import login_users
from .auth import is_interactive
from .auth.base import Granted
from .connect_links import validity
from .connecting import obtain
from .keeping import keep
from .meanwhile import locked_for
from .models import AccessMode, Connection, Credential, Settings, Status, is_link_name
from .revocation import destroy, remove

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
    # When what was typed is said to end.
    ends_at: datetime | None = None
    client_secret_ends_at: datetime | None = None


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
    what a test with these details brought already. One that uses the credentials of login users
    gets no credential, whatever secrets are given.

    Raises:
        PermissionDenied: `by` may not connect in that environment.
        BadLinkName: the link name is malformed or reserved.
        LinkNameTaken: the link name belongs to another connection, perhaps a deleted one.
        ConnectFailed: the service gave no token.
        LoginUserNotOffered: the auth method can't use the credentials of login users.
    """
    _require_may(by, environment)
    if not is_link_name(link_name):
        raise BadLinkName
    if details.login_user:
        return _create(method, details, link_name, by, environment, None)
    # Before the transaction: a slow service must not hold its locks.
    if granted is None:
        granted = obtain(method, details.parameters, details.secrets, details.scopes)
    granted.ends_at = details.ends_at
    return _create(method, details, link_name, by, environment, granted)


def _require_may(by: User, environment: Environment | None) -> None:
    require(by, "connection.create")
    require(by, "environment.connect_in", environment)


@transaction.atomic
def _create(
    method: AuthMethod,
    details: Details,
    link_name: str,
    by: User,
    environment: Environment | None,
    granted: Granted | None,
) -> Connection:
    by = people.locked(by)
    _require_may(by, environment)
    kept = None if is_interactive(method) else granted
    status = Status.CONNECTED if kept else Status.NOT_CONNECTED
    connection = insert(method, details, link_name, by, status=status)
    roles.grant_new([connection], by, by=by)
    Settings.objects.create(
        connection=connection, environment=environment, parameters=dict(details.parameters)
    )
    if is_interactive(method):
        _choose_app(connection, details, environment, by)
        connection.save(update_fields=["oauth_app"])
    if kept:
        keep(connection, kept, environment=environment, by=by)
    if connection.login_user:
        login_users.require_offered(connection)
        connection.status = login_users.status_of(connection)
        connection.save(update_fields=["status"])
    record("connection.created", by=by, on=connection, fields=_given(details))
    return connection


def insert(
    method: AuthMethod,
    details: Details,
    link_name: str,
    by: User,
    *,
    status: Status = Status.NOT_CONNECTED,
) -> Connection:
    """The row of a new connection, saved; with the status that its credential will give it.

    Raises: LinkNameTaken; the caller's transaction must not commit.
    """
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
        status=status,
        created_by=by,
    )
    try:
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
        app.ends_at = details.client_secret_ends_at
    app.save(force_insert=True)
    return app


@transaction.atomic
def rename(connection: Connection, *, to: str, by: User, seen: int | None = None) -> None:
    """Change the name alone; the link name stays.

    Raises: PermissionDenied, DeletedMeanwhile, EditedMeanwhile, as `locked_for` does.
    """
    by, connection = locked_for(by, "connection.rename", connection, seen=seen)
    connection.name = to
    connection.move_on("name")
    record("connection.renamed", by=by, on=connection, fields=["name"])


@transaction.atomic
def set_disabled(connection: Connection, disabled: bool, *, by: User) -> None:
    """Switch a connection off (every call over it fails) or on again; its secret stays.

    Raises: PermissionDenied, DeletedMeanwhile.
    """
    by, connection = locked_for(by, "connection.disable", connection)
    if disabled == bool(connection.disabled_at):
        return
    connection.disabled_at = timezone.now() if disabled else None
    connection.move_on("disabled_at")
    record("connection.disabled" if disabled else "connection.enabled", by=by, on=connection)


@transaction.atomic
def revoke(
    connection: Connection,
    *,
    by: User,
    environment: Environment | None = None,
    later: bool = False,
) -> None:
    """Destroy the connection's credentials, then ask the provider to revoke its tokens.

    With an `environment` only the credential that it has of its own. Flows fail with
    `connection-revoked` as soon as this commits. Only then is the provider asked, for up to 10 s, or
    with `later` by the worker; one that doesn't answer is asked again in the background. What it
    answers is recorded and changes nothing here. Where login users sign in, theirs go, and nobody can sign in until it is opened again.

    Raises:
        PermissionDenied: `by` is not an admin of the connection.
        NothingToRevoke: it was never connected, or is revoked already.
        DeletedMeanwhile: it is gone.
    """
    by, connection = locked_for(by, "connection.revoke", connection)
    own = connection.lock_own()
    live = [c for c in own if c.payload and _is_in(c, environment)]
    is_open = connection.login_user and connection.status != Status.REVOKED and not environment
    if not (live or is_open):
        raise NothingToRevoke
    destroy(live, by=by, later=later)
    connection.take_worst(own)
    if not environment:
        _end_sign_ins(connection, by, later=later)
    connection.move_on("status")
    where = {"environment": environment.slug} if environment else {}
    links = connection.connect_links.all()
    validity.withdraw(links.filter(environment=environment) if environment else links, by=by)
    record("connection.revoked", by=by, on=connection, detail=where)


def _is_in(credential: Credential, environment: Environment | None) -> bool:
    return environment is None or credential.environment_id == environment.pk


def _end_sign_ins(connection: Connection, by: User, *, later: bool = False) -> None:
    """Where login users sign in, theirs end, and nobody can begin one; the status is not saved."""
    if connection.login_user:
        remove(connection.credentials.of_users(), by=by, later=later)
        connection.status = Status.REVOKED


@transaction.atomic
def delete(connection: Connection, *, by: User, later: bool = False) -> None:
    """Take a connection away: its secrets are destroyed, its link name stays taken for good.

    The providers are told as `revoke` does, or with `later` by the worker.

    Raises:
        PermissionDenied: `by` is no admin of the connection.
        StillInUse: flow steps, data objects or functions use it; the refusal lists them.
        DeletedMeanwhile: it is gone already.
    """
    by, connection = locked_for(by, "connection.delete", connection)
    if refusal := still_in_use(connection, by):
        raise refusal
    own = connection.lock_own()
    destroy([c for c in own if c.payload], by=by, later=later)
    connection.take_worst(own)
    _end_sign_ins(connection, by, later=later)
    _destroy_own_app(connection)
    validity.withdraw(connection.connect_links.all(), by=by)
    connection.deleted_at = timezone.now()
    connection.save(update_fields=["deleted_at", "status"])
    record("connection.deleted", by=by, on=connection)


def _destroy_own_app(connection: Connection) -> None:
    app = connection.oauth_app
    if app is None or app.shared or app.connection_set.exclude(pk=connection.pk).exists():
        return
    app.client_secret.clear()
    app.ends_at = None
    app.save(update_fields=["client_secret", "client_secret_version", "ends_at"])


def in_use_by(connection: Connection) -> list[Any]:
    """Everything that its foreign key protects the connection for."""
    kinds = [each.related_model for each in connection._meta.related_objects if _protects(each)]
    uses = [kind._base_manager.filter(connection=connection) for kind in kinds]
    first, *others = (each.order_by().values("pk") for each in uses)
    if not first.union(*others, all=True).exists():
        return []
    return sorted(chain.from_iterable(uses), key=str)


def _protects(relation: Any) -> bool:
    return relation.on_delete is PROTECT


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
        links=[
            ("Find usage", reverse("connection_usage", args=[connection.link_name])),
            ("Replace it everywhere", reverse("connection_replace", args=[connection.link_name])),
        ],
    )


def _visible(kind: Any, users: list[Any], by: User) -> set[int]:
    ids = [thing.pk for thing in users if type(thing) is kind]
    return set(kind.objects.visible_to(by).filter(pk__in=ids).values_list("pk", flat=True))


def _in_words(parts: list[str]) -> str:
    return " and ".join(part for part in (", ".join(parts[:-1]), parts[-1]) if part)
