"""A page of those who reach a connection, each with its paths: as many queries however many rows."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import F

from connhub.accounts.models import Environment, Role, User
from connhub.connections.models import Connection
from connhub.paging import Page, page
from connhub.sharing import roles

from .. import acting, policies
from ..credentials import may_hand_out
from ..models import Integration, Membership, Registration
from . import who
from .paths import ADMIN, May, Path, Row, first_few, obstacles, unnamed
from .who import Leading


def rows(
    kind: str, connection: Connection, viewer: User, params: Mapping[str, str], text: str = ""
) -> Page:
    """A page of rows of one kind, those that the viewer may see, found by name."""
    leading = Leading.to(connection).seen_by(viewer)
    found = who.matching(kind, who.OF_KIND[kind](connection, leading), text)
    if kind == "keys":
        found = found.select_related("integration", "environment", "issued_by")
    if kind == "integrations":
        found = found.select_related("project")
    shown = page(found, who.ORDERS[kind], params)
    built = {row.pk: Row(row) for row in shown.rows}
    EXPLAIN[kind](connection, viewer, built)
    return Page(list(built.values()), shown.newer, shown.older)


def explain_people(connection: Connection, viewer: User, built: dict[Any, Row]) -> None:
    leading = Leading.to(connection)
    seen, unseen = leading.seen_by(viewer), leading.unseen_by(viewer)
    _as_admins(connection, built)
    _as_super_admins(built)
    _through_integrations(seen, built)
    _as_login_users(connection, seen, built)
    through_unseen = User.objects.filter(policies.belonging_in(unseen.opening), pk__in=built)
    for pk in through_unseen.values_list("pk", flat=True):
        built[pk].add(Path("Through an integration that you cannot see", May.USE))


def _as_admins(connection: Connection, built: dict[Any, Row]) -> None:
    of_it = roles.user_grants(Connection).filter(content_object=connection, user__in=built)
    for grant in of_it:
        how = "Creator and admin" if grant.user_id == connection.created_by_id else "Admin"
        built[grant.user_id].add(Path(how, ADMIN, since=grant.granted_at))
    for grant in _of_teams(Connection, built).filter(content_object=connection):
        since = grant.granted_at
        built[grant.person].add(Path("Admin", ADMIN, team=grant.group, since=since))


def _of_teams(model: type, built: dict[Any, Row]) -> Any:
    """The grants that these people have through their teams, a row for each of them as `person`."""
    grants = roles.team_grants(model).filter(group__user__in=built)
    return grants.annotate(person=F("group__user")).select_related("group")


def _as_super_admins(built: dict[Any, Row]) -> None:
    for row in built.values():
        if row.subject.role == Role.SUPER_ADMIN:
            row.add(Path("Super admin: sees it", May.SEE))


def _through_integrations(leading: Leading, built: dict[Any, Row]) -> None:
    opening = leading.opening.values("pk")
    joined = Membership.objects.filter(integration__in=opening, user__in=built)
    few = first_few(joined.select_related("integration"), by="user", order="integration__name")
    for membership in few:
        path = Path("Member of", May.USE, membership.integration, since=membership.since)
        built[membership.user_id].add(path, unnamed(membership))
    mine = roles.user_grants(Integration).filter(content_object__in=opening, user__in=built)
    named = mine.select_related("content_object")
    for grant in first_few(named, by="user", order="content_object__name"):
        path = Path("Admin of", May.USE, grant.content_object, since=grant.granted_at)
        built[grant.user_id].add(path, unnamed(grant))
    ours = _of_teams(Integration, built).filter(content_object__in=opening)
    named = ours.select_related("content_object")
    for grant in first_few(named, by="person", order="content_object__name"):
        path = Path("Admin of", May.USE, grant.content_object, grant.group, grant.granted_at)
        built[grant.person].add(path, unnamed(grant))


def _as_login_users(connection: Connection, leading: Leading, built: dict[Any, Row]) -> None:
    acted_for = User.objects.filter(policies.belonging_in(leading.calling), pk__in=built)
    signed_in = acting.sign_ins().filter(connection=connection, user__in=acted_for.values("pk"))
    for credential in signed_in.defer("payload"):
        path = Path("Signed in: calls in their name", May.USE, since=credential.connected_at)
        built[credential.user_id].add(path)


def explain_teams(connection: Connection, viewer: User, built: dict[Any, Row]) -> None:
    opening = Leading.to(connection).seen_by(viewer).opening.values("pk")
    of_it = roles.team_grants(Connection).filter(content_object=connection, group__in=built)
    for grant in of_it:
        built[grant.group_id].add(Path("Admin", ADMIN, since=grant.granted_at))
    through = roles.team_grants(Integration).filter(content_object__in=opening, group__in=built)
    named = through.select_related("content_object")
    for grant in first_few(named, by="group", order="content_object__name"):
        path = Path("Admin of", May.USE, grant.content_object, since=grant.granted_at)
        built[grant.group_id].add(path, unnamed(grant))


def explain_integrations(connection: Connection, viewer: User, built: dict[Any, Row]) -> None:
    registrations = _registrations(connection, built)
    for pk, row in built.items():
        for path in paths_of(row.subject, registrations.get(pk)):
            row.add(path)


def explain_keys(connection: Connection, viewer: User, built: dict[Any, Row]) -> None:
    whose = who.integrations(connection, Leading.to(connection).seen_by(viewer))
    ids = {row.subject.integration_id for row in built.values()}
    by_integration = {integration.pk: integration for integration in whose.filter(pk__in=ids)}
    registrations = _registrations(connection, ids)
    failing = obstacles(connection, Environment.objects.all())
    fetching = May.FETCH if may_hand_out(connection) else May.NOTHING
    for row in built.values():
        integration = by_integration[row.subject.integration_id]
        row.obstacle = failing.get(row.subject.environment, "")
        for path in paths_of(integration, registrations.get(integration.pk)):
            row.add(Path(path.how, path.may | fetching, since=path.since))


def _registrations(connection: Connection, ids: Any) -> dict[int, Registration]:
    found = Registration.objects.filter(connection=connection, integration__in=list(ids))
    return {row.integration_id: row for row in found}


def paths_of(integration: Integration, registration: Registration | None) -> Sequence[Path]:
    """Why an integration of `who.integrations` may call over the connection."""
    found: list[Path] = []
    if registration:
        found.append(Path(registration.get_how_display(), May.USE, since=registration.since))
    if getattr(integration, "is_of_project", False):
        found.append(Path("Available to its project", May.USE))
    if not found:
        found.append(Path("Not registered, a saved flow, app or function still uses it", May.USE))
    return found


EXPLAIN = {
    "people": explain_people, "teams": explain_teams,
    "integrations": explain_integrations, "keys": explain_keys,
}  # fmt: skip
