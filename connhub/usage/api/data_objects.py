"""Engines say which external data objects their apps read, and see what they said."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from django.http import HttpResponse
from ninja import Path, Query, Router, Schema
from ninja import Status as Answer
from pydantic import Field

from .. import data_objects, declaring
from ..data_objects import SORT, AppSlugTaken, DeclaredObject, NoSuchDataObject
from ..models import App, DataObject
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

router = Router(tags=["Data objects"])

AppSlug = Annotated[Slug, path_but(SORT), not_reserved(SORT)]
ObjectName = Annotated[Line, Path()]
OF = Field(description="The app's slug.")


class DataObjectIn(Schema):
    connection: LinkName = OVER
    app_name: Line | None = Field(
        None, description="What the app is called; as its slug, if it is new and nothing is said."
    )


class DataObjectOut(Schema):
    """An external data object of an app of the key's integration."""

    app: Slug = OF
    app_name: Line
    name: Line
    connection: LinkName = OVER


class DataObjectSaved(Registered, DataObjectOut):
    """What was declared, and what came of it for the integration."""


class OfApp(Schema):
    name: Line
    connection: LinkName = OVER


class AppOut(Schema):
    """An app of the key's integration."""

    app: Slug = OF
    app_name: Line
    data_objects: list[OfApp]
    saved_at: datetime


class AppList(Schema):
    apps: list[AppOut]
    next: str | None = NEXT


@router.get(
    "/data-objects",
    response=AppList,
    operation_id="list_data_objects",
    summary="The apps of this key's integration, with their external data objects",
    **may_refuse(headers={200: {"Link": LINK}}),
)
def list_data_objects(
    request,
    response: HttpResponse,
    after: Annotated[Slug | None, Query(description="Only apps after this slug.")] = None,
    limit: Limit = 50,
):
    """Sorted by the apps' slugs."""
    rows = App.objects.filter(integration=request.auth.integration).order_by("slug")
    if after:
        rows = rows.filter(slug__gt=after)
    found, more = cut(rows.prefetch_related("data_objects__connection"), limit, "slug")
    link_next(request, response, more, limit)
    return {"apps": [_app(app) for app in found], "next": more}


@router.get(
    "/data-objects/{app}/{name}",
    response=DataObjectOut,
    operation_id="get_data_object",
    summary="One external data object",
    **may_refuse(NoSuchDataObject, headers={200: {"ETag": ETAG}}, statuses=[304]),
)
def get_data_object(
    request,
    response: HttpResponse,
    app: AppSlug,
    name: ObjectName,
    known: IfNoneMatch = None,
):
    """The connection that it is read over."""
    own = DataObject.objects.filter(app__integration=request.auth.integration, app__slug=app)
    found = own.select_related("app", "connection").filter(name=name).first()
    if found is None:
        raise NoSuchDataObject
    link_name = found.connection.link_name
    tag = tag_of(data_objects.version_of(found.app, link_name))
    if is_known(tag, known):
        return not_modified(tag)
    response["ETag"] = tag
    return {"app": app, "app_name": found.app.name, "name": name, "connection": link_name}


@router.put(
    "/data-objects/{app}/{name}",
    response={200: DataObjectSaved, 201: DataObjectSaved},
    operation_id="declare_data_object",
    summary="Declare an external data object",
    **may_refuse(
        *REFUSALS,
        AppSlugTaken,
        data_objects.TooManyDataObjects,
        headers={200: {"ETag": ETAG}, 201: {"ETag": ETAG}},
    ),
)
def declare_data_object(
    request,
    response: HttpResponse,
    app: AppSlug,
    name: ObjectName,
    data_object: DataObjectIn,
    match: IfMatch = None,
    none_match: IfAbsent = None,
):
    """Says which connection it is read over; its app is made, if it is new.

    Saying the same again changes nothing.
    """
    link_name, called = data_object.connection, data_object.app_name
    saved = data_objects.declare(
        app,
        DeclaredObject(name, link_name),
        name=called,
        by=request.auth,
        only_if=only_if(match, none_match),
    )
    response["ETag"] = tag_of(data_objects.version_of(saved.thing, link_name))
    said = {"app": app, "app_name": saved.thing.name, "name": name, "connection": link_name}
    status = HTTPStatus.CREATED if saved.is_new else HTTPStatus.OK
    return Answer(status, said | registered_by(saved, request.auth))


@router.delete(
    "/data-objects/{app}/{name}",
    response={204: None},
    operation_id="withdraw_data_object",
    summary="Take an external data object away",
    **may_refuse(NoSuchDataObject, declaring.Changed),
)
def withdraw_data_object(request, app: AppSlug, name: ObjectName, match: IfMatch = None):
    """Its app goes with the last. Connections that were registered stay registered."""
    data_objects.withdraw(app, name, by=request.auth, only_if=only_if(match, None))
    return Answer(HTTPStatus.NO_CONTENT, None)


def _app(app: App) -> dict:
    rows = sorted(app.data_objects.all(), key=lambda row: row.name)
    shown = [{"name": row.name, "connection": row.connection.link_name} for row in rows]
    return {
        "app": app.slug,
        "app_name": app.name,
        "data_objects": shown,
        "saved_at": app.saved_at,
    }
