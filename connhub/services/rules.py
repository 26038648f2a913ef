"""The rules that a catalogue entry follows besides the schema: what fits together, and what is safe."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from .addresses import TEXT_MAPS, TEXTS
from .custom import LIMITS
from .gallery import AUTH_LABELS
from .limits import Limits

MIN_CONTRAST = 4.5  # of a monogram's white text on its colour: WCAG 2.2, 1.4.3

PARAMETER = {"help": "", "placeholder": "", "required": True, "default": ""}

OAUTH1_URLS = ("request_token_url", "authorize_url", "access_token_url")
METHOD_URLS = ("token_url", "refresh_url", "revoke_url", *OAUTH1_URLS)
OWN_AUTHORIZE_PARAMS = {
    *("client_id", "redirect_uri", "response_type", "scope", "state"),
    *("code_challenge", "code_challenge_method"),
}
OWN_OAUTH1_PARAMS = {"oauth_token", "oauth_callback", "oauth_verifier"}
OWN_TOKEN_PARAMS = {
    *("grant_type", "client_id", "client_secret", "client_assertion", "client_assertion_type"),
    *("code", "code_verifier", "redirect_uri", "refresh_token", "assertion", "scope"),
}
OWN_CLAIMS = {"iss", "sub", "aud", "scope", "iat", "exp", "jti"}
# What each kind's form asks for that is no secret, and that texts may therefore name.
FIELDS = {
    "oauth2_code": {"client_id"},
    "oauth2_client_credentials": {"client_id"},
    "oauth1": {"client_id"},
    "jwt_bearer": {"issuer", "subject", "key_id"},
    "aws_sigv4": {"access_key_id"},
    "basic": {"username"},
}
PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
# What a parameter must never be: it would move a URL to another host, or out of its path.
HOSTILE = ("", "..", "a/b", "a\\b", "a?b", "a#b", "a@b", "a:1", "a b", "a%2fb")

Problem = tuple[str, str]  # the key within the service, and what is wrong with it


class CatalogueError(Exception):
    """The catalogue can't be used; the message names the file, the key and what is wrong."""


def problems(raw: dict[str, Any]) -> Iterator[Problem]:
    """What is wrong with a service that the schema can't say."""
    if contrast(raw["colour"]) < MIN_CONTRAST:
        yield "colour", f"is too light for white text: {contrast(raw['colour']):.1f} to 1"
    yield from _database_problems(raw)
    yield from _parameter_problems(raw)
    yield from _url_problems(raw)
    yield from _text_problems(raw)
    yield from _test_problems(raw)
    yield from _method_problems(raw["auth"])


def contrast(colour: str) -> float:
    """How white text stands out on the colour (`#rrggbb`), from 1 to 21: WCAG 2.2."""
    shares = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return 1.05 / (luminance + 0.05)


def _database_problems(raw: dict[str, Any]) -> Iterator[Problem]:
    if not any(method["kind"] == "database" for method in raw["auth"]):
        if "driver" in raw:
            yield "driver", "is for databases only"
        if "base_url" not in raw:
            yield "base_url", "is needed"
        return
    if "driver" not in raw:
        yield "driver", "is needed for a database"
    if len(raw["auth"]) > 1:
        yield "auth", "must hold nothing else for a database"
    for key in ("base_url", "parameters", "headers", *LIMITS, "test"):
        if raw.get(key):
            yield key, "is not for databases: the driver knows what it needs"


def _parameter_problems(raw: dict[str, Any]) -> Iterator[Problem]:
    """Parameters of the service serve all its methods; those of a method serve it alone."""
    places = [("parameters", raw.get("parameters", []), [*_templates(raw)], [*_texts(raw)])]
    for index, method in enumerate(raw["auth"]):
        key = f"auth[{index}]"
        own, texts = [*_method_templates(key, method)], [*_own_texts(key, method)]
        places.append((f"{key}.parameters", method.get("parameters", []), own, texts))
    for key, parameters, templates, texts in places:
        in_urls = {name for _, url in templates for name in PLACEHOLDER.findall(url)}
        in_texts = {name for _, text in texts for name in PLACEHOLDER.findall(text)}
        for index, parameter in enumerate(parameters):
            name = parameter["name"]
            if name not in in_urls | in_texts:
                yield f"{key}[{index}].name", "is used nowhere"
            where = f"{key}[{index}]"
            yield from _pattern_problems(where, PARAMETER | parameter, in_url=name in in_urls)
        yield from _twice(key, [parameter["name"] for parameter in parameters])
    names = {parameter["name"] for parameter in raw.get("parameters", [])}
    for key, parameters, *_ in places[1:]:
        for index, parameter in enumerate(parameters):
            if parameter["name"] in names:
                yield f"{key}[{index}].name", "is a parameter of the service already"


