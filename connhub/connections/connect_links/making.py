"""An admin's side of connect links: making one and taking it back."""

import secrets
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from connhub.accounts import mail, people
from connhub.accounts.models import Environment, User
from connhub.accounts.permissions import may, require
from connhub.audit.log import record
from connhub.connections import authorize
from connhub.connections.access import main_settings
from connhub.connections.auth import is_interactive
from connhub.connections.models import Connection, ConnectLink
from connhub.errors import Refusal
from connhub.vault.keyring import digest

from . import validity

MARK = "chl_"
LIFETIME = timedelta(hours=24)
MOST_OPEN = 20


class LinkNotOffered(Refusal):
    code = "connect-link-not-offered"
    text = "Nobody else can connect this connection as it stands."


class TooManyLinks(Refusal):
    code = "too-many-connect-links"
    text = "Twenty connect links of this connection are open. Withdraw one first."


class LinkOver(Refusal):
    code = "connect-link-over"
    text = "This link was used, withdrawn or too old already."


def require_offered(connection: Connection) -> None:
    """Raises: LinkNotOffered."""
    if not validity.is_offered(connection):
        raise LinkNotOffered


def places(connection: Connection, by: User) -> list[Environment | None]:
    """Where the connection has something of its own and the person may connect (None: all)."""
    found = {main_settings(connection).environment}
    found |= {row.environment for row in connection.settings.select_related("environment")}
    own = connection.credentials.own().select_related("environment").defer("payload")
    found |= {credential.environment for credential in own}
    allowed = [place for place in found if may(by, "environment.connect_in", place)]
    return sorted(allowed, key=lambda place: place.position if place else -1)


def address_of(token: str) -> str:
    """The link as it is sent, from the configured base URL alone."""
    return settings.CONNHUB_URL + reverse("open_connect_link", args=[token])


def make(
    connection: Connection,
    *,
    by: User,
    environment: Environment | None = None,
    email: str = "",
    note: str = "",
) -> tuple[ConnectLink, str]:
    """A link, good for 24 hours, that lets one person connect this; the token is to be had only here.

    With an `email` it is sent there as well, if a mail server is set up.

    Raises:
        PermissionDenied: `by` is no admin of the connection, or may not connect there.
        LinkNotOffered: it is disabled, takes no credential, or each user's own.
        TooManyLinks: twenty are open.
        Refusal: a sign-in couldn't begin, as `authorize.start` says.
    """
    require(by, "connection.send_connect_link", connection)
    require_offered(connection)
    if is_interactive(connection.auth_method):
        authorize.host_of(connection, environment, {})
    return _make(connection, by, environment, email, note)


@transaction.atomic
def _make(
    connection: Connection, by: User, environment: Environment | None, email: str, note: str
) -> tuple[ConnectLink, str]:
    by = people.locked(by)
    connection = Connection.objects.locked(connection.pk)
    require(by, "connection.send_connect_link", connection)
    require(by, "environment.connect_in", environment)
    require_offered(connection)
    if connection.connect_links.open().count() >= MOST_OPEN:
        raise TooManyLinks
    token = MARK + secrets.token_urlsafe(32)
    link = ConnectLink.objects.create(
        digest=digest(token),
        connection=connection,
        environment=environment,
        made_by=by,
        email=email,
        note=note,
        expires_at=timezone.now() + LIFETIME,
    )
    whom = {"user": email} if email else {}
    record("connect_link.created", by=by, on=connection, detail={"environment": link.place} | whom)
    if email:
        _write_to(link, connection, token)
    return link, token


def _write_to(link: ConnectLink, connection: Connection, token: str) -> None:
    about = {"link": link, "connection": connection, "address": address_of(token)}
    mail.send(
        link.email,
        f"{link.made_by} asks you to connect {connection.service}",
        "connections/connect_link_letter.txt",
        about | {"organisation": settings.CONNHUB_URL},
    )


@transaction.atomic
def withdraw(link: ConnectLink, *, by: User) -> None:
    """End a link: from the next request on it is good for nothing.

    Raises:
        PermissionDenied: `by` is no admin of the connection.
        LinkOver: it can't be used any more anyway.
    """
    by = people.locked(by)
    connection = Connection.objects.locked(link.connection_id)
    require(by, "connection.send_connect_link", connection)
    if not validity.withdraw(ConnectLink.objects.filter(pk=link.pk), by=by):
        raise LinkOver
