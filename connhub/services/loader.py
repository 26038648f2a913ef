"""Reads the catalogue of default services, checks it, and loads it into the database."""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml
from django.db import models, transaction
from django.db.models import ProtectedError, Q
from jsonschema import Draft202012Validator

from connhub.audit.log import record

from .models import AuthMethod, Origin, Service

CATALOGUE = Path(__file__).parent / "catalogue"
MIN_CONTRAST = 4.5  # of a monogram's white text on its colour: WCAG 2.2, 1.4.3

LABELS = {
    "oauth2_code": "OAuth 2.0",
    "api_key": "API key",
    "basic": "Basic",
    "bearer": "Bearer token",
    "database": "Database",
    "none": "No authentication",
}
CONFIG: dict[str, dict[str, Any]] = {
    "oauth2_code": {"pkce": True, "token_format": "form", "scope_delimiter": " "},
    "basic": {"username_label": "User name", "password_label": "Password", "help": ""},
    "bearer": {"help": ""},
    "none": {"help": ""},
}
KEY = {"prefix": "", "help": ""}
SCOPE = {"default": False}
PARAMETER = {"help": "", "placeholder": "", "required": True, "default": ""}

METHOD_URLS = ("authorize_url", "token_url", "refresh_url", "revoke_url")
OWN_AUTHORIZE_PARAMS = {
    *("client_id", "redirect_uri", "response_type", "scope", "state"),
    *("code_challenge", "code_challenge_method"),
}
PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
# What a parameter must never be: it would move a URL to another host, or out of its path.
HOSTILE = ("", "..", "a/b", "a\\b", "a?b", "a#b", "a@b", "a:1", "a b", "a%2fb")

Problem = tuple[str, str]  # the key within the service, and what is wrong with it


class CatalogueError(Exception):
    """The catalogue can't be used; the message names the file, the key and what is wrong."""


@dataclass(frozen=True)
class Entry:
    """One service of the catalogue as its rows will hold it, every default filled in."""

    slug: str
    service: dict[str, Any]
    methods: list[dict[str, Any]]

    @property
    def digest(self) -> str:
        """SHA-256 over the entry's canonical JSON, as 64 hex digits: it changes with the entry."""
        text = json.dumps([self.service, self.methods], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Changes:
    """The slugs of what a load did. `left_out`: a custom service has that slug already."""

    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    unlisted: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.unlisted)


def read(folder: Path = CATALOGUE) -> list[Entry]:
    """The entries of all the folder's YAML files, checked.

    Raises:
        CatalogueError: a file breaks a rule, a slug is there twice, or there is no file.
    """
    entries: list[Entry] = []
    homes: dict[str, str] = {}
    for path in sorted(folder.glob("*.yaml")):
        file = f"{folder.name}/{path.name}"
        document = _parse(path, file)
        for index, raw in enumerate(document["services"]):
            where = f"{file}: services[{index}] ({raw['slug']})"
            for key, problem in _problems(raw):
                raise CatalogueError(f"{where}.{key}: {problem}")
            if raw["slug"] in homes:
                raise CatalogueError(f"{where}.slug: is taken by {homes[raw['slug']]}")
            homes[raw["slug"]] = where
            entries.append(_entry(document["category"], raw))
    if not entries:
        raise CatalogueError(f"{folder.name}: holds no catalogue file")
    return entries


@transaction.atomic
def load(entries: Iterable[Entry], *, by: models.Model | None = None) -> Changes:
    """Make the default services what the entries say, and put on record what changed.

    A service whose entry is gone is unlisted, never deleted; one that an admin unlisted stays so.
    Custom services and connections are not touched. Auth methods keep their id as long as kind
    and label stay; one that is gone is deleted or, if a connection uses it, marked as retired.
    """
    wanted = {entry.slug: entry for entry in entries}
    stored = _stored(wanted)
    changes = _compare(wanted, stored)
    if not changes:
        return changes

    # Without a digest a service counts as changed, and is listed again, when its entry comes back.
    Service.objects.filter(slug__in=changes.unlisted).update(listed=False, digest="")
    added = [Service(slug=slug, origin=Origin.DEFAULT) for slug in changes.added]
    changed = [stored[slug] for slug in changes.changed]
    _write_services(added, changed, wanted)
    _write_methods([*added, *changed], wanted)
    counts = {name: len(getattr(changes, name)) for name in ("added", "changed", "unlisted")}
    record("catalogue.loaded", by=by, detail=counts)
    return changes


