"""The page that shows an API's OpenAPI document to people."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_safe
from ninja.openapi.docs import DocsBase

Document = dict[str, Any]
Lines = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Call:
    """One path as the page shows it; methods that share a summary are one call.

    `body`, `answer` and `headers` (of the answer) are pairs of a name and what it is; `refusals`
    of a status and the codes that have it.
    """

    methods: list[str]
    path: str
    operation: dict[str, Any]
    statuses: str
    body: Lines
    answer: Lines
    headers: Lines
    refusals: list[tuple[str, list[str]]]

    @property
    def anchor(self) -> str:
        return self.operation["operationId"]


def calls(document: Document) -> list[Call]:
    """The document's calls, sorted by path."""
    found = []
    for path, operations in sorted(document["paths"].items()):
        by_summary: dict[str, list[str]] = {}
        for method, operation in operations.items():
            by_summary.setdefault(operation["summary"], []).append(method)
        for methods in by_summary.values():
            names = [method.upper() for method in methods]
            found.append(_call(names, path, operations[methods[-1]], document))
    return found


def refused_with(code: str, document: Document) -> list[Call]:
    """The calls that can answer with a problem of this code."""
    return [call for call in calls(document) if any(code in codes for _, codes in call.refusals)]


def _call(methods: list[str], path: str, operation: dict[str, Any], document: Document) -> Call:
    good = {str(s): r for s, r in operation["responses"].items() if not _codes_of(r)}
    first: dict[str, Any] = next(iter(good.values()), {})
    headers = first.get("headers", {})
    return Call(
        methods=methods,
        path=path,
        operation=operation,
        statuses=", ".join(good).replace("default", "Whatever the service answers"),
        body=list(_content(operation.get("requestBody", {}), document)),
        answer=list(_content(first, document)),
        headers=[(name, headers[name].get("description", "")) for name in headers],
        refusals=[
            (str(s), codes) for s, r in operation["responses"].items() if (codes := _codes_of(r))
        ],
    )


def _codes_of(answer: dict[str, Any]) -> list[str]:
    return answer.get("headers", {}).get("X-ConnHub-Problem", {}).get("schema", {}).get("enum", [])


def _content(of: dict[str, Any], document: Document) -> Iterator[tuple[str, str]]:
    """Pairs of name and type of what a body holds."""
    for media in of.get("content", {}).values():
        schema = media.get("schema", {})
        for one in schema.get("oneOf", [schema]):
            prefix = f"{one['title']}: " if "oneOf" in schema else ""
            yield from _fields(one, document, prefix)


def _fields(schema: dict[str, Any], document: Document, prefix: str) -> Iterator[tuple[str, str]]:
    if reference := schema.get("$ref"):
        schema = document["components"]["schemas"][reference.rpartition("/")[2]]
    if schema.get("type") == "array":
        yield from _fields(schema["items"], document, f"{prefix}[].")
    for name, inner in schema.get("properties", {}).items():
        yield prefix + name, inner.get("description") or _in_words(inner)
        if inner.get("type") == "array":
            yield from _fields(inner["items"], document, f"{prefix}{name}[].")


def _in_words(schema: dict[str, Any]) -> str:
    if "const" in schema:
        return schema["const"]
    return " or ".join(schema.get("enum", [])) or str(schema.get("type", "")).capitalize()


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
