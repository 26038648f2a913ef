"""In which integrations connections may be used, for whom they are, and what replaces them."""

from http import HTTPStatus
from typing import Annotated, Any

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from ninja import Query, Schema
from ninja import Status as Answer
from pydantic import Field

from connhub.accounts.permissions import require
from connhub.connections.models import Connection
from connhub.paging import page

from ... import audience, registration, replacing
from ...availability import audience_of, narrow
from ...forms import AvailabilityForm, RegisterForm, ReplaceForm
from ...models import Integration
from ...projects import BY_LINK_NAME
from . import answers, bodies
from .pages import Cursor, Limit, link
from .router import router
from .tokens import Call
from .typed import query_of, require_valid

IN = "/integrations/{slug:slug}/connections"
AVAILABILITY = "/connections/{slug:link_name}/availability"
REPLACEMENT = "/connections/{slug:link_name}/replacement"


def _visible(request: Call, slug: str) -> Integration:
    return get_object_or_404(Integration.objects.visible_to(request.user), slug=slug)


def _open(request: Call, slug: str) -> Integration:
    """The integration, for somebody who may change by hand what is registered there."""
    integration = _visible(request, slug)
    require(request.user, "integration.register", integration)
    registration.require_by_hand(integration)
    return integration


class UsableOut(Schema):
    """A connection that the integration's flows may use."""

    link_name: str
    name: str
    service: str
    how: str | None = Field(description="How it was registered: by_hand, created, automatic.")
    used: bool = Field(description="Whether a flow of the integration uses it.")


class UsableList(Schema):
    connections: list[UsableOut]
    next: str | None


@router.get(IN, response=UsableList, summary="What an integration's flows may use")
def list_usable(
    request: Call,
    response: HttpResponse,
    slug: str,
    before: Cursor = "",
    after: Cursor = "",
    limit: Limit = 50,
):
    """By name: registered there, available to its project, or still used."""
    integration = _visible(request, slug)
    own = Connection.objects.visible_to(request.user)
    rows = registration.for_listing(integration, own)
    found = page(rows, BY_LINK_NAME, {"before": before, "after": after}, limit)
    return {"connections": [_usable(each) for each in found.rows],
            "next": link(request, response, found)}  # fmt: skip


def _usable(connection: Any) -> dict[str, Any]:
    here = connection.registered_here
    return {
        "link_name": connection.link_name,
        "name": connection.name,
        "service": connection.service.slug,
        "how": here[0].how if here else None,
        "used": connection.is_used,
    }


class RegisteredOut(Schema):
    registered: bool = Field(description="Whether it is only now.")


@router.put(
    f"{IN}/{{slug:link_name}}",
    response={200: RegisteredOut, 201: RegisteredOut},
    summary="Register a connection with an integration",
)
def register_connection(request: Call, slug: str, link_name: str):
    """Its flows may use it then, and its members see the exports and imports over it."""
    integration = _open(request, slug)
    if integration.connections.filter(link_name=link_name, deleted_at=None).exists():
        return Answer(HTTPStatus.OK, {"registered": False})
    form = RegisterForm(
        query_of({"connections": [link_name]}), integration=integration, by=request.user
    )
    require_valid(form, named=lambda field: "link_name")
    added = registration.register(integration, form.cleaned_data["connections"], by=request.user)
    return Answer(HTTPStatus.CREATED, {"registered": bool(added)})


@router.delete(f"{IN}/{{slug:link_name}}", response={204: None}, summary="Deregister a connection")
def deregister_connection(request: Call, slug: str, link_name: str):
    """Saved flows go on using it; new ones can't select it."""
    integration = _open(request, slug)
    registered = integration.connections.filter(deleted_at=None)
    connection = get_object_or_404(registered, link_name=link_name)
    registration.deregister(integration, connection, by=request.user)


class AudienceOut(Schema):
    """Whom a connection is available to: the whole account, one project or one integration."""

    to: str = Field(description="account, project or integration")
    project: str | None
    integration: str | None


def _available(request: Call, link_name: str, action: str) -> Connection:
    connection = get_object_or_404(Connection.objects.visible_to(request.user), link_name=link_name)
    require(request.user, action, connection)
    return connection


def _audience(connection: Connection) -> dict[str, str | None]:
    now = audience_of(connection)
    return {
        "to": audience.kind_of(now),
        "project": now.project.slug if now.project else None,
        "integration": now.integration.slug if now.integration else None,
    }


@router.get(AVAILABILITY, response=AudienceOut, summary="Whom a connection is available to")
def get_availability(request: Call, link_name: str):
    """For its admins."""
    return _audience(_available(request, link_name, "connection.make_available"))


class AvailabilityIn(bodies.AudienceIn):
    stops: bool = Field(
        False, description="Yes to what stops working in integrations that lose it."
    )


@router.put(AVAILABILITY, response=AudienceOut, summary="Change whom it is available to")
def set_availability(request: Call, link_name: str, body: AvailabilityIn):
    """One project, one integration (which registers it there), or with neither: the whole account."""
    connection = _available(request, link_name, "connection.make_available")
    sent = query_of(bodies.audience(body) | {"stops": body.stops})
    form = AvailabilityForm(sent, connection=connection, by=request.user)
    require_valid(form)
    narrow(connection, form.audience, by=request.user)
    return _audience(connection)


class ReplacementOut(Schema):
    """What would move to the other connection, and in what that falls short."""

    steps: int
    data_objects: int
    functions: int
    integrations: list[str]
    missing_scopes: list[str]
    worse: dict[str, str] = Field(description="Where the other one stands worse, and how.")


def _replacement(request: Call, link_name: str, to: str) -> tuple[Connection, Connection]:
    connection = _available(request, link_name, "connection.replace")
    candidates = replacing.candidates(connection, request.user)
    form = ReplaceForm(query_of({"to": to}), candidates=candidates)
    require_valid(form)
    return connection, form.cleaned_data["to"]


def _preview(old: Connection, new: Connection) -> dict[str, Any]:
    found = replacing.preview(old, new)
    named = ("steps", "data_objects", "functions", "missing_scopes")
    return {name: getattr(found, name) for name in named} | {
        "integrations": [each.slug for each in found.integrations],
        "worse": {each.environment.slug: answers.word(each.status) for each in found.worse},
    }


To = Annotated[str, Query(description="The link name of the connection that takes over.")]


@router.get(REPLACEMENT, response=ReplacementOut, summary="What replacing it would move")
def preview_replacement(request: Call, link_name: str, to: To):
    """Nothing is moved yet."""
    return _preview(*_replacement(request, link_name, to))


class ReplaceIn(bodies.Body):
    to: str = Field(description="The link name of the connection that takes over.")


@router.post(REPLACEMENT, response=ReplacementOut, summary="Replace it everywhere")
def replace_connection(request: Call, link_name: str, body: ReplaceIn):
    """All steps, data objects, functions and registrations become the other's: what is answered."""
    old, new = _replacement(request, link_name, body.to)
    moved = _preview(old, new)
    replacing.replace(old, by_connection=new, by=request.user)
    return moved
