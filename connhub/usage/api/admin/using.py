"""Where connections are used."""

from datetime import datetime
from typing import Any

from django.shortcuts import get_object_or_404
from ninja import Schema
from pydantic import Field

from ... import policies
from ...finding.looking import usage_of
from ...finding.places import Place, Use
from .router import router
from .tokens import Call


class UseOut(Schema):
    """A step or function that uses the connection: declared, observed in calls, or both."""

    name: str
    kind: str = Field(description="export, import or function; empty if nobody declared it.")
    declared: bool
    calls: int
    failed: int
    last_at: datetime | None


class UsedFlowOut(Schema):
    name: str
    slug: str
    steps: list[UseOut]


class UsingPlaceOut(Schema):
    """An integration that the connection is registered with or used in; null: none."""

    integration: str | None
    standing: str
    flows: list[UsedFlowOut]
    functions: list[UseOut]


class UsingAppOut(Schema):
    name: str
    data_objects: list[str]


class UsageOut(Schema):
    """Where a connection is used, as far as you may see."""

    places: list[UsingPlaceOut]
    elsewhere: list[UseOut] = Field(description="Steps in integrations that you don't see.")
    apps: list[UsingAppOut]
    hidden: dict[str, int] = Field(description="How many of which things you may not see.")


@router.get("/connections/{slug:link_name}/usage", response=UsageOut, summary="Find usage")
def get_usage(request: Call, link_name: str):
    """For its admins, and for those who use it in an integration that they belong to."""
    traceable = policies.traceable_by(request.user).select_related("service", "availability")
    usage = usage_of(get_object_or_404(traceable, link_name=link_name), request.user)
    return {
        "places": [_using_place(each) for each in usage.places],
        "elsewhere": [_use(each) for each in usage.elsewhere],
        "apps": [{"name": each.name, "data_objects": each.objects} for each in usage.apps],
        "hidden": {noun.replace(" ", "_"): count for noun, count in usage.hidden.items()},
    }


def _using_place(place: Place) -> dict[str, Any]:
    return {
        "integration": place.integration and place.integration.slug,
        "standing": str(place.standing),
        "flows": [
            {"name": flow.name, "slug": flow.slug, "steps": [_use(step) for step in flow.steps]}
            for flow in place.flows.values()
        ],
        "functions": [_use(each) for each in place.functions.values()],
    }


def _use(use: Use) -> dict[str, Any]:
    observed = use.observed
    return {
        "name": use.name,
        "kind": use.kind,
        "declared": use.is_declared,
        "calls": observed.calls,
        "failed": observed.failed,
        "last_at": observed.last_at,
    }
