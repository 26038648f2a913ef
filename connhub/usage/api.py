"""The runtime API's ordinary calls. The proxy and credentials calls are answered before Django."""

import logging
from functools import wraps
from http import HTTPStatus
from typing import Annotated, Literal

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern
from django.views.decorators.csrf import csrf_exempt
from ninja import NinjaAPI, Path, Query, Schema
from ninja import Status as Answer
from ninja.errors import AuthenticationError, HttpError, ValidationError
from ninja.security import HttpBearer
from pydantic import AfterValidator, Field, StringConstraints

from connhub.audit.log import AuditUnavailable
from connhub.connections.models import LINK_NAME, Connection, learn_places, own_credentials
from connhub.errors import Refusal

from . import callers, flows, keys, records, registration
from .api_docs import BY_HAND, DocsPage
from .models import IntegrationKey
from .problems import (
    InternalError,
    MethodNotAllowed,
    RequestTooLarge,
    Unauthorized,
    document,
    headers_of,
)

log = logging.getLogger(__name__)

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
# What a key, or none, may not do: on record, while all else that is refused was a mistake.
DENIALS = (Unauthorized, registration.NotRegistered, flows.NotOfTheApp, flows.FlowSlugTaken)

LinkName = Annotated[str, StringConstraints(pattern=LINK_NAME)]
Line = Annotated[
    str, StringConstraints(min_length=1, max_length=80, pattern=r"^[^\x00-\x1f\x7f]+$")
]
FlowSlug = Annotated[
    str, Path(max_length=60, pattern=r"^[A-Za-z0-9_-]+$"), AfterValidator(flows.not_reserved)
]


class InvalidRequest(Refusal):
    code = "invalid-request"
    text = "The request can't be read. Check that its body is JSON."
    status = HTTPStatus.UNPROCESSABLE_ENTITY


class NotFound(Refusal):
    code = "not-found"
    text = "There is no such call. See /api/v1/docs for those that there are."
    status = HTTPStatus.NOT_FOUND


def problem(request: HttpRequest, refusal: Refusal) -> HttpResponse:
    """The refusal as a problem document (RFC 9457)."""
    response = HttpResponse(
        document(refusal, request_id=getattr(request, "id", "")),
        status=refusal.status,
        content_type="application/problem+json",
        headers={"X-ConnHub-Problem": refusal.code},
    )
    for name, value in headers_of(refusal):
        response[name.decode()] = value.decode()
    return response


class RuntimeAPI(NinjaAPI):
    """Asks for a key and never for a session, and answers whatever goes wrong with a problem."""

    @property
    def urls(self):
        patterns, app, namespace = super().urls
        for pattern in patterns:
            # The docs page is one of our pages, for people who are signed in.
            if isinstance(pattern, URLPattern) and pattern.name != "openapi-view":
                pattern.callback = _for_programs(pattern.callback)
        return patterns, app, namespace

    def get_openapi_schema(self, **kwargs):
        schema = super().get_openapi_schema(**kwargs)
        schema["paths"] |= BY_HAND
        return schema


def _for_programs(view):
    """The view without session and CSRF, its 405 (plain text from Django Ninja) made a problem."""

    @csrf_exempt
    @login_not_required
    @wraps(view, updated=())
    def answer(request: HttpRequest, *args, **kwargs) -> HttpResponse:
        response = view(request, *args, **kwargs)
        if response.status_code != HTTPStatus.METHOD_NOT_ALLOWED:
            return response
        allowed = response["Allow"]
        return problem(request, MethodNotAllowed(allowed))

    return answer


class IntegrationKeyAuth(HttpBearer):
    def authenticate(self, request: HttpRequest, token: str) -> IntegrationKey:
        return keys.authenticate(token)


api = RuntimeAPI(
    title="ConnHub runtime API",
    version="1",
    description="What flows call: with an integration key, for one integration in one environment.",
    auth=IntegrationKeyAuth(),
    docs=DocsPage(),
    servers=[{"url": settings.CONNHUB_URL}],
)


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


@api.get("/connections", response=ConnectionList, summary="The connections that this key may use")
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


@api.put("/flows/{slug}", response={200: FlowOut, 201: FlowOut}, summary="Declare a flow")
def declare_flow(request, slug: FlowSlug, flow: FlowIn):
    """Says which connections a flow's steps use. Saying the same again changes nothing."""
    steps = [flows.DeclaredStep(**step.dict()) for step in flow.steps]
    declared = flows.declare(slug, name=flow.name, steps=steps, by=request.auth)
    registered = sorted(connection.link_name for connection in declared.registered)
    said = {
        "slug": slug,
        "name": flow.name,
        "registered": registered,
        "reminder": _reminder(request.auth) if registered else None,
    }
    return Answer(HTTPStatus.CREATED if declared.is_new else HTTPStatus.OK, said)


def _reminder(key: IntegrationKey) -> str:
    members = key.integration.memberships.count()
    who = "1 member sees" if members == 1 else f"{members} members see"
    return f"{key.integration}: {who} these connections now, and exports and imports over them."


@api.api_operation(METHODS, "/{path:rest}", auth=None, include_in_schema=False)
def nothing_here(request, rest: str):
    raise Http404


@api.exception_handler(Refusal)
def refused(request, refusal: Refusal) -> HttpResponse:
    if isinstance(refusal, DENIALS):
        try:
            _put_on_record(request, refusal)
        except AuditUnavailable as unavailable:
            return problem(request, unavailable)
    return problem(request, refusal)


def _put_on_record(request: HttpRequest, refusal: Refusal) -> None:
    _, _, token = request.headers.get("Authorization", "").partition(" ")
    digest = callers.digest_of(token.strip())
    for link_name in getattr(refusal, "link_names", None) or [""]:
        records.call_denied(digest, link_name, refusal.code)


@api.exception_handler(AuthenticationError)
def no_key(request, error: AuthenticationError) -> HttpResponse:
    return refused(request, Unauthorized())


@api.exception_handler(ValidationError)
def invalid(request, error: ValidationError) -> HttpResponse:
    """Says where and what, and nothing of what was sent."""
    said = [f"{'.'.join(map(str, entry['loc']))}: {entry['msg']}" for entry in error.errors[:5]]
    return problem(request, InvalidRequest(". ".join(said) + "."))


@api.exception_handler(HttpError)
@api.exception_handler(RecursionError)
def unreadable(request, error: Exception) -> HttpResponse:
    return problem(request, InvalidRequest())


@api.exception_handler(RequestDataTooBig)
def too_large(request, error: RequestDataTooBig) -> HttpResponse:
    return problem(request, RequestTooLarge())


@api.exception_handler(Http404)
def not_found(request, error: Http404) -> HttpResponse:
    return problem(request, NotFound())


@api.exception_handler(Exception)
def broken(request, error: Exception) -> HttpResponse:
    log.exception("A call to the runtime API failed.")
    return problem(request, InternalError())
