"""What the OpenAPI documents of ConnHub's APIs say of refusals: exactly which, call by call."""

from collections import defaultdict
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from connhub.errors import Refusal

from .. import problems
from ..reasons import WAIT, type_of
from ..refusing import MEDIA_TYPE

MARK = "x-connhub-refusals"
PROBLEM = {
    "title": "Problem",
    "type": "object",
    "description": "Why a call was refused (RFC 9457).",
    "required": ["type", "title", "status", "detail", "request_id"],
    "properties": {
        "type": {
            "type": "string",
            "format": "uri",
            "description": "Stays the same for good. The page there says what it means.",
        },
        "title": {"type": "string", "description": "The type in words."},
        "status": {"type": "integer", "description": "The status of the answer."},
        "detail": {"type": "string", "description": "What happened, and what to do."},
        "request_id": {
            "type": "string",
            "description": "What the log of ConnHub has the call under.",
        },
        "mend_url": {
            "type": "string",
            "format": "uri",
            "description": "The page where somebody with access mends it, or reads how.",
        },
        "authorize_url": {
            "type": "string",
            "format": "uri",
            "description": "With authorize-as-user: the page where the user has to authorize.",
        },
    },
}
REQUEST_ID = {
    "description": "What the log of ConnHub has the call under.",
    "required": True,
    "schema": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
}
RETRY_AFTER = {
    "description": "After how many seconds to try again.",
    "required": True,
    "schema": {"type": "integer", "minimum": 1},
}
CHALLENGE = {"required": True, "schema": {"const": 'Bearer realm="ConnHub"'}}
ETAG = {
    "description": "The state that was answered, for If-None-Match and If-Match.",
    "required": True,
    "schema": {"type": "string"},
}
LINK = {
    "description": 'Where there is more: the next page, as rel="next" (RFC 8288).',
    "schema": {"type": "string"},
}


def may_refuse(
    *kinds: type[Refusal],
    headers: dict[int, dict[str, Any]] | None = None,
    statuses: Iterable[int] = (),
) -> dict[str, Any]:
    """For a call's decorator: how it refuses, its answers' headers and further bare statuses.

    That a parameter or a body can be refused goes without saying.
    """
    bare = {int(s): {"description": HTTPStatus(s).phrase} for s in statuses}
    answers = bare | {status: {"headers": named} for status, named in (headers or {}).items()}
    return {"openapi_extra": {MARK: kinds, "responses": answers}}


def complete(document: Any, every_call: Iterable[type[Refusal]]) -> Any:
    """The document with every refusal of every call, and a HEAD for every GET."""
    document["components"]["schemas"]["Problem"] = PROBLEM
    for operations in document["paths"].values():
        for operation in operations.values():
            kinds = {*every_call, *operation.pop(MARK, ()), *_implied_by(operation)}
            answers = refusals(kinds)
            if "default" in operation["responses"]:
                _mix_with_the_service_s(answers)
            else:
                for answer in operation["responses"].values():
                    answer.setdefault("headers", {})["X-Request-Id"] = REQUEST_ID
            operation["responses"] |= answers
    return document


def _mix_with_the_service_s(answers: dict[str, Any]) -> None:
    """ConnHub's refusals where the service may answer with the same status: told by their header."""
    for answer in answers.values():
        answer["description"] += " Without X-ConnHub-Problem: what the service answers."
        answer["content"]["*/*"] = {}
        for name, header in answer["headers"].items():
            answer["headers"][name] = {**header, "required": False}
        answer["headers"]["X-Request-Id"] = {"schema": {"type": "string"}}


def _implied_by(operation: dict[str, Any]) -> Iterable[type[Refusal]]:
    if "requestBody" in operation:
        yield from (problems.RequestTooLarge, problems.RequestIncomplete, problems.InvalidRequest)
    if operation["parameters"]:
        yield problems.InvalidRequest


def refusals(kinds: Iterable[type[Refusal]]) -> dict[str, Any]:
    """The answers that refuse, by status."""
    by_status: dict[int, list[type[Refusal]]] = defaultdict(list)
    for kind in sorted(kinds, key=lambda kind: kind.code):
        by_status[int(kind.status)].append(kind)
    return {str(status): _refusal(status, by_status[status]) for status in sorted(by_status)}


def _refusal(status: int, kinds: list[type[Refusal]]) -> dict[str, Any]:
    codes = sorted({kind.code for kind in kinds})
    headers = {
        "X-Request-Id": REQUEST_ID,
        "X-ConnHub-Problem": {"required": True, "schema": {"enum": codes}},
    }
    if status in WAIT:
        headers["Retry-After"] = RETRY_AFTER
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = CHALLENGE
    here = {"type": {"enum": [type_of(code) for code in codes]}, "status": {"const": status}}
    schema = {"allOf": [{"$ref": "#/components/schemas/Problem"}, {"properties": here}]}
    return {
        "description": " ".join(f"{code}." for code in codes),
        "headers": headers,
        "content": {MEDIA_TYPE: {"schema": schema}},
    }
