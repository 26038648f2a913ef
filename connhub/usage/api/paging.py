"""Long lists come in pages, each with the way to the next one."""

from typing import Annotated
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from ninja import Query

MOST = 200
Limit = Annotated[int, Query(ge=1, le=MOST, description=f"At most so many, up to {MOST}.")]


def cut(rows, limit: int, by: str) -> tuple[list, str | None]:
    """The first so many rows, and the field `by` of the last one if there are more."""
    found = list(rows[: limit + 1])
    more = getattr(found[limit - 1], by) if len(found) > limit else None
    return found[:limit], more


def link_next(request: HttpRequest, response: HttpResponse, after: str | None, limit: int) -> None:
    """Say in a header (RFC 8288) where the next page is, if there is one."""
    if after is not None:
        query = urlencode({"after": after, "limit": limit})
        response["Link"] = f'<{settings.CONNHUB_URL}{request.path}?{query}>; rel="next"'
