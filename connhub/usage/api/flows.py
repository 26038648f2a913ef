"""Flow engines say what their flows use, and see what they said."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Literal

from django.db.models import Count
from django.http import HttpResponse
from ninja import Query, Router, Schema
from ninja import Status as Answer
from pydantic import AfterValidator, Field

from .. import declaring, flows
from ..flows import SORT
from ..models import Flow
from .conditional import (
    IfAbsent,
    IfMatch,
    IfNoneMatch,
    is_known,
    not_modified,
    only_if,
    tag_of,
)
from .declared import NEXT, OVER, REFUSALS, Registered, registered_by
from .fields import Line, LinkName, Slug, not_reserved, path_but
from .openapi import ETAG, LINK, may_refuse
from .paging import Limit, cut, link_next

router = Router(tags=["Flows"])

FlowSlug = Annotated[Slug, path_but(SORT), not_reserved(SORT)]


class StepIn(Schema):
    """An export (reads from a service) or an import (writes to one)."""

    name: Line
    kind: Literal["export", "import"]
    connection: LinkName = OVER


def _named_once(steps: list[StepIn]) -> list[StepIn]:
    if len({step.name for step in steps}) < len(steps):
        raise ValueError("two steps have the same name")
    return steps


class FlowIn(Schema):
    name: Line
    steps: Annotated[
        list[StepIn],
        Field(max_length=declaring.MOST_USES, description="No two of the same name."),
        AfterValidator(_named_once),
    ]


class FlowSaved(Registered):
    slug: Slug
    name: Line


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
    next: str | None = NEXT


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
    tag = tag_of(declaring.version_of(SORT, flow))
    if is_known(tag, known):
        return not_modified(tag)
    response["ETag"] = tag
    return {
        "slug": flow.slug,
        "name": flow.name,
        "steps": [
            {"name": name, "kind": kind, "connection": connection}
            for name, kind, connection in declaring.uses_of(SORT, flow)
        ],
        "saved_at": flow.saved_at,
    }


@router.put(
    "/flows/{slug}",
    response={200: FlowSaved, 201: FlowSaved},
    operation_id="declare_flow",
    summary="Declare a flow",
    **may_refuse(
        *REFUSALS,
        flows.FlowSlugTaken,
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
    response["ETag"] = tag_of(declaring.version_of(SORT, saved.thing))
    said = {"slug": slug, "name": flow.name, **registered_by(saved, request.auth)}
    return Answer(HTTPStatus.CREATED if saved.is_new else HTTPStatus.OK, said)


@router.delete(
    "/flows/{slug}",
    response={204: None},
    operation_id="withdraw_flow",
    summary="Take a flow away",
    **may_refuse(flows.NoSuchFlow, declaring.Changed),
)
def withdraw_flow(request, slug: FlowSlug, match: IfMatch = None):
    """With its steps. Connections that were registered because of it stay registered."""
    declaring.withdraw(SORT, slug, by=request.auth, only_if=only_if(match, None))
    return Answer(HTTPStatus.NO_CONTENT, None)
