"""Flow engines say what their flows use."""

from http import HTTPStatus
from typing import Annotated, Literal

from ninja import Path, Router, Schema
from ninja import Status as Answer
from pydantic import AfterValidator, Field

from .. import flows
from ..models import IntegrationKey
from .fields import Line, LinkName

router = Router()

FlowSlug = Annotated[
    str, Path(max_length=60, pattern=r"^[A-Za-z0-9_-]+$"), AfterValidator(flows.not_reserved)
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
    steps: Annotated[list[StepIn], Field(max_length=flows.MOST_STEPS), AfterValidator(_named_once)]


class FlowOut(Schema):
    slug: str
    name: str
    registered: list[str] = Field(description="Link names registered because of this call.")
    reminder: str | None = Field(None, description="Who gained access by that.")


@router.put("/flows/{slug}", response={200: FlowOut, 201: FlowOut}, summary="Declare a flow")
def declare_flow(request, slug: FlowSlug, flow: FlowIn):
    """Says which connections a flow's steps use. Saying the same again changes nothing."""
    steps = [flows.DeclaredStep(**step.dict()) for step in flow.steps]
    declared = flows.declare(slug, name=flow.name, steps=steps, by=request.auth)
    registered = sorted(connection.link_name for connection in declared.registered)
    said = {
        "slug": slug,
        "name": flow.name,
        "registered": registered,
        "reminder": reminder(request.auth) if registered else None,
    }
    return Answer(HTTPStatus.CREATED if declared.is_new else HTTPStatus.OK, said)


def reminder(key: IntegrationKey) -> str:
    """Who gained access by what was registered."""
    members = key.integration.memberships.count()
    who = "1 member sees" if members == 1 else f"{members} members see"
    return f"{key.integration}: {who} these connections now, and exports and imports over them."
