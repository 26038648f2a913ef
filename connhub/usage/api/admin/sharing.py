"""Who administers connections; connect links; whose sign-ins a connection has."""

from datetime import datetime
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from ninja import Schema
from ninja import Status as Answer
from pydantic import Field

from connhub.accounts.models import Environment, Team, User
from connhub.accounts.permissions import require
from connhub.connections import login_users, sign_ins
from connhub.connections.connect_link_forms import ConnectLinkForm
from connhub.connections.connect_links import making
from connhub.connections.models import Connection
from connhub.connections.views.changing import administered
from connhub.lookup import named_or_404
from connhub.paging import page
from connhub.sharing import admins as operations
from connhub.sharing import listing, policies, roles

from . import answers
from .bodies import Body, Text
from .pages import Cursor, Limit, link
from .refusals import InvalidFields, PersonNeeded
from .router import router
from .tokens import Call
from .typed import query_of, require_valid

ADMINS = "/connections/{slug:link_name}/admins"
LINKS = "/connections/{slug:link_name}/connect-links"
SIGN_INS = "/connections/{slug:link_name}/sign-ins"


class AdminOut(Schema):
    """A person or a team that administers the connection."""

    kind: str = Field(description="person or team")
    id: UUID
    name: str
    email: str | None
    since: datetime
    by: str | None
    to_self: bool = Field(description="Whether a super admin shared it to themself.")


class AdminList(Schema):
    admins: list[AdminOut]
    next: str | None


def _seen(request: Call, link_name: str) -> Connection:
    visible = Connection.objects.visible_to(request.user).select_related("service")
    return get_object_or_404(visible, link_name=link_name)


def _shared(request: Call, link_name: str) -> Connection:
    connection = _seen(request, link_name)
    policies.require_share(request.user, connection)
    return connection


@router.get(ADMINS, response=AdminList, summary="Who administers a connection")
def list_admins(
    request: Call, response: HttpResponse, link_name: str, before: Cursor = "", after: Cursor = ""
):
    """Teams first, then people by name."""
    connection = _seen(request, link_name)
    policies.require_see_admins(request.user, connection)
    found = listing.rows(connection, {"before": before, "after": after})
    teams = Team.objects.in_bulk([row.admin.pk for row in found.rows if row.is_team])
    rows = [_admin(row, teams) for row in found.rows]
    return {"admins": rows, "next": link(request, response, found)}


def _admin(row: listing.Row, teams: dict[int, Any]) -> dict[str, Any]:
    admin: Any = teams[row.admin.pk] if row.is_team else row.admin
    return {
        "kind": "team" if row.is_team else "person",
        "id": admin.public_id,
        "name": admin.name,
        "email": None if row.is_team else admin.email,
        "since": row.since,
        "by": str(row.by) if row.by else None,
        "to_self": row.to_self,
    }


class NewAdmins(Body):
    """People by e-mail address, teams by name."""

    people: list[Text] = []
    teams: list[Text] = []


class AddedOut(Schema):
    added: list[str] = Field(description="The names of those who administer it only now.")


@router.post(ADMINS, response=AddedOut, summary="Add admins")
def add_admins(request: Call, link_name: str, body: NewAdmins):
    """They may do with the connection what you may. People are told by letter."""
    connection = _shared(request, link_name)
    added = operations.add(connection, chosen(body), by=request.user)
    return {"added": [str(each) for each in added]}


def chosen(body: NewAdmins) -> list[operations.Admin]:
    """The people and teams that are named. Raises: InvalidFields, if one isn't there."""
    emails = {email.strip().lower(): email for email in body.people}
    people = {each.email: each for each in User.objects.filter(email__in=emails, is_active=True)}
    teams = {each.name: each for each in Team.objects.filter(name__in=body.teams)}
    errors: dict[str, list[str]] = {}
    if emails.keys() - people.keys():
        errors["people"] = ["There is no active person with one of these addresses."]
    if set(body.teams) - teams.keys():
        errors["teams"] = ["There is no team of one of these names."]
    if not (emails or body.teams):
        errors["people"] = ["Name at least one person or team."]
    if errors:
        raise InvalidFields(errors)
    return [*people.values(), *teams.values()]


@router.delete(
    f"{ADMINS}/people/{{uuid:public_id}}", response={204: None}, summary="Remove a person"
)
def remove_person(request: Call, link_name: str, public_id: UUID):
    """From the next request on they administer it no more; somebody always stays."""
    _remove(request, link_name, User, public_id)


@router.delete(f"{ADMINS}/teams/{{uuid:public_id}}", response={204: None}, summary="Remove a team")
def remove_team(request: Call, link_name: str, public_id: UUID):
    """The same for all who administer it through this team alone."""
    _remove(request, link_name, Team, public_id)


def _remove(request: Call, link_name: str, model: Any, public_id: UUID) -> None:
    connection = _shared(request, link_name)
    admin = get_object_or_404(model, public_id=public_id)
    if not roles.grants_of(connection, admin).exists():
        raise Http404
    operations.remove(connection, admin, by=request.user)


