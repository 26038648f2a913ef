"""What a person reaches: connections and why, integrations, and the keys that they issued."""

from collections.abc import Iterator, Mapping
from typing import Any

from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Lower

from connhub.accounts.models import User
from connhub.connections.models import Connection, Credential
from connhub.connections.policies import usable_by
from connhub.paging import Order, Page, page
from connhub.sharing import roles

from .. import acting, policies
from ..models import Availability, Integration, IntegrationKey
from ..registration import calling
from .paths import ADMIN, May, Path, Row, first_few, unnamed

ORDERS = {
    "connections": Order("name", Lower("name"), "link_name"),
    "integrations": Order("name", Lower("name"), "slug"),
    "keys": Order("name", Lower("name"), "tie"),
}
SEARCHED = {"connections": ("name", "link_name"), "integrations": ("name",), "keys": ("name",)}


def connections(person: User) -> QuerySet[Connection]:
    """Those that the person may see, use, or has signed in to for calls in their name."""
    live = Connection.objects.live()
    if not person.is_active:
        return live.none()
    seen = Q(pk__in=Connection.objects.visible_to(person).values("pk"))
    return live.filter(seen | used(person))


def used(person: User) -> Q:
    """The condition that they may use a connection, or that calls over it are made in their name."""
    return usable_by(person) | Q(pk__in=sign_ins(person).values("connection"))


def sign_ins(person: User) -> QuerySet[Credential]:
    """Those of theirs that flows of an integration which they belong to may call with."""
    belonging = policies.belonging_to(person).values("pk")
    acted_for = Exists(calling(OuterRef("connection")).filter(pk__in=belonging))
    return acting.sign_ins().filter(acted_for, user=person).defer("payload")


def integrations(person: User) -> QuerySet[Integration]:
    """Those that the person belongs to."""
    belonging = policies.belonging_to(person)
    return belonging if person.is_active else belonging.none()


OF_KIND: dict[str, Any] = {
    "connections": connections,
    "integrations": integrations,
    "keys": IntegrationKey.objects.usable_issued_by,
}
LABELS = {"connections": "Connections", "integrations": "Integrations", "keys": "Keys issued"}
NEEDED = {
    "connections": ("service",),
    "integrations": ("project",),
    "keys": ("integration", "environment"),
}


def rows(kind: str, person: User, viewer: User, params: Mapping[str, str], text: str = "") -> Page:
    """A page of what the person reaches of one kind, found by name; `is_seen` is what the viewer may open."""
    wanted = Q()
    for name in SEARCHED[kind] if text else ():
        wanted |= Q(**{f"{name}__icontains": text})
    found = OF_KIND[kind](person).filter(wanted).select_related(*NEEDED[kind])
    found = found.annotate(is_seen=_is_seen(kind, viewer))
    shown = page(found, ORDERS[kind], params)
    built = {row.pk: Row(row) for row in shown.rows}
    if kind == "connections":
        _explain_connections(person, built)
    if kind == "integrations":
        for pk, path in _standings(person, built):
            built[pk].add(path)
    return Page(list(built.values()), shown.newer, shown.older)


def _is_seen(kind: str, viewer: User) -> Exists:
    """Whether the viewer may open its page; a key's is its integration's."""
    model: Any = Connection if kind == "connections" else Integration
    which = "integration" if kind == "keys" else "pk"
    return Exists(model.objects.visible_to(viewer).filter(pk=OuterRef(which)))


def _explain_connections(person: User, built: dict[Any, Row]) -> None:
    for grant in roles.user_grants(Connection).filter(user=person, content_object__in=built):
        row = built[grant.content_object_id]
        how = "Creator and admin" if row.subject.created_by_id == person.pk else "Admin"
        row.add(Path(how, ADMIN, since=grant.granted_at))
    ours = roles.team_grants(Connection).filter(group__user=person, content_object__in=built)
    for grant in ours.select_related("group"):
        path = Path("Admin", ADMIN, team=grant.group, since=grant.granted_at)
        built[grant.content_object_id].add(path)
    if person.is_super_admin:
        for row in built.values():
            row.add(Path("Super admin: sees it", May.SEE))
    _explain_use(person, built)
    for credential in sign_ins(person).filter(connection__in=built):
        path = Path("Signed in: calls in their name", May.USE, since=credential.connected_at)
        built[credential.connection_id].add(path)


def _explain_use(person: User, built: dict[Any, Row]) -> None:
    """Through which of their integrations they may use it."""
    belonging = policies.belonging_to(person).values("pk")
    registered = policies.in_force().filter(connection__in=built, integration__in=belonging)
    few = first_few(registered, by="connection", order="integration__name")
    for row in few.select_related("integration"):
        path = Path("Registered with", May.USE, row.integration, since=row.since)
        built[row.connection_id].add(path, unnamed(row))
    of_project = Availability.objects.filter(
        connection__in=built, project__integrations__in=belonging
    )
    through = of_project.annotate(through=F("project__integrations"))
    rows = list(first_few(through, by="connection", order="project__integrations__name"))
    found = Integration.objects.in_bulk({row.through for row in rows})
    for row in rows:
        path = Path("Available to the project of", May.USE, found[row.through])
        built[row.connection_id].add(path, unnamed(row))


def _standings(person: User, among: dict[Any, Row]) -> Iterator[tuple[int, Path]]:
    """As what the person belongs to these integrations."""
    mine = roles.user_grants(Integration).filter(user=person, content_object__in=among)
    for grant in mine:
        yield grant.content_object_id, Path("Admin", ADMIN, since=grant.granted_at)
    ours = roles.team_grants(Integration).filter(group__user=person, content_object__in=among)
    for grant in ours.select_related("group"):
        path = Path("Admin", ADMIN, team=grant.group, since=grant.granted_at)
        yield grant.content_object_id, path
    for joined in person.memberships.filter(integration__in=among):
        yield joined.integration_id, Path("Member", May.SEE | May.USE, since=joined.since)
