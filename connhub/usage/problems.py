"""How the runtime API says no: RFC 9457 problem documents, each of a stable type."""

import json
from collections.abc import Awaitable, Callable
from functools import lru_cache
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.urls import reverse

from connhub.connections.calling.refusals import MethodNotAllowed
from connhub.errors import Refusal
from connhub.middleware import headers_of_every_answer

Send = Callable[[dict[str, Any]], Awaitable[None]]

# The page that mends it, where that is not the connection's summary.
PAGES = {
    "not-connected": "authorize",
    "reconnect-needed": "authorize",
}


class Unauthorized(Refusal):
    code = "unauthorized"
    text = "The call needs a valid integration key: Authorization: Bearer chk_… Check its expiry."
    status = HTTPStatus.UNAUTHORIZED


class InvalidRequest(Refusal):
    code = "invalid-request"
    text = "The request can't be read. Check that its body is JSON."
    status = HTTPStatus.UNPROCESSABLE_ENTITY


class NotFound(Refusal):
    code = "not-found"
    text = "There is no such call. See /api/v1/docs for those that there are."
    status = HTTPStatus.NOT_FOUND


class NotUsable(Refusal):
    """There is no such connection, or it is not for this key: nobody can tell which."""

    code = "not-registered"
    text = (
        "No connection of this name is registered with the key's integration. "
        "Check the link name, or register the connection."
    )
    status = HTTPStatus.NOT_FOUND


class AuthorizeAsUser(Refusal):
    """The same for a user who is missing, unknown or has no access as for one to authorize.

    `environment` is the slug of the one to authorize for, where it has settings of its own.
    """

    code = "authorize-as-user"
    text = (
        "This connection uses the credentials of the login user. Name one user with access to the "
        "key's integration in X-ConnHub-User, and have them authorize at authorize_url."
    )

    def __init__(self, environment: str) -> None:
        self.environment = environment
        super().__init__()


class NotHTTP(Refusal):
    code = "not-http"
    text = "This service is not called over HTTP. Fetch the credentials and connect to it directly."


class CredentialsNotAllowed(Refusal):
    code = "credentials-not-allowed"
    text = (
        "This connection is for proxied calls only. "
        "Call the service through ConnHub, or change the connection's access mode."
    )
    status = HTTPStatus.FORBIDDEN


class RateLimited(Refusal):
    """`wait_s` is the number of seconds after which the next call may come."""

    code = "rate-limited"
    text = "Too many calls. Wait as long as Retry-After says."
    status = HTTPStatus.TOO_MANY_REQUESTS

    def __init__(self, wait_s: int) -> None:
        self.wait_s = wait_s
        super().__init__()


class RequestTooLarge(Refusal):
    code = "request-too-large"
    text = "The request's body is larger than ConnHub passes on. Send it in smaller parts."
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class RequestIncomplete(Refusal):
    code = "request-incomplete"
    text = "The request's body did not arrive in time. Send it again."
    status = HTTPStatus.REQUEST_TIMEOUT


class UpstreamUnreachable(Refusal):
    code = "upstream-unreachable"
    status = HTTPStatus.BAD_GATEWAY


class UpstreamTimeout(Refusal):
    code = "upstream-timeout"
    text = "The service did not answer in time. Whether it did what was asked is not known."
    status = HTTPStatus.GATEWAY_TIMEOUT


class UpstreamMalformed(Refusal):
    code = "upstream-malformed"
    text = "The service's answer broke off or can't be read. Try again later."
    status = HTTPStatus.BAD_GATEWAY


class AnswerTooLarge(Refusal):
    code = "answer-too-large"
    text = "The service's answer is larger than ConnHub passes on. Ask for less of it at a time."
    status = HTTPStatus.BAD_GATEWAY


class InternalError(Refusal):
    code = "internal-error"
    text = "Something went wrong inside ConnHub. Try again; tell whoever runs it if it stays."
    status = HTTPStatus.INTERNAL_SERVER_ERROR


async def answer(
    send: Send, refusal: Refusal, *, request_id: str, link_name: str | None = None
) -> None:
    """Send the refusal as a problem document; `link_name` only if the caller may know of it."""
    body = document(refusal, request_id=request_id, link_name=link_name)
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"x-connhub-problem", refusal.code.encode()),
        (b"x-request-id", request_id.encode()),
        *headers_of(refusal),
        *headers_of_every_answer(),
    ]
    await send({"type": "http.response.start", "status": int(refusal.status), "headers": headers})
    await send({"type": "http.response.body", "body": body})


def document(refusal: Refusal, *, request_id: str, link_name: str | None = None) -> bytes:
    """The problem document (RFC 9457 section 3); `connection` links to the page that mends it."""
    problem = {
        "type": f"{settings.CONNHUB_URL}/api/v1/problems/{refusal.code}",
        "title": refusal.code.replace("-", " ").capitalize(),
        "status": int(refusal.status),
        "detail": refusal.text,
        "request_id": request_id,
    }
    if link_name:
        problem["connection"] = settings.CONNHUB_URL + _page(refusal.code, link_name)
    if isinstance(refusal, AuthorizeAsUser) and link_name:
        query = f"?environment={refusal.environment}" if refusal.environment else ""
        page = reverse("sign_in_to", args=[link_name])
        problem["authorize_url"] = settings.CONNHUB_URL + page + query
    return json.dumps(problem, ensure_ascii=False).encode()


def headers_of(refusal: Refusal) -> list[tuple[bytes, bytes]]:
    """What it says besides to the program that called."""
    match refusal:
        case Unauthorized():
            return [(b"www-authenticate", b'Bearer realm="ConnHub"')]
        case RateLimited():
            return [(b"retry-after", str(refusal.wait_s).encode())]
        case MethodNotAllowed():
            return [(b"allow", refusal.allowed.encode())]
        case RequestTooLarge() | RequestIncomplete():
            return [(b"connection", b"close")]
    return [(b"retry-after", b"5")] if refusal.status == HTTPStatus.SERVICE_UNAVAILABLE else []


@lru_cache(maxsize=1024)
def _page(code: str, link_name: str) -> str:
    return reverse(f"connections:{PAGES.get(code, 'summary')}", args=[link_name])
