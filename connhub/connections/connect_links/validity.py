"""What makes a connect link good for connecting, and what ends it."""

from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied
from django.utils import timezone

from connhub.accounts import people
from connhub.accounts.models import User
from connhub.accounts.permissions import may
from connhub.audit.log import record
from connhub.connections.models import Connection, ConnectLink
from connhub.errors import Refusal

from .models import ConnectLinkQuerySet


class LinkDead(Refusal):
    """One sentence whatever the reason; `why` is for the record alone."""

    code = "connect-link-dead"
    text = "This link can't be used any more. Ask the person who sent it for a new one."
    status = HTTPStatus.GONE

    def __init__(self, why: str = "", link: ConnectLink | None = None) -> None:
        super().__init__()
        self.why, self.link = why, link


def is_offered(connection: Connection) -> bool:
    """Whether somebody else could give the connection its credentials, as it stands."""
    if connection.deleted_at or connection.disabled_at or connection.login_user:
        return False
    return connection.auth_method.kind != "none"


def require_valid(link: ConnectLink, connection: Connection) -> None:
    """That the link may be used, and its maker could do themself what it is for.

    Raises: LinkDead.
    """
    if why := _fault(link, connection):
        raise LinkDead(why, link)


def _fault(link: ConnectLink, connection: Connection) -> str:
    maker = link.made_by
    faults = (
        (link.used_at, "used already"),
        (link.withdrawn_at, "withdrawn"),
        (link.expires_at <= timezone.now(), "expired"),
        (not is_offered(connection), "the connection can't be connected by a link"),
    )
    if why := next((why for is_so, why in faults if is_so), ""):
        return why
    is_able = may(maker, "connection.reconnect", connection) and may(
        maker, "environment.connect_in", link.environment
    )
    return "" if is_able else "its maker may not connect it any more"


def locked(link: ConnectLink) -> tuple[ConnectLink, Connection]:
    """The link and its connection as they are now, locked with its maker. Raises: LinkDead."""
    try:
        maker = people.locked(link.made_by)
    except PermissionDenied:
        raise LinkDead("its maker is gone", link) from None
    connection = Connection.objects.locked(link.connection_id)
    found = ConnectLink.objects.select_for_update(of=("self",), no_key=True).filter(pk=link.pk)
    now = found.select_related("environment").first()
    if now is None:
        raise LinkDead("it is gone", link)
    now.made_by = maker
    return now, connection


def use_up(link: ConnectLink, connection: Connection, *, account: str = "") -> None:
    """Note that a locked link has done its work: nobody can use it again."""
    link.used_at = timezone.now()
    link.save(update_fields=["used_at"])
    who = {"user": link.used_by} if link.used_by else {}
    whose = {"account": account} if account else {}
    record(
        "connect_link.used",
        by=link,
        on=connection,
        detail={"environment": link.place} | who | whose,
    )


def withdraw(links: ConnectLinkQuerySet, *, by: User) -> int:
    """End those of the links that are open, in the caller's transaction; how many they were."""
    ended = list(
        links.open()
        .select_related("connection", "environment")
        .select_for_update(of=("self",), no_key=True)
        .order_by("pk")
    )
    for link in ended:
        link.withdrawn_at = timezone.now()
        link.save(update_fields=["withdrawn_at"])
        record(
            "connect_link.withdrawn", by=by, on=link.connection, detail={"environment": link.place}
        )
    return len(ended)


def withdraw_of(*, person: User, **signal: Any) -> None:
    """End the links of a person whose account ends; the record says that of the account."""
    person.connect_links.open().update(withdrawn_at=timezone.now())
