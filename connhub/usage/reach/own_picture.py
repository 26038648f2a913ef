"""What a person reaches, as a picture; of many, the first few and how many more."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from django.contrib.auth.models import Group
from django.db.models import Exists, F, OuterRef, QuerySet

from connhub.accounts.models import Team, User
from connhub.connections.models import Connection
from connhub.sharing import roles

from .. import policies
from ..models import Availability, Integration, Registration
from . import own
from .drawing import Band, Drawing, Node, counted, draw, folded, more
from .paths import SHOWN, first_few

NOUN = "connection"


def picture_of(person: User) -> Drawing:
    """The person, their teams, the integrations that they belong to, the connections of all these.

    It says what the rows of `own` say, so that whoever may read those may see it.
    """
    bands: list[Band] = []
    if person.is_active:
        bands += _direct(person)
        bands += _through_teams(person)
        bands += _through_integrations(person)
        bands += _for_calls(person)
        bands += _seen_only(person)
    return draw(bands, Node(str(person), person.get_role_display(), "target"), is_source=True)


def _direct(person: User) -> Iterator[Band]:
    grants = roles.user_grants(Connection).filter(user=person, content_object__deleted_at=None)
    rows, total = _few(grants.select_related("content_object"), "content_object__name")
    nodes = [Node(row.content_object.name, _as_admin(row.content_object, person)) for row in rows]
    if nodes:
        yield Band(right=folded(nodes, total, NOUN))


def _as_admin(connection: Connection, person: User) -> str:
    return "creator and admin" if connection.created_by_id == person.pk else "admin"


def _through_teams(person: User) -> Iterator[Band]:
    grants = roles.team_grants(Connection).filter(content_object__deleted_at=None)
    teams = Team.objects.filter(user=person, pk__in=grants.values("group"))
    shown, rest = _first(teams)
    nodes, totals = _grouped()
    few = first_few(grants.filter(group__in=shown), by="group", order="content_object__name")
    for row in few.select_related("content_object"):
        nodes[row.group_id].append(Node(row.content_object.name, "admin"))
        totals[row.group_id] = row.total
    for team in shown:
        right = folded(nodes[team.pk], totals[team.pk], NOUN)
        yield Band([_of(team)], right=right)
    if rest:
        yield Band([more(rest, "team")])


def _of(team: Group) -> Node:
    return Node(team.name, "team · admin")


def _through_integrations(person: User) -> Iterator[Band]:
    itself = {"content_object": OuterRef("pk"), "user": person}
    joined = person.memberships.filter(integration=OuterRef("pk"))
    belonging = policies.belonging_to(person).annotate(
        is_admin=Exists(roles.user_grants(Integration).filter(**itself)), is_member=Exists(joined)
    )
    shown, rest = _first(belonging)
    teams, connections = _teams_to(person, shown), _connections_of(shown)
    for each in shown:
        words = {"admin": each.is_admin, "member": each.is_member}
        standing = ", ".join(word for word, holds in words.items() if holds)
        if through := teams[each.pk]:
            left = [*through, Node("Directly", standing)] if standing else through
            yield Band(left, Node(each.name, "integration"), connections[each.pk])
        else:
            node = Node(each.name, f"integration · {standing}")
            yield Band(middle=node, right=connections[each.pk])
    if rest:
        yield Band(middle=more(rest, "integration"))


def _teams_to(person: User, integrations: list[Integration]) -> dict[int, list[Node]]:
    """By integration: the teams through which the person administers it."""
    ours = roles.team_grants(Integration).filter(
        content_object__in=integrations, group__user=person
    )
    nodes, totals = _grouped()
    few = first_few(ours.select_related("group"), by="content_object", order="group__name")
    for row in few:
        nodes[row.content_object_id].append(_of(row.group))
        totals[row.content_object_id] = row.total
    return defaultdict(list, {pk: folded(of, totals[pk], "team") for pk, of in nodes.items()})


def _connections_of(integrations: list[Integration]) -> dict[int, list[Node]]:
    """By integration: what its people may use, because it is registered or of its project."""
    nodes, totals = _grouped()
    registered = policies.in_force().filter(
        integration__in=integrations, connection__deleted_at=None
    )
    few = first_few(registered, by="integration", order="connection__name")
    for row in few.select_related("connection"):
        nodes[row.integration_id].append(Node(row.connection.name, "registered"))
        totals[row.integration_id] += row.total if row.nth == 1 else 0
    few = first_few(_of_project(integrations), by="through", order="connection__name")
    for row in few.select_related("connection"):
        nodes[row.through].append(Node(row.connection.name, "of its project"))
        totals[row.through] += row.total if row.nth == 1 else 0
    return defaultdict(list, {pk: folded(of, totals[pk], NOUN) for pk, of in nodes.items()})


def _of_project(integrations: list[Integration]) -> QuerySet:
    """What is available to their projects and not registered besides; `through` is which one's."""
    there = Availability.objects.filter(
        project__integrations__in=integrations, connection__deleted_at=None
    ).annotate(through=F("project__integrations"))
    both = Registration.objects.filter(
        connection=OuterRef("connection"), integration=OuterRef("through")
    )
    return there.exclude(Exists(both))


def _for_calls(person: User) -> Iterator[Band]:
    """What calls are made over in the person's name, with what they signed in with."""
    signed_in = own.sign_ins(person).values("connection")
    rows, total = _few(Connection.objects.live().filter(pk__in=signed_in), "name")
    nodes = [Node(row.name, "signed in: calls as them") for row in rows]
    if nodes:
        yield Band(right=folded(nodes, total, NOUN))


def _seen_only(person: User) -> Iterator[Band]:
    if not person.is_super_admin:
        return
    if count := Connection.objects.live().exclude(own.used(person)).count():
        yield Band(right=[Node(counted(count, NOUN), "super admin: sees them")], is_open=False)


def _few(things: QuerySet, order: str) -> tuple[list[Any], int]:
    """The first of them, and how many they are."""
    first = list(things.order_by(order, "pk")[: SHOWN + 1])
    return first, len(first) if len(first) <= SHOWN else things.count()


def _first(things: QuerySet[Any]) -> tuple[list[Any], int]:
    """Those that get a band of their own, and how many more there are."""
    first, total = _few(things, "name")
    return first[:SHOWN], max(0, total - SHOWN)


def _grouped() -> tuple[dict[int, list[Node]], dict[int, int]]:
    return defaultdict(list), defaultdict(int)