def _stored(slugs: Iterable[str]) -> dict[str, Service]:
    """All default services and the custom ones that have one of the slugs, locked, by slug."""
    rows = Service.objects.filter(Q(origin=Origin.DEFAULT) | Q(slug__in=list(slugs)))
    return {service.slug: service for service in rows.select_for_update(no_key=True)}


def _compare(wanted: dict[str, Entry], stored: dict[str, Service]) -> Changes:
    changes = Changes()
    for slug, entry in wanted.items():
        _verdict(changes, entry, stored.get(slug)).append(slug)
    for slug, service in stored.items():
        if slug not in wanted and service.digest:
            changes.unlisted.append(slug)
    return changes


def _verdict(changes: Changes, entry: Entry, service: Service | None) -> list[str]:
    if service is None:
        return changes.added
    if service.origin != Origin.DEFAULT:
        return changes.left_out
    return changes.unchanged if service.digest == entry.digest else changes.changed


def _write_services(added: list[Service], changed: list[Service], wanted: dict[str, Entry]) -> None:
    for service in [*added, *changed]:
        entry = wanted[service.slug]
        service.listed = service.listed or not service.digest
        service.digest = entry.digest
        for name, value in entry.service.items():
            setattr(service, name, value)
    Service.objects.bulk_create(added)
    if changed:
        fields = [*wanted[changed[0].slug].service, "listed", "digest"]
        Service.objects.bulk_update(changed, fields)


def _write_methods(services: list[Service], wanted: dict[str, Entry]) -> None:
    stored = {
        (method.service_id, method.kind, method.label): method
        for method in AuthMethod.objects.filter(service__in=services)
    }
    new: list[AuthMethod] = []
    kept: list[AuthMethod] = []
    for service in services:
        for values in wanted[service.slug].methods:
            found = stored.pop((service.pk, values["kind"], values["label"]), None)
            method = found or AuthMethod(service=service)
            (kept if found else new).append(method)
            for name, value in values.items():
                setattr(method, name, value)
    AuthMethod.objects.bulk_create(new)
    AuthMethod.objects.bulk_update(kept, ["position", "config", "scopes"])
    for method in stored.values():
        _drop(method)


def _drop(method: AuthMethod) -> None:
    try:
        method.delete()
    except ProtectedError:
        method.config = {**method.config, "retired": True}
        method.save(update_fields=["config"])


class _Loader(yaml.CSafeLoader):
    """YAML's safe part, in which a key given twice is an error instead of being lost."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        mapping = super().construct_mapping(node, deep=deep)
        seen = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    problem=f"{key.value} is there twice", problem_mark=key.start_mark
                )
            seen.add(key.value)
        return mapping


@cache
def _validator() -> Draft202012Validator:
    return Draft202012Validator(json.loads((CATALOGUE / "schema.json").read_text("utf-8")))


def _parse(path: Path, file: str) -> dict[str, Any]:
    """The file's content, which follows the schema."""
    try:
        document = yaml.load(path.read_bytes(), Loader=_Loader)  # noqa: S506  (it is a safe one)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise CatalogueError(f"{file}: line {line}: {error.problem}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise CatalogueError(f"{file}: is not YAML in UTF-8") from error
    for fault in _validator().iter_errors(document):
        key = _key(document, list(fault.absolute_path))
        raise CatalogueError(": ".join(filter(None, [file, key, fault.message])))
    return document


def _key(document: Any, path: list[str | int]) -> str:
    """The path as it is written: `services[2] (hubspot).auth[0].token_url`."""
    steps = [f"[{step}]" if isinstance(step, int) else f".{step}" for step in path]
    if len(path) > 1:
        service = document["services"][path[1]]
        slug = service.get("slug") if isinstance(service, dict) else None
        steps[1] += f" ({slug})" if isinstance(slug, str) else ""
    return "".join(steps).removeprefix(".")


def _entry(category: str, raw: dict[str, Any]) -> Entry:
    service = {
        "name": raw["name"],
        "category": category,
        "aliases": raw.get("aliases", []),
        "monogram": raw["monogram"],
        "colour": raw["colour"],
        "docs_url": raw["docs_url"],
        "base_url": raw.get("base_url", ""),
        "parameters": [PARAMETER | parameter for parameter in raw.get("parameters", [])],
        "allowed_hosts": raw.get("allowed_hosts", []),
        "test": raw.get("test", {}),
        "driver": raw.get("driver", ""),
    }
    methods = [_method(position, method) for position, method in enumerate(raw["auth"])]
    return Entry(raw["slug"], service, methods)


