"""The admin API itself: its calls are in the modules beside this one, by what they are about."""

import json
from collections.abc import Iterator
from functools import cached_property
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from ninja.errors import AuthenticationError, ValidationError
from ninja.operation import Operation

from connhub.audit.log import AuditUnavailable, record_refusal_of_stranger
from connhub.connections.meanwhile import EditedMeanwhile
from connhub.errors import Refusal

from ...problems import Unauthorized
from .. import openapi
from ..base import ProblemAPI
from ..docs import DocsPage
from . import (  # noqa: F401 - each adds its calls
    connecting,
    living,
    looking,
    making,
    many,
    places,
    registering,
    sharing,
    using,
)
from .refusals import (
    Forbidden,
    InvalidFields,
    NoAdminToken,
    NothingThere,
    PreconditionFailed,
    ReadOnlyToken,
    members_of,
)
from .router import router
from .tokens import AdminTokenAuth

ROOMS = ("connhub.connections.", "connhub.sharing.", "connhub.usage.")


class AdminAPI(ProblemAPI):
    """Asks for an admin token, and says of each field what is wrong with it."""

    every_call = (*ProblemAPI.every_call, Forbidden, NothingThere)

    def get_openapi_operation_id(self, operation: Operation) -> str:
        return operation.view_func.__name__

    @cached_property
    def _document(self):
        """With what the state of things may refuse of whatever changes them."""
        document = super()._document
        refused = openapi.refusals([ReadOnlyToken, Forbidden, *set(_conflicts(Refusal))])
        for operations in document["paths"].values():
            for method, operation in operations.items():
                if method not in ("get", "head"):
                    operation["responses"] |= refused
        return document

    def refusal_of(self, error: Exception) -> Refusal:
        match error:
            case AuthenticationError():
                return NoAdminToken()
            case PermissionDenied():
                return Forbidden()
            case Http404():
                return NothingThere()
            case EditedMeanwhile():
                return PreconditionFailed(error.text)
            case ValidationError():
                return InvalidFields(_by_field(error))
        return super().refusal_of(error)

    def refuse(self, request: HttpRequest, refusal: Refusal) -> HttpResponse:
        """The problem document; that a token was none is on record."""
        if isinstance(refusal, Unauthorized):
            try:
                record_refusal_of_stranger("admin_token.refused", detail={"code": refusal.code})
            except AuditUnavailable as unavailable:
                refusal = unavailable
        request.refusal = refusal  # type: ignore[attr-defined]
        response = super().refuse(request, refusal)
        if members := members_of(refusal):
            whole = json.loads(response.content) | members
            response.content = json.dumps(whole, ensure_ascii=False).encode()
        return response


def _conflicts(kind: type[Refusal]) -> Iterator[type[Refusal]]:
    """Every refusal of the rooms below that answers 409."""
    for each in kind.__subclasses__():
        yield from _conflicts(each)
        if each.status == HTTPStatus.CONFLICT and each.__module__.startswith(ROOMS):
            yield each


def _by_field(error: ValidationError) -> dict[str, list[str]]:
    """What is wrong by field, and nothing of what was sent."""
    errors: dict[str, list[str]] = {}
    for entry in error.errors:
        kind, *path = map(str, entry["loc"])
        name = ".".join(path[1:] if kind == "body" else path)
        errors.setdefault(name, []).append(_text(entry))
    return errors


def _text(entry: dict[str, Any]) -> str:
    return f"{entry['msg']}."


api = AdminAPI(
    title="ConnHub admin API",
    version="1",
    urls_namespace="admin-api",
    description="What people do with connections on pages, for programs: with an admin token, "
    "which may do what its person may at the moment of the call.",
    auth=AdminTokenAuth(),
    docs=DocsPage(),
    servers=[{"url": settings.CONNHUB_URL}],
)
api.add_routers(router)
