"""Flow engines say what their flows use, and see what they said."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Literal

from django.db.models import Count
from django.http import HttpResponse
from ninja import Path, Query, Router, Schema
from ninja import Status as Answer
from pydantic import AfterValidator, Field, StringConstraints

from .. import flows
from ..models import Flow, IntegrationKey
from ..registration import NotRegistered
from .conditional import (
    IfAbsent,
    IfMatch,
    IfNoneMatch,
    is_known,
    not_modified,
    only_if,
    tag_of,
)
from .fields import Line, LinkName
from .openapi import ETAG, LINK, may_refuse
from .paging import Limit, cut, link_next

router = Router(tags=["Flows"])

Slug = Annotated[str, StringConstraints(min_length=1, max_length=60, pattern=r"^[A-Za-z0-9_-]+$")]
FlowSlug = Annotated[
    Slug,
    Path(**{"not": {"enum": list(flows.RESERVED)}}),
    AfterValidator(flows.not_reserved),
]


class StepIn(Schema):
    """An export (reads from a service) or an import (writes to one)."""

    name: Line
    kind: Literal["export", "import"]
    connection: LinkName = Field(description="The connection's link name.")


def _named_once(steps: list[StepIn]) -> list[StepIn]:
    if len({step.name for step in steps}) < len(steps):
        raise ValueError("two steps have the same name")
    return steps


class FlowIn(Schema):
    name: Line
    steps: Annotated[
        list[StepIn],
        Field(max_length=flows.MOST_STEPS, description="No two of the same name."),
        AfterValidator(_named_once),
    ]


class FlowSaved(Schema):
    slug: Slug
    name: Line
    registered: list[LinkName] = Field(description="Link names registered because of this call.")
    reminder: str | None = Field(None, description="Who gained access by that.")


class FlowOut(Schema):
    """A flow of the key's integration."""

    slug: Slug
    name: Line
    steps: list[StepIn]
    saved_at: datetime


class FlowRow(Schema):
    slug: Slug
    name: Line
    steps: int = Field(ge=0, description="How many steps it has.")
    saved_at: datetime


class FlowList(Schema):
    flows: list[FlowRow]
    next: str | None = Field(None, description="Where there is more: the next call's `after`.")


@router.get(
    "/flows",
    response=FlowList,
    operation_id="list_flows",
    summary="The flows of this key's integration",
    **may_refuse(headers={200: {"Link": LINK}}),
)
def list_flows(
    request,
    response: HttpResponse,
    after: Annotated[Slug | None, Query(description="Only slugs after this one.")] = None,
    limit: Limit = 50,
):
    """Sorted by slug."""
    rows = Flow.objects.filter(integration=request.auth.integration).order_by("slug")
    if after:
        rows = rows.filter(slug__gt=after)
    found, more = cut(rows, limit, "slug")
    steps = dict(
        Flow.objects.filter(pk__in=[each.pk for each in found])
        .order_by()
        .values_list("pk", Count("steps"))
    )
    link_next(request, response, more, limit)
    shown = [
        {"slug": f.slug, "name": f.name, "steps": steps[f.pk], "saved_at": f.saved_at}
        for f in found
    ]
    return {"flows": shown, "next": more}


@router.get(
    "/flows/{slug}",
    response=FlowOut,
    operation_id="get_flow",
    summary="One flow",
    **may_refuse(flows.NoSuchFlow, headers={200: {"ETag": ETAG}}, statuses=[304]),
)
def get_flow(request, response: HttpResponse, slug: FlowSlug, known: IfNoneMatch = None):
    """Its steps, sorted by name, and over which connections they go."""
    flow = Flow.objects.filter(integration=request.auth.integration, slug=slug).first()
    if flow is None:
        raise flows.NoSuchFlow
    tag = tag_of(flows.version_of(flow))
    if is_known(tag, known):
        return not_modified(tag)
    response["ETag"] = tag
    return {
        "slug": flow.slug,
        "name": flow.name,
        "steps": [
            {"name": name, "kind": kind, "connection": connection}
            for name, kind, connection in flows.steps_of(flow)
        ],
        "saved_at": flow.saved_at,
    }


@router.put(
    "/flows/{slug}",
    response={200: FlowSaved, 201: FlowSaved},
    operation_id="declare_flow",
    summary="Declare a flow",
    **may_refuse(
        *(NotRegistered, flows.NotOfTheApp, flows.FlowSlugTaken, flows.FlowChanged),
        headers={200: {"ETag": ETAG}, 201: {"ETag": ETAG}},
    ),
)
def declare_flow(
    request,
    response: HttpResponse,
    slug: FlowSlug,
    flow: FlowIn,
    match: IfMatch = None,
    none_match: IfAbsent = None,
):
    """Says which connections a flow's steps use. Saying the same again changes nothing."""
    steps = [flows.DeclaredStep(**step.dict()) for step in flow.steps]
    saved = flows.declare(
        slug, name=flow.name, steps=steps, by=request.auth, only_if=only_if(match, none_match)
    )
    registered = sorted(connection.link_name for connection in saved.registered)
    response["ETag"] = tag_of(flows.version_of(saved.flow))
    said = {
        "slug": slug,
        "name": flow.name,
        "registered": registered,
        "reminder": reminder(request.auth) if registered else None,
    }
    return Answer(HTTPStatus.CREATED if saved.is_new else HTTPStatus.OK, said)


@router.delete(
    "/flows/{slug}",
    response={204: None},
    operation_id="withdraw_flow",
    summary="Take a flow away",
    **may_refuse(flows.NoSuchFlow, flows.FlowChanged),
)
def withdraw_flow(request, slug: FlowSlug, match: IfMatch = None):
    """With its steps. Connections that were registered because of it stay registered."""
    flows.withdraw(slug, by=request.auth, only_if=only_if(match, None))
    return Answer(HTTPStatus.NO_CONTENT, None)


def reminder(key: IntegrationKey) -> str:
    """Who gained access by what was registered."""
    members = key.integration.memberships.count()
    who = "1 member sees" if members == 1 else f"{members} members see"
    return f"{key.integration}: {who} these connections now, and exports and imports over them."
