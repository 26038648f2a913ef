"""Reads services out of OpenAPI documents: 2.0, 3.0 and 3.1 (spec.openapis.org)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from openapi_spec_validator import schemas

from .custom import MethodDefinition
from .documents import BadDocument, mapping, parse, text
from .forms import check_address
from .gallery import AUTH_LABELS
from .operations import operations_of

# Each checks the shape of what is read. The validators that follow references are left out: a few
# schemas that refer to each other keep them busy for hours.
VERSIONS = {
    "2.0": schemas.openapi_v2_schema_validator,
    "3.0": schemas.openapi_v30_schema_validator,
    "3.1": schemas.openapi_v31_schema_validator,
}
MAX_METHODS, MAX_SERVERS, MAX_SCOPES = 10, 10, 200
MAX_CHECKED = 50
VARIABLE = re.compile(r"\{([^{}]{1,60})\}")
WIRE_NAME = re.compile(r"[A-Za-z0-9_.-]{1,80}")
SCOPE = re.compile(r"[\x21-\x7e]{1,200}")


@dataclass
class Document:
    """What ConnHub takes from an OpenAPI document; `left_out` names security schemes it can't use."""

    name: str
    version: str
    summary: str
    servers: list[str]
    methods: list[MethodDefinition]
    operations: list[dict[str, Any]]
    left_out: list[str] = field(default_factory=list)


def read(data: bytes) -> Document:
    """The service that the document describes. Nothing it refers to is fetched.

    Raises:
        BadDocument: it can't be read, or is no OpenAPI document.
    """
    raw = parse(data)
    if not isinstance(raw, dict):
        raise BadDocument("The file is no OpenAPI document: it has no openapi or swagger version.")
    _refuse_references(raw)
    _check(raw)
    info = raw["info"]
    methods, left_out = _methods(raw)
    return Document(
        name=text(info.get("title"), 80),
        version=text(info.get("version"), 40),
        summary=text(info.get("summary") or info.get("description"), 300),
        servers=list(_servers(raw))[:MAX_SERVERS],
        methods=methods,
        operations=operations_of(raw),
        left_out=left_out,
    )


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _refuse_references(raw: Any) -> None:
    """References must stay in the document."""
    waiting = [raw]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            target = value.get("$ref")
            if isinstance(target, str) and not target.startswith("#"):
                raise BadDocument("The file refers to other files. Upload one that holds it all.")
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value


def _check(raw: dict[str, Any]) -> None:
    stated = str(raw.get("openapi") or raw.get("swagger") or "")
    version = ".".join(stated.split(".")[:2])
    if version not in VERSIONS:
        raise BadDocument("The file is no OpenAPI document of version 2.0, 3.0 or 3.1.")
    raw["swagger" if version == "2.0" else "openapi"] = stated
    info = raw.get("info")
    if isinstance(info, dict) and isinstance(info.get("version"), int | float):
        info["version"] = str(info["version"])  # YAML takes 1.0 for a number
    fault = next(VERSIONS[version].iter_errors(_skeleton(raw)), None)
    if fault is not None:
        where = ".".join(text(str(step), 40) for step in list(fault.absolute_path)[:6])
        raise BadDocument(
            f"The file breaks the rules of OpenAPI {version} at {where or 'the top'}."
        )


def _skeleton(raw: dict[str, Any]) -> dict[str, Any]:
    """The parts that are read, without the calls: checking thousands of those takes long."""
    read_parts = ("openapi", "swagger", "info", "host", "basePath", "servers", "security")
    found = {name: raw[name] for name in read_parts if name in raw}
    for name in ("servers", "security"):
        if isinstance(found.get(name), list):
            found[name] = found[name][:MAX_CHECKED]
    if "paths" in raw:
        paths = raw["paths"]
        if not _is_object(paths) or not all(map(_is_object, paths.values())):
            raise BadDocument("The file breaks the rules of OpenAPI at paths.")
        found["paths"] = {}
    if "components" in raw:
        schemes = mapping(raw["components"]).get("securitySchemes", {})
        found["components"] = {"securitySchemes": _first(schemes)}
    if "securityDefinitions" in raw:
        found["securityDefinitions"] = _first(raw["securityDefinitions"])
    return found


def _first(schemes: Any) -> Any:
    return dict(list(schemes.items())[:MAX_CHECKED]) if _is_object(schemes) else schemes


def _servers(raw: dict[str, Any]) -> Iterator[str]:
    """Its servers' URLs, those that calls can go to; variables stand as their defaults."""
    if "swagger" in raw:
        found = f"https://{raw.get('host', '')}{raw.get('basePath', '')}"
        servers: list[dict[str, Any]] = [{"url": found}] if raw.get("host") else []
    else:
        servers = raw.get("servers") or []
    seen = set()
    for server in filter(_is_object, servers):
        variables = mapping(server.get("variables"))
        url = VARIABLE.sub(partial(_default, variables=variables), str(server.get("url")))
        url = url.rstrip("/")
        if _is_address(url) and url not in seen:
            seen.add(url)
            yield url


