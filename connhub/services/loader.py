"""Reads the catalogue of default services, checks it, and loads it into the database."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from django.db import models, transaction
from django.db.models import ProtectedError, Q
from jsonschema import Draft202012Validator

from connhub.audit.log import record

from . import moving
from .custom import LIMITS
from .gallery import AUTH_LABELS
from .models import AuthMethod, Origin, Service
from .rules import PARAMETER, CatalogueError, problems

CATALOGUE = Path(__file__).parent / "catalogue"

CONFIG: dict[str, dict[str, Any]] = {
    "oauth2_code": {"pkce": True, "token_format": "form", "scope_delimiter": " "},
    "oauth2_client_credentials": {"token_format": "form", "scope_delimiter": " "},
    "basic": {"username_label": "User name", "password_label": "Password", "help": ""},
    "bearer": {"help": ""},
    "none": {"help": ""},
}
KEY = {"prefix": "", "help": ""}
SCOPE = {"default": False}


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
    """The slugs of what a load did.

    `left_out`: a custom service has that slug already. `moved`: secrets would go elsewhere, so
    connections that hold some stay with what they were made with.
    """

    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    unlisted: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)

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
            for key, problem in problems(raw):
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
    A method whose secrets would go elsewhere, or otherwise, is retired for the connections that
    hold some, and new ones get a new one; a shared OAuth app is no longer offered then.

    Raises: CatalogueError, if the driver changes of a service that holds secrets.
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
    for service in changed:
        entry = wanted[service.slug]
        if moving.retire(service, entry.service, entry.methods, by=by):
            changes.moved.append(service.slug)
    _write_services(added, changed, wanted)
    _write_methods([*added, *changed], wanted)
    counts = {
        name: len(getattr(changes, name)) for name in ("added", "changed", "unlisted", "moved")
    }
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
        **{name: raw.get(name, []) for name in LIMITS},
        "test": raw.get("test", {}),
        "driver": raw.get("driver", ""),
    }
    headers = raw.get("headers", {})
    methods = [_method(position, each, headers) for position, each in enumerate(raw["auth"])]
    return Entry(raw["slug"], service, methods)


def _method(position: int, raw: dict[str, Any], headers: dict[str, str]) -> dict[str, Any]:
    """What the method's row holds; the headers that the service always wants are among it."""
    kind = raw["kind"]
    config = {key: raw[key] for key in raw if key not in ("kind", "label", "scopes")}
    if headers or "headers" in raw:
        config["headers"] = headers | raw.get("headers", {})
    if "parameters" in raw:
        config["parameters"] = [PARAMETER | parameter for parameter in raw["parameters"]]
    if kind == "api_key":
        config["keys"] = [KEY | key for key in config["keys"]]
    if kind == "bearer":
        config["token_label"] = raw.get("label", "Token")
    if "password_value" in config:  # then what is typed as user name is the key
        config["username_secret"] = True
    return {
        "kind": kind,
        "label": raw.get("label", AUTH_LABELS[kind]),
        "position": position,
        "config": CONFIG.get(kind, {}) | config,
        "scopes": [SCOPE | scope for scope in raw.get("scopes", [])],
    }
