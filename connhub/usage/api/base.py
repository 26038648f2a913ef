"""An API for programs: no session, no CSRF, and whatever goes wrong is a problem document."""

import logging
from copy import deepcopy
from functools import cached_property, wraps
from http import HTTPMethod, HTTPStatus
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from ninja import NinjaAPI, Router
from ninja.errors import HttpError, ValidationError

from connhub.audit.log import AuditUnavailable
from connhub.connections.calling.refusals import MethodNotAllowed
from connhub.errors import Refusal

from .. import refusing
from ..problems import (
    InternalError,
    InvalidRequest,
    NotFound,
    RateLimited,
    RequestTooLarge,
    Unauthorized,
)
from ..revision import DatabaseAway
from . import openapi

log = logging.getLogger(__name__)

METHODS = [method.value for method in HTTPMethod]


class ProblemAPI(NinjaAPI):
    """Asks for no session, and answers whatever goes wrong with a problem document.

    `add_routers` puts its calls in; whatever else is called below it is not found, which is a
    problem too. Each call says by `openapi.may_refuse` how it can refuse besides `every_call`.
    """

    every_call: tuple[type[Refusal], ...] = (
        *(Unauthorized, RateLimited),
        *(InternalError, DatabaseAway, AuditUnavailable),
    )
    further_paths: dict[str, Any] = {}  # of the document: calls that Django Ninja doesn't answer

    def add_routers(self, *routers: Router) -> None:
        """Make these the API's calls, all of them at once."""
        nowhere = Router(auth=None)
        nowhere.api_operation(METHODS, "/{path:rest}", include_in_schema=False)(nothing_here)
        for router in (*routers, nowhere):
            self.add_router("", router)

    @property
    def urls(self):
        found, app, namespace = super().urls
        # A path is there once for each of its methods, with a view that knows all of them.
        patterns = list({str(each.pattern): each for each in reversed(found)}.values())[::-1]
        for pattern in patterns:
            # The docs page is one of our pages, for people who are signed in.
            if isinstance(pattern, URLPattern) and pattern.name != "openapi-view":
                is_document = pattern.name == "openapi-json"
                view = require_safe(pattern.callback) if is_document else pattern.callback
                pattern.callback = self._for_programs(view)
        return patterns, app, namespace

    def get_openapi_schema(self, **kwargs: Any):
        return self._document

    @cached_property
    def _document(self):
        document = super().get_openapi_schema()
        document["paths"] |= deepcopy(self.further_paths)
        return openapi.complete(document, self.every_call)

    def on_exception(self, request: HttpRequest, exc) -> HttpResponse:
        return self.refuse(request, self.refusal_of(exc))

    def refuse(self, request: HttpRequest, refusal: Refusal) -> HttpResponse:
        """What the caller gets who is refused something; an API may do more about it."""
        return refusing.response(request, refusal)

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
        is_away = isinstance(error, OperationalError | InterfaceError)
        return DatabaseAway() if is_away else InternalError()

    def _for_programs(self, view):
        """The view without session and CSRF; HEAD is a GET, and OPTIONS says what else there is."""

        @csrf_exempt
        @login_not_required
        @wraps(view, updated=())
        def answer(request: HttpRequest, *args, **kwargs) -> HttpResponse:
            method = request.method
            request.method = "GET" if method == "HEAD" else method
            try:
                response = view(request, *args, **kwargs)
            except Http404 as error:
                response = self.on_exception(request, error)
            request.method = method
            if response.status_code != HTTPStatus.METHOD_NOT_ALLOWED:
                return response
            allowed = _allowed(response["Allow"])
            if method == "OPTIONS":
                return HttpResponse(status=HTTPStatus.NO_CONTENT, headers={"Allow": allowed})
            return self.refuse(request, MethodNotAllowed(allowed))

        return answer


def nothing_here(request: HttpRequest, rest: str):
    raise Http404


def _allowed(named: str) -> str:
    """What the header Allow names, with the methods that every path has."""
    methods = {method.strip() for method in named.split(",")} | {"OPTIONS"}
    return ", ".join(sorted(methods | {"HEAD"} if "GET" in methods else methods))


def _what_is_invalid(error: ValidationError) -> str:
    """Where and what it is, and nothing of what was sent."""
    said = [f"{'.'.join(map(str, entry['loc']))}: {entry['msg']}" for entry in error.errors[:5]]
    return ". ".join(said) + "."
