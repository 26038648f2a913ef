"""The runtime API's documentation: calls that Django Ninja doesn't know, and the page."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_safe
from ninja.openapi.docs import DocsBase

SECURITY: list[dict[str, Any]] = [{"IntegrationKeyAuth": []}]
LINK_NAME = {
    "in": "path",
    "name": "link_name",
    "required": True,
    "schema": {"type": "string"},
    "description": "The connection's link name.",
}
PROBLEM = {
    "description": "A problem document (RFC 9457) that says why not. One of the type"
    " authorize-as-user has an authorize_url: the page where the user has to authorize.",
    "content": {"application/problem+json": {"schema": {"type": "object"}}},
}


def _header(name: str, description: str) -> dict[str, Any]:
    return {"in": "header", "name": name, "description": description, "schema": {"type": "string"}}


USER = _header(
    "X-ConnHub-User",
    "E-mail address of the login user, where the connection uses the credentials of login users:"
    " somebody with access to the key's integration who has authorized. Where it doesn't, the"
    " header changes nothing; the call log notes it. It never reaches the service.",
)


def _proxied(method: str) -> dict[str, Any]:
    return {
        "operationId": f"proxy_{method}",
        "summary": "Call the service through ConnHub",
        "description": "The call goes to the service's base URL with the credential added."
        " Method, query, body and status pass through.",
        "parameters": [
            LINK_NAME,
            {"in": "path", "name": "path", "required": True, "schema": {"type": "string"}},
            _header("X-ConnHub-Flow", "Slug of the flow that calls, or name of the function."),
            _header("X-ConnHub-Step", "Name of the step that calls."),
            USER,
        ],
        "responses": {"default": {"description": "What the service answers."}, "4XX": PROBLEM},
        "security": SECURITY,
    }


BY_HAND: dict[str, Any] = {
    "/api/v1/connections/{link_name}/proxy/{path}": {
        method: _proxied(method) for method in ("get", "post", "put", "patch", "delete")
    },
    "/api/v1/connections/{link_name}/credentials": {
        "get": {
            "operationId": "credentials",
            "summary": "Fetch the secret itself",
            "description": "Access token, API key, or database parameters and DSN: only if the"
            " connection's access mode is proxy and credentials.",
            "parameters": [LINK_NAME, USER],
            "responses": {"200": {"description": "The credentials."}, "4XX": PROBLEM},
            "security": SECURITY,
        }
    },
}


@dataclass(frozen=True, slots=True)
class Call:
    """One path as the page shows it; methods that share a summary are one call."""

    methods: list[str]
    path: str
    operation: dict[str, Any]
    body: list[tuple[str, str]]


def calls(document: dict[str, Any]) -> list[Call]:
    """The document's calls, in its order."""
    found = []
    for path, operations in document["paths"].items():
        by_summary: dict[str, list[str]] = {}
        for method, operation in operations.items():
            by_summary.setdefault(operation["summary"], []).append(method)
        for methods in by_summary.values():
            operation = operations[methods[0]]
            names = [method.upper() for method in methods]
            found.append(Call(names, path, operation, list(_body(operation, document))))
    return found


def _body(operation: dict[str, Any], document: dict[str, Any]):
    """Pairs of name and type of what the body holds."""
    content = operation.get("requestBody", {}).get("content", {})
    for media in content.values():
        yield from _fields(media["schema"], document, "")


def _fields(schema: dict[str, Any], document: dict[str, Any], prefix: str):
    if reference := schema.get("$ref"):
        schema = document["components"]["schemas"][reference.rpartition("/")[2]]
    if schema.get("type") == "array":
        yield from _fields(schema["items"], document, f"{prefix}[].")
    for name, inner in schema.get("properties", {}).items():
        words = " or ".join(inner.get("enum", [])) or inner.get("type", "")
        yield prefix + name, inner.get("description") or words
        if inner.get("type") == "array":
            yield from _fields(inner["items"], document, f"{prefix}{name}[].")


class DocsPage(DocsBase):
    """The documentation as one of ConnHub's pages, made here: nothing comes from outside."""

    @method_decorator(require_safe)
    def render_page(self, request: HttpRequest, api, **kwargs: Any) -> HttpResponse:
        document = api.get_openapi_schema()
        context = {
            "document": document,
            "calls": calls(document),
            "document_url": self.get_openapi_url(api, kwargs),
        }
        return render(request, "usage/docs.html", context)
