"""The calls that an OpenAPI document describes, each with what one fills in to make it."""

import re
from typing import Any
from urllib.parse import unquote

from .documents import mapping, text

HTTP_METHODS = ("get", "put", "post", "delete", "options", "head", "patch")
MAX_OPERATIONS, MAX_PARAMETERS = 2000, 30
# Characters about parameters in all; a document with more of them is taken without.
MAX_WORDS = 300_000
MOST_HOPS = 5
VARIABLE = re.compile(r"\{([^{}]{1,60})\}")
HEADER = re.compile(r"[A-Za-z0-9-]{1,80}")
# The document has other places for these (OpenAPI 3.1 section 4.8.12.2).
NOT_PARAMETERS = {"accept", "content-type", "authorization"}
MEDIA_TYPE = re.compile(r"[A-Za-z0-9.+_-]+/[A-Za-z0-9.+_*-]+")
JSON, FORM = "application/json", "application/x-www-form-urlencoded"
FILES = "multipart/form-data"


def operations_of(raw: dict[str, Any]) -> list[dict[str, Any]]:
    """Up to 2000 of a document's calls, as fields of `Operation`."""
    found = []
    for path, item in mapping(raw.get("paths")).items():
        if len(path) > 300 or not path.isprintable():
            continue
        for method in HTTP_METHODS:
            operation = mapping(item).get(method)
            if isinstance(operation, dict):
                found.append(_operation(raw, method, path, mapping(item), operation))
    return _carried(found[:MAX_OPERATIONS])


def _operation(
    raw: dict[str, Any], method: str, path: str, item: dict[str, Any], operation: dict[str, Any]
) -> dict[str, Any]:
    given = [_resolved(raw, each) for each in (*_list(item), *_list(operation))]
    body_type, body_required = _body(raw, operation, given)
    return {
        "method": method.upper(),
        "path": path,
        "summary": text(operation.get("summary") or operation.get("description"), 200),
        "operation_id": text(operation.get("operationId"), 100),
        "parameters": _parameters(path, given),
        "body_type": body_type,
        "body_required": body_required,
    }


def _list(holder: dict[str, Any]) -> list[Any]:
    parameters = holder.get("parameters")
    return parameters[:MAX_PARAMETERS] if isinstance(parameters, list) else []


def _resolved(raw: dict[str, Any], value: Any) -> dict[str, Any]:
    """The object that a reference within the document leads to (RFC 6901)."""
    for _ in range(MOST_HOPS):
        target = mapping(value).get("$ref")
        if not isinstance(target, str):
            return mapping(value)
        value = raw
        for step in target.removeprefix("#/").split("/"):
            value = mapping(value).get(unquote(step).replace("~1", "/").replace("~0", "~"))
    return {}


def _parameters(path: str, given: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those that a call can be given; a later one replaces one of the same name and place."""
    variables = dict.fromkeys(VARIABLE.findall(path))
    found = {(name, "path"): _parameter(name, "path", {}) for name in variables}
    for each in given:
        name, place = each.get("name"), str(each.get("in"))
        if isinstance(name, str) and _is_usable(name, place, variables):
            found[name, place] = _parameter(name, place, each)
    return list(found.values())[:MAX_PARAMETERS]


def _is_usable(name: str, place: str, variables: dict[str, None]) -> bool:
    if place == "path":
        return name in variables
    if place == "header":
        return bool(HEADER.fullmatch(name)) and name.lower() not in NOT_PARAMETERS
    return place == "query" and 0 < len(name) <= 100 and name.isprintable()


def _parameter(name: str, place: str, given: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "in": place,
        "required": place == "path" or given.get("required") is True,
        "about": text(given.get("description"), 120),
    }


def _body(
    raw: dict[str, Any], operation: dict[str, Any], given: list[dict[str, Any]]
) -> tuple[str, bool]:
    """The media type of what it takes as its body ("" for nothing), and whether it must."""
    body = _resolved(raw, operation.get("requestBody"))
    types = [name.partition(";")[0].strip() for name in mapping(body.get("content"))]
    if types:
        return _best(types), body.get("required") is True
    of_form = [each for each in given if each.get("in") == "formData"]
    if of_form:
        has_file = any(each.get("type") == "file" for each in of_form)
        return FILES if has_file else FORM, any(each.get("required") is True for each in of_form)
    for each in given:
        if each.get("in") == "body":
            consumed = operation.get("consumes") or raw.get("consumes")
            types = consumed if isinstance(consumed, list) and consumed else [JSON]
            return _best([str(name) for name in types]), each.get("required") is True
    return "", False


def _best(types: list[str]) -> str:
    """The one that is easiest to type: JSON, a form, else the first."""
    usable = [name for name in types if len(name) <= 100 and MEDIA_TYPE.fullmatch(name)]
    in_json = (name for name in usable if name == JSON or name.endswith("+json"))
    return next(in_json, FORM if FORM in usable else usable[0] if usable else FILES)


def _carried(operations: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """As they are, or without the words about parameters where a form can't carry so many."""
    every = [parameter for operation in operations for parameter in operation["parameters"]]
    if sum(len(parameter["about"]) for parameter in every) > MAX_WORDS:
        for parameter in every:
            parameter["about"] = ""
    return operations
