"""Long lists come in pages, and every answer says where the next one is."""

from typing import Annotated
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from ninja import Query

from connhub.paging import Page

Limit = Annotated[int, Query(ge=1, le=200, description="At most so many, up to 200.")]
Cursor = Annotated[str, Query(max_length=400, description="As the link to a page has it.")]


def link(request: HttpRequest, response: HttpResponse, page: Page) -> str | None:
    """Name the pages beside this one in the header Link (RFC 8288); gives the next one's URL."""
    following = _url(request, before=page.older) if page.older else None
    previous = _url(request, after=page.newer) if page.newer else None
    named = [("next", following), ("prev", previous)]
    if links := [f'<{url}>; rel="{rel}"' for rel, url in named if url]:
        response["Link"] = ", ".join(links)
    return following


def _url(request: HttpRequest, **cursor: str) -> str:
    kept = {name: text for name, text in request.GET.items() if name not in ("before", "after")}
    return f"{settings.CONNHUB_URL}{request.path}?{urlencode(kept | cursor)}"