def _method(position: int, raw: dict[str, Any]) -> dict[str, Any]:
    kind = raw["kind"]
    config = {key: raw[key] for key in raw if key not in ("kind", "label", "scopes")}
    if kind == "api_key":
        config["keys"] = [KEY | key for key in config["keys"]]
    if kind == "bearer":
        config["token_label"] = raw.get("label", "Token")
    if "password_value" in config:  # then what is typed as user name is the key
        config["username_secret"] = True
    return {
        "kind": kind,
        "label": raw.get("label", LABELS[kind]),
        "position": position,
        "config": CONFIG.get(kind, {}) | config,
        "scopes": [SCOPE | scope for scope in raw.get("scopes", [])],
    }


def _problems(raw: dict[str, Any]) -> Iterator[Problem]:
    """What is wrong with a service that the schema can't say."""
    if contrast(raw["colour"]) < MIN_CONTRAST:
        yield "colour", f"is too light for white text: {contrast(raw['colour']):.1f} to 1"
    yield from _database_problems(raw)
    yield from _parameter_problems(raw)
    yield from _url_problems(raw)
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
    for key in ("base_url", "parameters", "allowed_hosts", "test"):
        if raw.get(key):
            yield key, "is not for databases: the driver knows what it needs"


def _parameter_problems(raw: dict[str, Any]) -> Iterator[Problem]:
    parameters = raw.get("parameters", [])
    used = {name for _, url in _templates(raw) for name in PLACEHOLDER.findall(url)}
    for index, parameter in enumerate(parameters):
        key = f"parameters[{index}]"
        if parameter["name"] not in used:
            yield f"{key}.name", "is used in no URL"
        yield from _pattern_problems(key, PARAMETER | parameter)
    yield from _twice("parameters", [parameter["name"] for parameter in parameters])


def _pattern_problems(key: str, parameter: dict[str, Any]) -> Iterator[Problem]:
    try:
        pattern = re.compile(parameter["pattern"])
    except re.error as error:
        yield f"{key}.pattern", f"is no regular expression: {error}"
        return
    for value in HOSTILE:
        if pattern.search(value):
            yield f"{key}.pattern", f"must not match {value!r}"
    if parameter["default"] and not pattern.search(parameter["default"]):
        yield f"{key}.default", "does not match the pattern"
    if not (parameter["required"] or parameter["default"]):
        yield f"{key}.default", "is needed where nothing must be typed"


def _templates(raw: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Pairs of key and URL: everything that parameters are filled into."""
    yield "base_url", raw.get("base_url", "")
    for index, method in enumerate(raw["auth"]):
        for name in METHOD_URLS:
            yield f"auth[{index}].{name}", method.get(name, "")


def _url_problems(raw: dict[str, Any]) -> Iterator[Problem]:
    declared = {parameter["name"] for parameter in raw.get("parameters", [])}
    for key, url in [("docs_url", raw["docs_url"]), *_templates(raw)]:
        if url and not url.startswith("https://"):
            yield key, "must start with https://"
        for name in PLACEHOLDER.findall(url):
            if name not in declared:
                yield key, f"{{{name}}} is not among the parameters"
    if raw.get("base_url", "").endswith("/"):
        yield "base_url", "must not end with a slash"
    own_host = urlsplit(raw.get("base_url", "")).netloc
    if own_host in raw.get("allowed_hosts", []):
        yield "allowed_hosts", f"must not repeat {own_host}, the base_url's"


def _method_problems(methods: list[dict[str, Any]]) -> Iterator[Problem]:
    seen = set()
    for index, method in enumerate(methods):
        key = f"auth[{index}]"
        name = (method["kind"], method.get("label", LABELS[method["kind"]]))
        if name in seen:
            yield f"{key}.label", f"{name[1]} is there twice"
        seen.add(name)
        if method["kind"] == "oauth2_code":
            yield from _oauth_problems(key, method)
        keys = [f"{item['in']} {item['name']}" for item in method.get("keys", [])]
        yield from _twice(f"{key}.keys", keys)


def _oauth_problems(key: str, method: dict[str, Any]) -> Iterator[Problem]:
    for name in method.get("authorize_params", {}):
        if name in OWN_AUTHORIZE_PARAMS:
            yield f"{key}.authorize_params.{name}", "is set by ConnHub"
    if method["token_auth"] == "none" and not method.get("pkce", True):
        yield f"{key}.pkce", "is needed where there is no client secret"
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