def _pattern_problems(key: str, parameter: dict[str, Any], *, in_url: bool) -> Iterator[Problem]:
    try:
        pattern = re.compile(parameter["pattern"])
    except re.error as error:
        yield f"{key}.pattern", f"is no regular expression: {error}"
        return
    for value in HOSTILE if in_url else ("", "a\nb"):
        if pattern.search(value):
            yield f"{key}.pattern", f"must not match {value!r}"
    if parameter["default"] and not pattern.search(parameter["default"]):
        yield f"{key}.default", "does not match the pattern"
    if not (parameter["required"] or parameter["default"]):
        yield f"{key}.default", "is needed where nothing must be typed"


def _templates(raw: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Pairs of key and URL: everything that parameters are filled into as part of an address."""
    yield "base_url", raw.get("base_url", "")
    for index, method in enumerate(raw["auth"]):
        yield from _method_templates(f"auth[{index}]", method)


def _method_templates(key: str, method: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name in METHOD_URLS:
        yield f"{key}.{name}", method.get(name, "")
    if "login" in method:
        yield f"{key}.login.url", method["login"]["url"]


def _texts(raw: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Pairs of key and text: everything else that parameters are filled into."""
    yield from _of_service(raw)
    for index, method in enumerate(raw["auth"]):
        yield from _own_texts(f"auth[{index}]", method)


def _of_service(raw: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, text in raw.get("headers", {}).items():
        yield f"headers.{name}", text


def _own_texts(key: str, method: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name in TEXTS:
        yield f"{key}.{name}", method.get(name, "")
    for name in ("headers", *TEXT_MAPS):
        for part, text in method.get(name, {}).items():
            yield f"{key}.{name}.{part}", text
    for part, text in method.get("login", {}).get("body", {}).items():
        yield f"{key}.login.body.{part}", text


def _url_problems(raw: dict[str, Any]) -> Iterator[Problem]:
    declared = _names(raw)
    yield from _address_problems("docs_url", raw["docs_url"], declared)
    yield from _address_problems("base_url", raw.get("base_url", ""), declared)
    for index, method in enumerate(raw["auth"]):
        known = declared | _names(method) | _open_fields(method)
        for key, url in _method_templates(f"auth[{index}]", method):
            yield from _address_problems(key, url, known)
        issuer = method.get("issuer", "")
        yield from _address_problems(f"auth[{index}].issuer", issuer, set())
    if raw.get("base_url", "").endswith("/"):
        yield "base_url", "must not end with a slash"
    own_host = urlsplit(raw.get("base_url", "")).netloc
    if own_host in raw.get("allowed_hosts", []):
        yield "allowed_hosts", f"must not repeat {own_host}, the base_url's"


def _address_problems(key: str, url: str, declared: set[str]) -> Iterator[Problem]:
    if url and not url.startswith("https://"):
        yield key, "must start with https://"
    for name in PLACEHOLDER.findall(url):
        if name not in declared:
            yield key, f"{{{name}}} is not among the parameters"


def _text_problems(raw: dict[str, Any]) -> Iterator[Problem]:
    """Headers of the service must make sense with each of its methods."""
    for index, method in enumerate(raw["auth"]):
        known = _names(raw) | _names(method) | FIELDS.get(method["kind"], set())
        fields = {field["name"] for field in method.get("fields", [])}
        for key, text in _own_texts(f"auth[{index}]", method):
            # Only the sign-in request itself takes secrets.
            allowed = known | fields if ".login.body." in key else known | _open_fields(method)
            yield from _unknown(key, text, allowed)
        for key, text in _of_service(raw):
            yield from _unknown(key, text, known | _open_fields(method))


def _unknown(key: str, text: str, known: set[str]) -> Iterator[Problem]:
    for name in PLACEHOLDER.findall(text):
        if name not in known:
            yield key, f"{{{name}}} is not among the parameters"


def _names(part: dict[str, Any]) -> set[str]:
    return {parameter["name"] for parameter in part.get("parameters", [])}


def _open_fields(method: dict[str, Any]) -> set[str]:
    """The fields of a sign-in request that are no secrets."""
    return {f["name"] for f in method.get("fields", []) if not f.get("secret", True)}


def _test_problems(raw: dict[str, Any]) -> Iterator[Problem]:
    tests = [("test", raw.get("test", {}))]
    for index, method in enumerate(raw["auth"]):
        if "test" in method and "test" not in raw:
            yield f"auth[{index}].test", "needs one of the service, which it replaces"
        tests.append((f"auth[{index}].test", method.get("test", {})))
    limits = Limits(tuple(raw.get("allowed_methods", ())), tuple(raw.get("allowed_paths", ())))
    for key, test in tests:
        path = test.get("path", "").partition("?")[0]
        if test and not (limits.allow_method(test["method"]) and limits.allow_path(path)):
            yield key, "is not a call that allowed_methods and allowed_paths allow"
        if "json" in test and test["method"] != "POST":
            yield f"{key}.json", "is for POST only"
        if "expect_json" in test and test["method"] == "HEAD":
            yield f"{key}.expect_json", "is not for HEAD, which has no answer"


def _method_problems(methods: list[dict[str, Any]]) -> Iterator[Problem]:
    seen = set()
    for index, method in enumerate(methods):
        key = f"auth[{index}]"
        name = (method["kind"], method.get("label", AUTH_LABELS[method["kind"]]))
        if name in seen:
            yield f"{key}.label", f"{name[1]} is there twice"
        seen.add(name)
        yield from _scope_problems(key, method)
        yield from _own_name_problems(key, method)
        yield from _kind_problems(key, method)
        keys = [f"{item['in']} {item['name']}" for item in method.get("keys", [])]
        yield from _twice(f"{key}.keys", keys)
        yield from _twice(f"{key}.fields", [field["name"] for field in method.get("fields", [])])


def _kind_problems(key: str, method: dict[str, Any]) -> Iterator[Problem]:
    kind = method["kind"]
    if kind == "oauth2_code" and method["token_auth"] == "none" and not method.get("pkce", True):
        yield f"{key}.pkce", "is needed where there is no client secret"
    if kind == "jwt_bearer" and method.get("exchange", True) != ("token_url" in method):
        yield f"{key}.token_url", "goes with exchange: where there is none, the JWT is the token"
    if kind == "oauth1" and len({name in method for name in OAUTH1_URLS}) > 1:
        yield key, f"must have all of {', '.join(OAUTH1_URLS)}, or none"
    signs = kind == "jwt_bearer" or method.get("token_auth") == "private_key_jwt"
    if "algorithm" in method and not signs:
        yield f"{key}.algorithm", "is for methods that sign"


def _own_name_problems(key: str, method: dict[str, Any]) -> Iterator[Problem]:
    once = method["kind"] == "oauth1"
    own_names = {
        "authorize_params": OWN_OAUTH1_PARAMS if once else OWN_AUTHORIZE_PARAMS,
        "token_params": OWN_TOKEN_PARAMS,
        "claims": OWN_CLAIMS,
    }
    for name, own in own_names.items():
        for part in method.get(name, {}):
            if part in own:
                yield f"{key}.{name}.{part}", "is set by ConnHub"


def _scope_problems(key: str, method: dict[str, Any]) -> Iterator[Problem]:
    scopes = method.get("scopes", [])
    if scopes and not any(scope.get("default") for scope in scopes):
        yield f"{key}.scopes", "must have one that is on by default"
    yield from _twice(f"{key}.scopes", [scope["name"] for scope in scopes])
    delimiter = method.get("scope_delimiter", " ")
    for index, scope in enumerate(scopes):
        if delimiter in scope["name"]:
            yield f"{key}.scopes[{index}].name", f"must not hold the delimiter {delimiter!r}"


def _twice(key: str, names: list[str]) -> Iterator[Problem]:
    for index, name in enumerate(names):
        if names.index(name) < index:
            yield f"{key}[{index}].name", "is there twice"
