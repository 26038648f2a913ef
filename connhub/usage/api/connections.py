"""Which connections a key may use."""

from typing import Annotated, Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from ninja import Query, Router, Schema
from pydantic import Field

from connhub.audit.log import changes
from connhub.connections.auth import METHODS
from connhub.connections.models import (
    AccessMode,
    Connection,
    Status,
    learn_places,
    own_credentials,
)

from .. import registration
from ..models import IntegrationKey
from ..problems import NotUsable
from .conditional import IfNoneMatch, is_known, not_modified, tag_of
from .fields import LinkName, one_of
from .openapi import ETAG, LINK, may_refuse
from .paging import Limit, cut, link_next

router = Router(tags=["Connections"])


class ConnectionOut(Schema):
    """A connection as it stands in the key's environment."""

    link_name: LinkName
    name: str
    service: str
    kind: Annotated[str, one_of(METHODS)]
    environment: str
    status: Annotated[str, one_of(status.name.lower() for status in Status)]
    access_mode: Annotated[str, one_of(AccessMode.values)]
    login_user: bool = Field(description="Whether calls have to name a user in X-ConnHub-User.")


class ConnectionList(Schema):
    connections: list[ConnectionOut]
    next: str | None = Field(None, description="Where there is more: the next call's `after`.")


@router.get(
    "/connections",
    response=ConnectionList,
    operation_id="list_connections",
    summary="The connections that this key may use",
    **may_refuse(headers={200: {"ETag": ETAG, "Link": LINK}}, statuses=[304]),
)
def list_connections(
    request,
    response: HttpResponse,
    after: Annotated[LinkName | None, Query(description="Only link names after this one.")] = None,
    limit: Limit = 50,
    known: IfNoneMatch = None,
):
    """Sorted by link name, with their status in the key's environment."""
    key, tag = request.auth, _tag(request)
    if is_known(tag, known):
        return not_modified(tag)
    usable = _usable(key).order_by("link_name")
    if after:
        usable = usable.filter(link_name__gt=after)
    found, more = cut(usable, limit, "link_name")
    learn_places(found)
    response["ETag"] = tag
    link_next(request, response, more, limit)
    return {"connections": [_row(c, key) for c in found], "next": more}


@router.get(
    "/connections/{link_name}",
    response=ConnectionOut,
    operation_id="get_connection",
    summary="One connection",
    **may_refuse(NotUsable, headers={200: {"ETag": ETAG}}, statuses=[304]),
)
def get_connection(request, response: HttpResponse, link_name: LinkName, known: IfNoneMatch = None):
    """How it stands in the key's environment, if this key may use it."""
    key, tag = request.auth, _tag(request)
    found = list(_usable(key).filter(link_name=link_name))
    if not found:
        raise NotUsable(key.integration.slug, link_name)
    if is_known(tag, known):
        return not_modified(tag)
    learn_places(found)
    response["ETag"] = tag
    return _row(found[0], key)


def _tag(request: HttpRequest) -> str:
    """Another one after any change on record, which is more often than these answers change.

    It is read before the answer is made, so that it is never newer than that.
    """
    return tag_of(f"{changes()}-{request.auth.pk.hex[:8]}", weak=True)  # type: ignore[attr-defined]


def _usable(key: IntegrationKey) -> QuerySet[Connection]:
    rows = registration.usable_in(key.integration).select_related("service", "auth_method")
    return rows.prefetch_related(own_credentials())


def _row(connection: Connection, key: IntegrationKey) -> dict[str, Any]:
    return {
        "link_name": connection.link_name,
        "name": connection.name,
        "service": connection.service.slug,
        "kind": connection.auth_method.kind,
        "environment": key.environment.slug,
        "status": connection.standing_in(key.environment).name.lower(),
        "access_mode": connection.access_mode,
        "login_user": connection.login_user,
    }
