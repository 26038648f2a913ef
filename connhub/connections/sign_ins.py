"""Who signed in where, as pages show it: a person's own sign-ins, and those of one connection."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.db.models import Exists, F, OuterRef, Prefetch, Q, QuerySet
from django.db.models.functions import Lower
from django.urls import reverse

from connhub.accounts.models import Environment, User
from connhub.paging import Order, Page, page

from . import policies
from .models import Connection, Credential, Settings, Status

CONNECTIONS_BY_NAME = Order("name", Lower("name"), "link_name")
PEOPLE_BY_NAME = Order("name", Lower("name"), "pk")


@dataclass(frozen=True, slots=True)
class SignIn:
    """A person's own credential of one connection, or the place for one."""

    connection: Connection
    environment: Environment | None
    credential: Credential | None
    is_open: bool  # whether the person may authorize it now

    @property
    def status(self) -> Status:
        return Status(self.credential.status) if self.credential else Status.NOT_CONNECTED

    @property
    def url(self) -> str:
        return _url("sign_in_to", self.connection, self.environment)

    @property
    def remove_url(self) -> str:
        return _url("remove_sign_in", self.connection, self.environment)


def _url(name: str, connection: Connection, environment: Environment | None) -> str:
    query = f"?environment={environment.slug}" if environment else ""
    return reverse(name, args=[connection.link_name]) + query


def open_to(user: User) -> QuerySet[Connection]:
    """The connections that use the credentials of login users, the person's among them."""
    return Connection.objects.live().filter(policies.usable_by(user), login_user=True)


def rows(user: User, params: Mapping[str, str]) -> Page:
    """A page of the person's sign-ins, made and still to be made, by the connections' names."""
    theirs = Credential.objects.filter(user=user)
    by_rank = F("environment__position").asc(nulls_first=True)
    places = Settings.objects.select_related("environment").order_by(by_rank)
    mine = Q(pk__in=open_to(user).values("pk")) | Q(pk__in=theirs.values("connection"))
    found = (
        Connection.objects.live()
        .filter(mine, login_user=True)
        .annotate(is_usable=Exists(open_to(user).filter(pk=OuterRef("pk"))))
        .select_related("service", "auth_method")
        .prefetch_related(
            Prefetch("settings", places), Prefetch("credentials", theirs, to_attr="theirs")
        )
    )
    connections = page(found, CONNECTIONS_BY_NAME, params)
    built = [row for connection in connections.rows for row in _of(connection)]
    return Page(built, connections.newer, connections.older)


def _of(connection: Connection) -> list[SignIn]:
    credentials = {row.environment_id: row for row in getattr(connection, "theirs", ())}
    is_ready = connection.status == Status.CONNECTED and not connection.disabled_at
    return [
        SignIn(
            connection,
            place.environment,
            credentials.get(place.environment_id),
            is_open=is_ready and getattr(connection, "is_usable", False),
        )
        for place in connection.settings.all()
    ]


def people_of(connection: Connection) -> QuerySet[User]:
    """Those who signed in to it, each with their credentials of it as `signed_in`."""
    theirs = Credential.objects.of_users().filter(connection=connection)
    shown = theirs.select_related("environment").defer("payload")
    return User.objects.filter(pk__in=theirs.values("user")).prefetch_related(
        Prefetch("credential_set", shown, to_attr="signed_in")
    )
