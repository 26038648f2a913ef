"""Engines say what their functions use, and see what they said."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from django.http import HttpResponse
from ninja import Query, Router, Schema
from ninja import Status as Answer
from pydantic import AfterValidator, Field, StringConstraints

from .. import declaring, functions
from ..functions import SORT, DeclaredUse
from ..models import Function
from .conditional import (
    IfAbsent,
    IfMatch,
    IfNoneMatch,
    is_known,
    not_modified,
    only_if,
    tag_of,
)
from .declared import NEXT, REFUSALS, Registered, registered_by
from .fields import LinkName, not_reserved, path_but
from .openapi import ETAG, LINK, may_refuse
from .paging import Limit, cut, link_next

router = Router(tags=["Functions"])

Name = Annotated[str, StringConstraints(min_length=1, max_length=60, pattern=functions.NAME)]
FunctionName = Annotated[Name, path_but(SORT), not_reserved(SORT)]


def _once(connections: list[str]) -> list[str]:
    if len(set(connections)) < len(connections):
        raise ValueError("a connection is named twice")
    return connections


class FunctionIn(Schema):
    connections: Annotated[
        list[LinkName],
        Field(
            min_length=1,
            max_length=declaring.MOST_USES,
            description="Link names, none of them twice.",
            json_schema_extra={"uniqueItems": True},
        ),
        AfterValidator(_once),
    ]


class FunctionSaved(Registered):
    name: Name
    connections: list[LinkName] = Field(description="Link names, sorted.")


class FunctionOut(Schema):
    """A function of the key's integration."""

    name: Name
    connections: list[LinkName] = Field(description="Link names, sorted.")
    saved_at: datetime


class FunctionList(Schema):
    functions: list[FunctionOut]
    next: str | None = NEXT


@router.get(
    "/functions",
    response=FunctionList,
    operation_id="list_functions",
    summary="The functions of this key's integration",
    **may_refuse(headers={200: {"Link": LINK}}),
)
def list_functions(
    request,
    response: HttpResponse,
    after: Annotated[Name | None, Query(description="Only names after this one.")] = None,
    limit: Limit = 50,
):
    """Sorted by name."""
    rows = Function.objects.filter(integration=request.auth.integration).order_by("name")
    if after:
        rows = rows.filter(name__gt=after)
    found, more = cut(rows.prefetch_related("connections"), limit, "name")
    link_next(request, response, more, limit)
    return {"functions": [_row(function) for function in found], "next": more}


@router.get(
    "/functions/{name}",
    response=FunctionOut,
    operation_id="get_function",
    summary="One function",
    **may_refuse(functions.NoSuchFunction, headers={200: {"ETag": ETAG}}, statuses=[304]),
)
def get_function(request, response: HttpResponse, name: FunctionName, known: IfNoneMatch = None):
    """The connections that it uses."""
    function = SORT.named(name, request.auth.integration).first()
    if function is None:
        raise functions.NoSuchFunction
    tag = tag_of(declaring.version_of(SORT, function))
    if is_known(tag, known):
        return not_modified(tag)
    response["ETag"] = tag
    return _row(function)


@router.put(
    "/functions/{name}",
    response={200: FunctionSaved, 201: FunctionSaved},
    operation_id="declare_function",
    summary="Declare a function",
    **may_refuse(*REFUSALS, headers={200: {"ETag": ETAG}, 201: {"ETag": ETAG}}),
)
def declare_function(
    request,
    response: HttpResponse,
    name: FunctionName,
    function: FunctionIn,
    match: IfMatch = None,
    none_match: IfAbsent = None,
):
    """Says which connections a function uses. Saying the same again changes nothing."""
    uses = [DeclaredUse(link_name) for link_name in function.connections]
    wanted = only_if(match, none_match)
    saved = declaring.declare(SORT, name, name=name, uses=uses, by=request.auth, only_if=wanted)
    response["ETag"] = tag_of(declaring.version_of(SORT, saved.thing))
    said = {"name": name, "connections": sorted(function.connections)}
    status = HTTPStatus.CREATED if saved.is_new else HTTPStatus.OK
    return Answer(status, said | registered_by(saved, request.auth))


@router.delete(
    "/functions/{name}",
    response={204: None},
    operation_id="withdraw_function",
    summary="Take a function away",
    **may_refuse(functions.NoSuchFunction, declaring.Changed),
)
def withdraw_function(request, name: FunctionName, match: IfMatch = None):
    """Connections that were registered because of it stay registered."""
    declaring.withdraw(SORT, name, by=request.auth, only_if=only_if(match, None))
    return Answer(HTTPStatus.NO_CONTENT, None)


def _row(function: Function) -> dict:
    names = sorted(connection.link_name for connection in function.connections.all())
    return {"name": function.name, "connections": names, "saved_at": function.saved_at}
