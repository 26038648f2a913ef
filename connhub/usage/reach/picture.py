"""Who reaches a connection, as a picture; of many, the first few and how many more."""

from collections import defaultdict
from collections.abc import Iterator, Mapping

from django.db.models import Count, Exists, Min, OuterRef, Q, QuerySet

from connhub.accounts.models import Role, User
from connhub.connections.models import Connection
from connhub.sharing import roles

from .. import acting
from ..credentials import may_hand_out
from ..models import Availability, Integration, IntegrationKey, Membership, Registration
from .drawing import Band, Drawing, Node, counted, draw, folded, more
from .paths import first_few
from .who import Leading, Tally

INTEGRATIONS = 5


def picture_of(connection: Connection, viewer: User, tallies: Mapping[str, Tally]) -> Drawing:
    """People and teams, the integrations they belong to with the keys of those, the connection."""
    leading = Leading.to(connection).seen_by(viewer)
    shown = list(_leads(connection, leading)[: INTEGRATIONS + 1])
    bands = [*_direct(connection), *_integrations(connection, leading, shown[:INTEGRATIONS])]
    if len(shown) > INTEGRATIONS:
        rest = _leads(connection, leading).count() - INTEGRATIONS
        bands.append(Band(middle=more(rest, "integration")))
    if tallies["integrations"].hidden:
        bands.append(_unseen(tallies))
    return draw(bands, Node(connection.name, str(connection.service), "target"))


def _direct(connection: Connection) -> Iterator[Band]:
    """Those who need no integration: admins, login users, and super admins, who only see it."""
    if admins := [*_admins(connection), *_teams(connection)]:
        yield Band(admins)
    signed_in = acting.sign_ins().filter(connection=connection, user__is_active=True)
    if count := signed_in.values("user").distinct().count():
        yield Band([Node(f"{counted(count, 'person')} signed in", "for calls in their name")])
    itself = Connection.objects.filter(pk=connection.pk)
    super_admins = User.objects.filter(role=Role.SUPER_ADMIN, is_active=True)
    if count := super_admins.exclude(roles.administering(itself)).count():
        yield Band([Node(counted(count, "super admin"), "see it only")], is_open=False)


def _admins(connection: Connection) -> list[Node]:
    grants = roles.user_grants(Connection).filter(content_object=connection, user__is_active=True)
    few = list(first_few(grants.select_related("user"), by="content_object", order="user__name"))
    nodes = [Node(str(grant.user), "admin") for grant in few]
    return folded(nodes, few[0].total if few else 0, "admin")


def _teams(connection: Connection) -> list[Node]:
    grants = roles.team_grants(Connection).filter(content_object=connection)
    few = list(first_few(grants.select_related("group"), by="content_object", order="group__name"))
    nodes = [Node(grant.group.name, "team · admin") for grant in few]
    return folded(nodes, few[0].total if few else 0, "team")


def _leads(connection: Connection, leading: Leading) -> QuerySet:
    """The integrations that lead to it, with what says how."""
    here, project = {"integration": OuterRef("pk")}, {"project": OuterRef("project")}
    either = Q(pk__in=leading.calling.values("pk")) | Q(pk__in=leading.opening.values("pk"))
    return (
        Integration.objects.filter(either)
        .annotate(
            is_calling=Exists(leading.calling.filter(pk=OuterRef("pk"))),
            is_registered=Exists(Registration.objects.filter(connection=connection, **here)),
            is_of_project=Exists(Availability.objects.filter(connection=connection, **project)),
        )
        .order_by("name", "pk")
    )


def _integrations(connection: Connection, leading: Leading, shown: list) -> Iterator[Band]:
    people = _people_of(leading.opening.filter(pk__in=[each.pk for each in shown]))
    keys = _keys_of(connection, [each.pk for each in shown if each.is_calling])
    for each in shown:
        node = Node(each.name, *_standing(each))
        yield Band(people[each.pk], node, keys[each.pk], is_open=each.is_calling)


def _standing(integration) -> tuple[str, str]:
    """The note and the tone of an integration of `_leads`."""
    if not integration.is_calling:
        return "registered, not available", "warn"
    if integration.is_registered:
        return "integration · registered", ""
    return (
        ("of its project", "") if integration.is_of_project else ("in use, not registered", "warn")
    )


def _people_of(integrations: QuerySet[Integration]) -> dict[int, list[Node]]:
    """By integration: its teams, its admins, its members."""
    nodes: dict[int, list[Node]] = defaultdict(list)
    totals: dict[int, int] = defaultdict(int)
    for pk, node, total in _belonging(integrations):
        nodes[pk].append(node)
        totals[pk] += total
    for integration in integrations:
        pk = integration.pk
        nodes[pk] = folded(nodes[pk], totals[pk], "person", f"of {integration}")
    return nodes


def _belonging(integrations: QuerySet[Integration]) -> Iterator[tuple[int, Node, int]]:
    """The first few of each kind; with the first of them, how many they are."""
    ids = integrations.values("pk")
    teams = roles.team_grants(Integration).filter(content_object__in=ids).select_related("group")
    for row in first_few(teams, by="content_object", order="group__name"):
        yield row.content_object_id, Node(row.group.name, "team · admin"), _once(row)
    admins = roles.user_grants(Integration).filter(content_object__in=ids, user__is_active=True)
    for row in first_few(admins.select_related("user"), by="content_object", order="user__name"):
        yield row.content_object_id, Node(str(row.user), "admin"), _once(row)
    same = admins.filter(user=OuterRef("user"), content_object=OuterRef("integration"))
    members = Membership.objects.filter(integration__in=ids, user__is_active=True)
    members = members.exclude(Exists(same)).select_related("user")
    for row in first_few(members, by="integration", order="user__name"):
        yield row.integration_id, Node(str(row.user), "member"), _once(row)


def _once(row) -> int:
    return row.total if row.nth == 1 else 0


def _keys_of(connection: Connection, integrations: list[int]) -> dict[int, list[Node]]:
    """By integration: its usable keys, a box for those of each environment."""
    rights = " · may fetch secret" if may_hand_out(connection) else ""
    grouped = (
        IntegrationKey.objects.usable()
        .filter(integration__in=integrations)
        .order_by("environment__position")
        .values_list("integration", "environment__name")
        .annotate(Count("pk"), Min("name"))
    )
    nodes: dict[int, list[Node]] = defaultdict(list)
    for integration, environment, count, name in grouped:
        title = f"Key {name}" if count == 1 else f"{count:,} keys"
        nodes[integration].append(Node(title, environment + rights))
    return defaultdict(list, {pk: folded(of, len(of), "environment") for pk, of in nodes.items()})


def _unseen(tallies: Mapping[str, Tally]) -> Band:
    count, keys = tallies["integrations"].hidden, tallies["keys"].hidden
    note = f"you cannot see · {counted(keys, 'key')}"
    return Band(middle=Node(counted(count, "integration"), note, "folded"))
