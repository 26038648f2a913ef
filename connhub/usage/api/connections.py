"""Which connections a key may use."""

from typing import Annotated

from ninja import Query, Router, Schema
from pydantic import Field

from connhub.connections.models import Connection, learn_places, own_credentials

from .. import registration
from ..models import IntegrationKey
from .fields import LinkName

router = Router()


class ConnectionOut(Schema):
    """A connection as it stands in the key's environment."""

    link_name: str
    name: str
    service: str
    kind: str
    environment: str
    status: str
    access_mode: str
    login_user: bool = Field(description="Whether calls have to name a user in X-ConnHub-User.")


class ConnectionList(Schema):
    connections: list[ConnectionOut]
    next: str | None = Field(None, description="Where there is more: the next call's `after`.")


@router.get(
    "/connections", response=ConnectionList, summary="The connections that this key may use"
)
def list_connections(
    request,
    after: Annotated[LinkName | None, Query(description="Only link names after this one.")] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="At most so many, up to 200.")] = 50,
):
    """Sorted by link name, with their status in the key's environment."""
    key = request.auth
    usable = registration.usable_in(key.integration).order_by("link_name")
    if after:
        usable = usable.filter(link_name__gt=after)
    rows = usable.select_related("service", "auth_method")
    rows = rows.prefetch_related(own_credentials())
    found = list(rows[: limit + 1])
    learn_places(found)
    more = found[limit - 1].link_name if len(found) > limit else None
    return {"connections": [_row(c, key) for c in found[:limit]], "next": more}


def _row(connection: Connection, key: IntegrationKey) -> dict:
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
