"""An API for programs: no session, no CSRF, and whatever goes wrong is a problem document."""

import logging
from functools import wraps
from http import HTTPStatus

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern
from django.views.decorators.csrf import csrf_exempt
from ninja import NinjaAPI, Router
from ninja.errors import HttpError, ValidationError

from connhub.connections.calling.refusals import MethodNotAllowed
from connhub.errors import Refusal

from ..problems import (
    InternalError,
    InvalidRequest,
    NotFound,
    RequestTooLarge,
    document,
    headers_of,
)

log = logging.getLogger(__name__)

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


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


class ProblemAPI(NinjaAPI):
    """Asks for no session, and answers whatever goes wrong with a problem document.

    A call below it that there isn't is a problem too: `add_routers` puts its calls in.
    """

    def add_routers(self, *routers: Router) -> None:
        """Make these the API's calls; whatever else is called below it is not found."""
        nowhere = Router(auth=None)
        nowhere.api_operation(METHODS, "/{path:rest}", include_in_schema=False)(nothing_here)
        for router in (*routers, nowhere):
            self.add_router("", router)

    @property
    def urls(self):
        patterns, app, namespace = super().urls
        for pattern in patterns:
            # The docs page is one of our pages, for people who are signed in.
            if isinstance(pattern, URLPattern) and pattern.name != "openapi-view":
                pattern.callback = _for_programs(pattern.callback)
        return patterns, app, namespace

    def on_exception(self, request: HttpRequest, exc) -> HttpResponse:
        return self.refuse(request, self.refusal_of(exc))

    def refuse(self, request: HttpRequest, refusal: Refusal) -> HttpResponse:
        """What the caller gets who is refused something; an API may do more about it."""
        return problem(request, refusal)

    def refusal_of(self, error: Exception) -> Refusal:
        """What an error that was raised means for the caller."""
        match error:
            case Refusal():
                return error
            case Http404():
                return NotFound()
            case ValidationError():
                return InvalidRequest(_what_is_invalid(error))
            case HttpError() | RecursionError():
                return InvalidRequest()
            case RequestDataTooBig():
                return RequestTooLarge()
        log.error("A call to an API failed.", exc_info=error)
        return InternalError()


def _what_is_invalid(error: ValidationError) -> str:
    """Where and what it is, and nothing of what was sent."""
    said = [f"{'.'.join(map(str, entry['loc']))}: {entry['msg']}" for entry in error.errors[:5]]
    return ". ".join(said) + "."


def nothing_here(request: HttpRequest, rest: str):
    raise Http404


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
