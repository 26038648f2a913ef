"""Looking at connections."""

from datetime import date, datetime
from typing import Any, Literal

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from ninja import Query, Schema
from pydantic import Field

from connhub.accounts.models import Environment
from connhub.audit.looking import look_for
from connhub.connections import listing, restoring
from connhub.connections.called import by_day
from connhub.connections.forms import FilterForm
from connhub.connections.impact import impact_of, used_lately
from connhub.connections.models import Connection, Status
from connhub.context import numbers

from ...calls import reading
from . import answers
from .pages import Cursor, Limit, link
from .router import router
from .tokens import Call
from .typed import query_of, require_valid

Standing = Literal["connected", "not_connected", "revoked", "failing", "reconnect_needed"]


class ConnectionList(Schema):
    connections: list[answers.RowOut]
    next: str | None = Field(description="The URL of the next page, if there is one.")


class Filters(Schema):
    """As on the listing."""

    q: str = Field("", description="A part of the name or link name.")
    show: Literal["", "mine", "shared"] = ""
    service: str = Field("", description="Its slug.")
    status: Standing | None = None
    environment: str = Field("", description="Connections that serve it, by its slug.")
    tag: str = ""
    integration: str = Field("", description="Registered with it, by its slug.")
    unused: Literal["30", "90", "180", "365"] | None = Field(None, description="For so many days.")
    sort: Literal["name", "status", "created", "modified"] = "name"


@router.get("/connections", response=ConnectionList, summary="The connections that you see")
def list_connections(
    request: Call,
    response: HttpResponse,
    filters: Query[Filters],
    before: Cursor = "",
    after: Cursor = "",
    limit: Limit = 50,
):
    """Filtered and sorted as on the listing; super admins see all."""
    user, environments = request.user, list(Environment.objects.all())
    seen = listing.Seen(user, numbers(request)[listing.URL_NAME])
    form = filtered(filters, seen.choices, environments)
    found = listing.rows(
        seen.narrowed(form.wanted),
        form.sorting,
        {"before": before, "after": after},
        user,
        environments,
        limit,
    )
    rows = [answers.row(each, settings.CONNHUB_URL) for each in found.rows]
    return {"connections": rows, "next": link(request, response, found)}


def filtered(filters: Filters, choices: listing.Choices, environments: Any = None) -> FilterForm:
    """The listing's form, filled in. Raises: InvalidFields."""
    wanted = filters.dict()
    wanted["status"] = filters.status and Status[filters.status.upper()].value
    form = FilterForm(query_of(wanted), choices, environments or Environment.objects.all())
    require_valid(form)
    return form


def seen_of(request: Call, link_name: str) -> Connection:
    """The connection with all that its answer shows: 404 for those who don't see it."""
    visible = Connection.objects.visible_to(request.user).for_summary()
    whole = visible.prefetch_related("settings__environment")
    return get_object_or_404(whole, link_name=link_name)


def answer(request: Call, response: HttpResponse, link_name: str, **more: Any) -> dict[str, Any]:
    """What is said of a connection as it is now, its version in the header ETag."""
    connection = seen_of(request, link_name)
    stages = listing.stages(connection, list(Environment.objects.all()))
    response["ETag"] = f'"{connection.version}"'
    return answers.whole(connection, stages, settings.CONNHUB_URL) | more


@router.get(
    "/connections/{slug:link_name}", response=answers.ConnectionOut, summary="One connection"
)
def get_connection(request: Call, response: HttpResponse, link_name: str):
    """With its settings and what is known of its credentials. ETag is its version."""
    return answer(request, response, link_name)


class DeletedOut(Schema):
    """A connection that can still be restored."""

    link_name: str
    name: str
    service: str
    deleted_at: datetime
    until: datetime = Field(description="Until when it can be restored.")


class DeletedList(Schema):
    connections: list[DeletedOut]


@router.get("/deleted-connections", response=DeletedList, summary="What you may still restore")
def list_deleted(request: Call):
    """The 200 deleted last, for 30 days."""
    found = restoring.restorable(request.user)[:200]
    rows = [
        {
            "link_name": each.link_name,
            "name": each.name,
            "service": each.service.slug,
            "deleted_at": each.deleted_at,
            "until": each.until,  # type: ignore[attr-defined]
        }
        for each in found
    ]
    return {"connections": rows}


class EventOut(Schema):
    """Something on record."""

    sequence: int
    at: datetime
    sentence: str
    actor: str
    action: str
    outcome: str
    fields: list[str]
    request_id: str


class EventList(Schema):
    events: list[EventOut]
    next: str | None


@router.get(
    "/connections/{slug:link_name}/activity",
    response=EventList,
    summary="What is on record about a connection",
)
def list_activity(
    request: Call,
    response: HttpResponse,
    link_name: str,
    before: Cursor = "",
    after: Cursor = "",
):
    """Newest first. That somebody looked is on record, too."""
    connection = get_object_or_404(Connection.objects.visible_to(request.user), link_name=link_name)
    found = look_for(connection, {"before": before, "after": after}, by=request.user)
    return {"events": found.rows, "next": link(request, response, found)}


class DayOut(Schema):
    day: date
    ok: int
    failed: int


class CallsOut(Schema):
    """Calls over a connection in the last 30 days, and how long they took."""

    calls: int
    failed: int
    p50_ms: int | None
    p95_ms: int | None
    days: list[DayOut]


@router.get(
    "/connections/{slug:link_name}/calls", response=CallsOut, summary="Calls of the last 30 days"
)
def get_calls(request: Call, link_name: str):
    """By day, oldest first."""
    connection = get_object_or_404(Connection.objects.visible_to(request.user), link_name=link_name)
    days, latency = by_day(connection=connection), reading.latency(connection=connection)
    failed = sum(day["failed"] for day in days)
    return {
        "calls": failed + sum(day["ok"] for day in days),
        "failed": failed,
        "p50_ms": latency.p50,
        "p95_ms": latency.p95,
        "days": days,
    }


class AffectedOut(Schema):
    """Things of one kind that use it: the first few that you may see, by name."""

    kind: str
    names: list[str]
    total: int
    hidden: int = Field(description="How many of these you may not see.")


class CalledOut(Schema):
    environment: str
    calls: int
    last_at: datetime | None


class ImpactOut(Schema):
    """What revoking, disabling or deleting a connection would break."""

    affected: list[AffectedOut]
    people: int = Field(description="Members of the integrations that it is registered with.")
    calls: list[CalledOut]
    last_used_at: datetime | None
    confirm: bool = Field(description="Whether these calls want its link name as `confirm`.")


@router.get("/connections/{slug:link_name}/impact", response=ImpactOut, summary="What would break")
def get_impact(request: Call, link_name: str):
    """Ask this before you revoke, disable or delete it."""
    connection = get_object_or_404(Connection.objects.visible_to(request.user), link_name=link_name)
    impact = impact_of(connection, request.user)
    return {
        "affected": [
            {"kind": each.noun, "names": each.names, "total": each.total, "hidden": each.hidden}
            for each in impact.affected
        ],
        "people": impact.people,
        "calls": [
            {"environment": each.environment.slug, "calls": each.count, "last_at": each.last_at}
            for each in impact.calls
        ],
        "last_used_at": impact.last_used_at,
        "confirm": connection.pk in used_lately([connection]),
    }