def _default(found: re.Match, variables: dict[str, Any]) -> str:
    default = mapping(variables.get(found[1])).get("default")
    return default if isinstance(default, str) and default else found[0].lower()


def _is_address(url: Any) -> bool:
    if not isinstance(url, str) or len(url) > 300 or not url.isprintable():
        return False
    try:
        check_address(url)
    except ValidationError:
        return False
    return bool(urlsplit(url).netloc)


# --- Security schemes -------------------------------------------------------------------------------


def _methods(raw: dict[str, Any]) -> tuple[list[MethodDefinition], list[str]]:
    """Its auth methods, and the names of the schemes that make none."""
    if "swagger" in raw:
        given = mapping(raw.get("securityDefinitions"))
    else:
        given = mapping(mapping(raw.get("components")).get("securitySchemes"))
    schemes = {name: scheme for name, scheme in given.items() if _is_object(scheme)}
    found, left_out = [], []
    for name, scheme in list(schemes.items())[: 2 * MAX_METHODS]:
        made = [method for method in _of_scheme(scheme) if method]
        found += made
        if not made:
            left_out.append(text(name, 60))
    _merge_keys_used_together(raw, schemes, found)
    for kind in {method.kind for method in found}:
        _tell_apart([method for method in found if method.kind == kind])
    return found[:MAX_METHODS] or [MethodDefinition("none", AUTH_LABELS["none"])], left_out


def _of_scheme(scheme: dict[str, Any]) -> Iterator[MethodDefinition | None]:
    kind, how = scheme.get("type"), str(scheme.get("scheme", "")).lower()
    if kind == "apiKey":
        yield _api_key(scheme)
    elif kind == "basic" or (kind == "http" and how == "basic"):
        yield MethodDefinition("basic", AUTH_LABELS["basic"])
    elif kind == "http" and how == "bearer":
        yield MethodDefinition("bearer", AUTH_LABELS["bearer"], {"token_label": "Token"})
    elif kind == "oauth2":
        flows = mapping(scheme.get("flows")) or {str(scheme.get("flow")): scheme}
        for name, flow in flows.items():
            yield _oauth(name, mapping(flow))


def _api_key(scheme: dict[str, Any]) -> MethodDefinition | None:
    name, place = scheme.get("name"), scheme.get("in")
    is_usable = isinstance(name, str) and WIRE_NAME.fullmatch(name)
    if not is_usable or place not in ("header", "query"):
        return None
    key = {"name": name, "in": place, "label": text(name, 60), "prefix": "", "help": ""}
    return MethodDefinition("api_key", AUTH_LABELS["api_key"], {"keys": [key | {"secret": True}]})


def _oauth(name: str, flow: dict[str, Any]) -> MethodDefinition | None:
    kind = {
        "authorizationCode": "oauth2_code",
        "accessCode": "oauth2_code",
        "clientCredentials": "oauth2_client_credentials",
        "application": "oauth2_client_credentials",
    }.get(name)
    if kind is None:
        return None
    urls = {"token_url": flow.get("tokenUrl")}
    if kind == "oauth2_code":
        urls["authorize_url"] = flow.get("authorizationUrl")
    if not all(_is_address(url) for url in urls.values()):
        return None
    if _is_address(flow.get("refreshUrl")) and kind == "oauth2_code":
        urls["refresh_url"] = flow["refreshUrl"]
    config = urls | {
        "token_auth": "client_secret_basic",
        "token_format": "form",
        "scope_delimiter": " ",
    }
    config |= {"pkce": True} if kind == "oauth2_code" else {}
    return MethodDefinition(kind, AUTH_LABELS[kind], config, _scopes(flow))


def _scopes(flow: dict[str, Any]) -> list[dict[str, Any]]:
    scopes = list(mapping(flow.get("scopes")).items())[:MAX_SCOPES]
    return [
        {"name": name, "label": text(label, 200), "default": False}
        for name, label in scopes
        if SCOPE.fullmatch(name)
    ]


def _merge_keys_used_together(
    raw: dict[str, Any], schemes: dict[str, Any], found: list[MethodDefinition]
) -> None:
    """Where every call takes several keys at once, they are one auth method."""
    for required in filter(_is_object, raw.get("security") or []):
        keys = {schemes[n].get("name") for n in required if n in schemes}
        together = [
            method
            for method in found
            if method.kind == "api_key" and method.config["keys"][0]["name"] in keys
        ]
        if len(together) == len(required) > 1:
            every = [key for method in together for key in method.config["keys"]]
            found[:] = [method for method in found if method not in together]
            found.insert(0, MethodDefinition("api_key", AUTH_LABELS["api_key"], {"keys": every}))
            return


def _tell_apart(methods: list[MethodDefinition]) -> None:
    """Labels of one kind must differ."""
    for number, method in enumerate(methods[1:], 2):
        keys = method.config.get("keys")
        about = keys[0]["name"] if keys else str(number)
        method.label = (
            f"{method.label} {number} ({about})"[:60] if keys else f"{method.label} {about}"
        )