@router.post(f"{ADMINS}/myself", response={204: None}, summary="Share to yourself")
def share_to_self(request: Call, link_name: str):
    """Refused: a super admin does this on the page, having just shown who they are."""
    connection = _seen(request, link_name)
    policies.require_share_to_self(request.user, connection)
    url = reverse("connection_share:to_self", args=[link_name])
    raise PersonNeeded(links=[("Share to myself", url)])


@router.delete(f"{ADMINS}/myself", response={204: None}, summary="Undo sharing to yourself")
def undo_share_to_self(request: Call, link_name: str):
    """For a super admin who shared it to themself."""
    connection = _seen(request, link_name)
    policies.require_see_admins(request.user, connection)
    operations.undo_share_to_self(connection, by=request.user)


# --- Connect links --------------------------------------------------------------------------------


class LinkOut(Schema):
    """A link with which somebody else connects it, once, within 24 hours."""

    id: UUID
    environment: str | None
    made_by: str
    made_at: datetime
    expires_at: datetime
    email: str
    note: str
    opened_at: datetime | None
    url: str | None = Field(None, description="The link itself: to be had only when it is made.")


class LinkList(Schema):
    links: list[LinkOut]


def _link(made: Any) -> dict[str, Any]:
    named = ("id", "made_at", "expires_at", "email", "note", "opened_at")
    place = made.environment and made.environment.slug
    return {name: getattr(made, name) for name in named} | {
        "environment": place,
        "made_by": str(made.made_by),
    }


@router.get(LINKS, response=LinkList, summary="The open connect links")
def list_links(request: Call, link_name: str):
    """Without the links themselves."""
    connection = administered(request, link_name, to="send_connect_link")
    found = connection.connect_links.open().select_related("made_by", "environment")
    return {"links": [_link(each) for each in found]}


class LinkIn(Body):
    environment: str = Field("", description="Its slug, or all; where there is a choice.")
    email: str = ""
    note: str = ""


@router.post(LINKS, response={201: LinkOut}, summary="Make a connect link")
def make_link(request: Call, link_name: str, body: LinkIn, environment: str = ""):
    """For whoever owns the outside account. `environment` in the query names one without its own."""
    connection = administered(request, link_name, to="send_connect_link")
    named = named_or_404(Environment, slug=environment) if environment else None
    if named:
        require(request.user, "environment.connect_in", named)
    blank = ConnectLinkForm(connection=connection, by=request.user, named=named)
    said = {name: text for name, text in body.said.items() if text}
    sent = query_of({"environment": blank.initial.get("environment")} | said)
    form = ConnectLinkForm(sent, connection=connection, by=request.user, named=named)
    if not form.found:
        raise PermissionDenied
    making.require_offered(connection)
    require_valid(form, said)
    made, token = making.make(connection, by=request.user, **form.details)
    return Answer(HTTPStatus.CREATED, _link(made) | {"url": making.address_of(token)})


@router.delete(f"{LINKS}/{{uuid:pk}}", response={204: None}, summary="Withdraw a connect link")
def withdraw_link(request: Call, link_name: str, pk: UUID):
    """From the next request on it is good for nothing."""
    connection = administered(request, link_name, to="send_connect_link")
    found = get_object_or_404(connection.connect_links.select_related("connection"), pk=pk)
    making.withdraw(found, by=request.user)


# --- Sign-ins of login users ----------------------------------------------------------------------


class SignInOut(Schema):
    """A person's own credential of the connection."""

    id: UUID
    person: str
    email: str
    environment: str | None
    status: str
    account: str
    connected_at: datetime | None


class SignInList(Schema):
    sign_ins: list[SignInOut]
    next: str | None


@router.get(SIGN_INS, response=SignInList, summary="Who signed in to a connection")
def list_sign_ins(
    request: Call,
    response: HttpResponse,
    link_name: str,
    before: Cursor = "",
    after: Cursor = "",
    limit: Limit = 50,
):
    """By name; where it uses the credentials of login users."""
    visible = Connection.objects.visible_to(request.user)
    connection = get_object_or_404(visible, link_name=link_name, login_user=True)
    people = page(
        sign_ins.people_of(connection),
        sign_ins.PEOPLE_BY_NAME,
        {"before": before, "after": after},
        limit,
    )
    rows = [_sign_in(person, each) for person in people.rows for each in person.signed_in]
    return {"sign_ins": rows, "next": link(request, response, people)}


def _sign_in(person: User, credential: Any) -> dict[str, Any]:
    return {
        "id": credential.pk,
        "person": str(person),
        "email": person.email,
        "environment": credential.environment and credential.environment.slug,
        "status": answers.word(credential.status),
        "account": credential.account,
        "connected_at": credential.connected_at,
    }


@router.delete(f"{SIGN_INS}/{{uuid:pk}}", response={204: None}, summary="End somebody's sign-in")
def end_sign_in(request: Call, link_name: str, pk: UUID):
    """Their credential is destroyed, here and at the service."""
    connection = administered(request, link_name, to="remove_sign_in")
    theirs = connection.credentials.of_users().select_related(
        "connection__service", "connection__auth_method", "user"
    )
    login_users.sign_out(get_object_or_404(theirs, pk=pk), by=request.user)
