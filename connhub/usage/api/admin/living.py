"""What happens to a connection in its life: tests, interruptions, the end, and the way back."""

from typing import Annotated

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from ninja import Query

from connhub.accounts.models import Environment
from connhub.connections import lifecycle, restoring, testing
from connhub.connections.impact import used_lately
from connhub.connections.lifecycle_forms import ConfirmForm
from connhub.connections.models import Connection
from connhub.connections.views.changing import administered, environment_of
from connhub.lookup import named_or_404

from . import answers
from .looking import answer
from .router import router
from .tokens import Call
from .typed import query_of, require_valid

Confirm = Annotated[
    str,
    Query(description="Its link name, if the highest environment used it in the last 7 days."),
]
Place = Annotated[str, Query(description="An environment's slug; by default what it is made for.")]


def _require_confirmed(connection: Connection, confirm: str) -> None:
    """Raises: InvalidFields, while its link name is wanted."""
    must_type = connection.pk in used_lately([connection])
    typed = query_of({"link_name": confirm})
    form = ConfirmForm(typed, connection=connection, must_type=must_type)
    require_valid(form, named=lambda field: "confirm")


@router.post(
    "/connections/{slug:link_name}/test", response=answers.TestOut, summary="Test a connection"
)
def test_connection(request: Call, link_name: str, environment: Place = ""):
    """Says what it did, how long that took and what came back: never the secret."""
    connection = administered(request, link_name, to="test")
    place = environment_of(request, connection)
    return testing.test(connection, by=request.user, environment=place).as_json()


@router.post(
    "/connections/{slug:link_name}/disable",
    response=answers.ConnectionOut,
    summary="Disable a connection",
)
def disable_connection(
    request: Call, response: HttpResponse, link_name: str, confirm: Confirm = ""
):
    """Every call over it fails until it is enabled again; its secret stays."""
    connection = administered(request, link_name, to="disable")
    _require_confirmed(connection, confirm)
    lifecycle.set_disabled(connection, True, by=request.user)
    return answer(request, response, link_name)


@router.post(
    "/connections/{slug:link_name}/enable",
    response=answers.ConnectionOut,
    summary="Enable a connection",
)
def enable_connection(request: Call, response: HttpResponse, link_name: str):
    """Calls over it work again."""
    connection = administered(request, link_name, to="enable")
    lifecycle.set_disabled(connection, False, by=request.user)
    return answer(request, response, link_name)


@router.post(
    "/connections/{slug:link_name}/revoke",
    response=answers.ConnectionOut,
    summary="Revoke a connection",
)
def revoke_connection(
    request: Call,
    response: HttpResponse,
    link_name: str,
    environment: Annotated[str, Query(description="Only its own credential there.")] = "",
    confirm: Confirm = "",
):
    """Its secrets are destroyed here and at the service. Reconnecting brings it back."""
    connection = administered(request, link_name, to="revoke")
    _require_confirmed(connection, confirm)
    place = named_or_404(Environment, slug=environment) if environment else None
    lifecycle.revoke(connection, by=request.user, environment=place)
    return answer(request, response, link_name)


@router.delete("/connections/{slug:link_name}", response={204: None}, summary="Delete a connection")
def delete_connection(request: Call, link_name: str, confirm: Confirm = ""):
    """Refused while something uses it. Its secrets are destroyed; its link name stays taken."""
    connection = administered(request, link_name, to="delete")
    _require_confirmed(connection, confirm)
    lifecycle.delete(connection, by=request.user)


@router.post(
    "/deleted-connections/{slug:link_name}/restore",
    response=answers.ConnectionOut,
    summary="Restore a deleted connection",
)
def restore_connection(request: Call, response: HttpResponse, link_name: str):
    """Within 30 days, without its secret: connect it anew."""
    connection = get_object_or_404(restoring.restorable(request.user), link_name=link_name)
    restoring.restore(connection, by=request.user)
    return answer(request, response, link_name)
