"""A custom service's definition as it travels in a file, and back."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator

from connhub.accounts.models import Environment

from . import strict
from .api_key_form import NOT_A_KEY, WIRE_NAME
from .custom import LIMITS, Definition, MethodDefinition, sending
from .fields import HOST_RULE, MOST_LINES, PREFIX_RULE
from .forms import PATH_RULE, SLUG_RULE, AddressField
from .limits import METHODS

WORD, LONG = strict.line(300), strict.line(2000)
PAIRS = strict.pairs(strict.line(60, blank=False), LONG, 40)
WORDS = ("name", "category", "version", "summary", "docs_url", "base_url", "test")


def _address(value: Any, where: str) -> str:
    try:
        return AddressField(required=False).clean(WORD(value, where))
    except ValidationError:
        raise strict.Misshapen(f"{where} is not an address that ConnHub can call.") from None


def _matching(rule: Any, longest: int) -> strict.Shape:
    def check(value: Any, where: str) -> str:
        try:
            rule(strict.line(longest, blank=False)(value, where))
        except ValidationError:
            raise strict.Misshapen(f"{where} has characters that it can't have.") from None
        return value

    return check


def _link(value: Any, where: str) -> str:
    return value if value == "" else _matching(URLValidator(["https", "http"]), 200)(value, where)


def _key(value: Any, where: str) -> dict[str, Any]:
    key = KEY(value, where)
    if key["in"] == "header" and NOT_A_KEY.fullmatch(key["name"]):
        raise strict.Misshapen(f"{where}.name can't carry a key.")
    return key


KEY = strict.record(
    {
        "name": _matching(WIRE_NAME, 80),
        "in": strict.one_of("header", "query", "form"),
        "label": strict.line(80),
    },
    {"prefix": strict.line(40), "help": WORD, "secret": strict.flag},
)
OAUTH: dict[str, strict.Shape] = {
    **dict.fromkeys(("refresh_url", "revoke_url"), _address),
    "token_auth": strict.one_of(
        "client_secret_basic", "client_secret_post", "private_key_jwt", "none"
    ),
    "token_format": strict.one_of("form", "json"),
    "token_type": strict.line(40),
    "scope_delimiter": strict.one_of(" ", ",", ";", "+"),
    "token_params": PAIRS,
    "authorize_params": PAIRS,
    "headers": PAIRS,
    "pkce": strict.flag,
    "key_id": strict.flag,
    "algorithm": strict.line(20),
    "issuer": WORD,
    "help": WORD,
    "expires_in_s": strict.number(60, 10**9),
    "account_field": strict.line(80),
    "identity": strict.record({"path": _matching(PATH_RULE, 200), "field": strict.line(80)}),
}
LABELS = {f"{of}_label": WORD for of in ("username", "password", "token")}
# The auth methods that can be carried over, with what their configuration may hold.
CONFIGS = {
    "oauth2_code": strict.record({"authorize_url": _address, "token_url": _address}, OAUTH),
    "oauth2_client_credentials": strict.record({"token_url": _address}, OAUTH),
    "api_key": strict.record(
        {"keys": strict.each(_key, 10)}, {"help": WORD, "headers": PAIRS, **LABELS}
    ),
    "basic": strict.record(
        {},
        LABELS
        | {"username_secret": strict.flag, "help": WORD, "headers": PAIRS}
        | {"username_value": strict.line(80), "password_value": strict.line(80)},
    ),
    "bearer": strict.record({}, LABELS | {"help": WORD, "headers": PAIRS}),
    "none": strict.record({}, {"help": WORD, "headers": PAIRS}),
}
SCOPE = strict.record(
    {"name": strict.line(200, blank=False)}, {"label": strict.line(200), "default": strict.flag}
)


def _method(value: Any, where: str) -> dict[str, Any]:
    method = METHOD(value, where)
    method["config"] = CONFIGS[method["kind"]](method["config"], f"{where}.config")
    return method


METHOD = strict.record(
    {
        "kind": strict.one_of(*CONFIGS),
        "label": strict.line(60, blank=False),
        "config": lambda value, where: value,
        "scopes": strict.each(SCOPE, 500),
    }
)
TEST = strict.record(
    {},
    {
        "method": strict.one_of("GET", "HEAD", "POST"),
        "path": _matching(PATH_RULE, 200),
        "expect": strict.each(strict.number(200, 299), 10),
    },
)
SERVICE = strict.record(
    {
        "slug": _matching(SLUG_RULE, 50),
        "name": strict.line(80, blank=False),
        "category": strict.line(40, blank=False),
        "version": strict.line(40),
        "summary": WORD,
        "docs_url": _link,
        "base_url": _address,
        "test": TEST,
        "endpoints": strict.pairs(strict.line(30), _address, 50),
        "methods": strict.each(_method, 10),
    },
    {
        "allowed_hosts": strict.each(_matching(HOST_RULE, 200), MOST_LINES),
        "allowed_methods": strict.each(strict.one_of(*METHODS), len(METHODS)),
        "allowed_paths": strict.each(_matching(PREFIX_RULE, 200), MOST_LINES),
    },
)


def can_travel(definition: Definition) -> bool:
    """Whether the file can hold the service; others have to be made by hand where they are missing."""
    try:
        SERVICE(plain("x", definition), "")
    except strict.Misshapen:
        return False
    return bool(definition.methods)


def plain(slug: str, definition: Definition) -> dict[str, Any]:
    """The definition as the file holds it."""
    return {
        "slug": slug,
        **{name: getattr(definition, name) for name in WORDS},
        **{name: list(each) for name in LIMITS if (each := getattr(definition, name))},
        "endpoints": {stage.slug: url for stage, url in definition.endpoints.items()},
        "methods": [
            {
                "kind": method.kind,
                "label": method.label,
                "config": dict(method.config),
                "scopes": [dict(scope) for scope in method.scopes],
            }
            for method in definition.methods
        ],
    }


def definition(service: Mapping[str, Any], stages: Mapping[str, Environment]) -> Definition:
    """What the file says of a service (of the shape SERVICE), here.

    Endpoints of environments that there are none of here are left out.
    """
    methods = [MethodDefinition(**method) for method in service["methods"]]
    endpoints = {
        stages[slug]: url for slug, url in service["endpoints"].items() if url and slug in stages
    }
    words = {name: service[name] for name in (*WORDS, *LIMITS) if name in service}
    return Definition(**words, methods=methods, endpoints=endpoints)


def destination(definition: Definition) -> str:
    """A hash of where and how its connections' secrets are sent, as 64 hex digits."""
    sent = sending(definition)
    sent["endpoints"] = {stage.slug: url for stage, url in definition.endpoints.items()}
    return hashlib.sha256(json.dumps(sent, sort_keys=True).encode()).hexdigest()
