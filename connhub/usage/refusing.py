"""How the runtime API says no: RFC 9457 problem documents, each of a stable type."""

import json

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from connhub.connections.calling.headers import Raw
from connhub.connections.calling.refusals import MethodNotAllowed
from connhub.errors import Refusal
from connhub.middleware import headers_of_every_answer

from .bodies import Receive, drain
from .problems import (
    AuthorizeAsUser,
    NotUsable,
    RequestIncomplete,
    RequestTooLarge,
    Send,
    Unauthorized,
)
from .reasons import mend_url, title_of, type_of

MEDIA_TYPE = "application/problem+json"


async def answer(
    send: Send,
    refusal: Refusal,
    *,
    request_id: str,
    link_name: str = "",
    integration: str = "",
    receive: Receive | None = None,
) -> None:
    """Send the refusal as a problem document; what it is about as `document` takes it.

    A caller who is sending too much, and is heard by `receive`, gets to read it first.
    """
    body = document(refusal, request_id=request_id, link_name=link_name, integration=integration)
    is_left = isinstance(refusal, RequestTooLarge | RequestIncomplete)
    headers = [
        (b"content-type", MEDIA_TYPE.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"x-request-id", request_id.encode()),
        *headers_of(refusal),
        *([(b"connection", b"close")] if is_left else []),
        *headers_of_every_answer(),
    ]
    await send({"type": "http.response.start", "status": int(refusal.status), "headers": headers})
    if receive and isinstance(refusal, RequestTooLarge):
        await send({"type": "http.response.body", "body": body, "more_body": True})
        await drain(receive)
        body = b""
    await send({"type": "http.response.body", "body": body})


def response(request: HttpRequest, refusal: Refusal, **about: str) -> HttpResponse:
    """The same from Django."""
    said = document(refusal, request_id=getattr(request, "id", ""), **about)
    made = HttpResponse(said, status=refusal.status, content_type=MEDIA_TYPE)
    for name, value in headers_of(refusal):
        made[name.decode()] = value.decode()
    return made


def document(
    refusal: Refusal, *, request_id: str, link_name: str = "", integration: str = ""
) -> bytes:
    """The problem document (RFC 9457 section 3); `mend_url` is the page that mends it.

    `link_name` and `integration` (its slug) say what it is about, if the caller may know of it.
    """
    problem = {
        "type": type_of(refusal.code),
        "title": title_of(refusal.code),
        "status": int(refusal.status),
        "detail": refusal.text,
        "request_id": request_id,
    }
    if isinstance(refusal, NotUsable):
        integration = refusal.integration
    if mends := mend_url(refusal.code, link_name=link_name, integration=integration):
        problem["mend_url"] = mends
    if isinstance(refusal, AuthorizeAsUser) and link_name:
        query = f"?environment={refusal.environment}" if refusal.environment else ""
        page = reverse("sign_in_to", args=[link_name])
        problem["authorize_url"] = settings.CONNHUB_URL + page + query
    return json.dumps(problem, ensure_ascii=False).encode()


def headers_of(refusal: Refusal) -> list[Raw]:
    """What it says besides to the program that called."""
    headers = [(b"x-connhub-problem", refusal.code.encode())]
    if refusal.wait_s:
        headers.append((b"retry-after", str(refusal.wait_s).encode()))
    match refusal:
        case Unauthorized():
            headers.append((b"www-authenticate", b'Bearer realm="ConnHub"'))
        case MethodNotAllowed():
            headers.append((b"allow", refusal.allowed.encode()))
    return headers
