"""What admins do with services: make, edit, list, unlist and delete their own."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth.models import Permission
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from connhub.accounts.models import Environment, User
from connhub.accounts.people import require_now
from connhub.audit.log import record
from connhub.errors import Refusal

from .addresses import PLACEHOLDER, templates
from .models import ADMINISTER, AuthMethod, Endpoint, Operation, Origin, Service, ServiceUserGrant

# They stand where a slug stands in URLs.
RESERVED = frozenset({"new", "register"})
# One piece of a host name: letters, digits and hyphens in between.
PARAMETER_PATTERN = "^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$"
TEXT_PATTERN = "^[\\x21-\\x7e]{1,200}$"
# What a person reads, the test, and how the service says whose account it is, which is asked below
# the base URL; all the rest decides where and how a secret is sent.
WORDS = frozenset(
    {
        *("username_label", "password_label", "token_label", "key_label"),
        *("label", "help", "test", "account_field", "identity"),
    }
)
# Their words may change, but that they are there decides what is asked and sent.
ASKED_BY = frozenset({"issuer_label", "subject_label"})
WORDS_OF_A_ROW = frozenset({"label", "help", "placeholder"})
LIMITS = ("allowed_hosts", "allowed_methods", "allowed_paths")
ROWS = frozenset({"keys", "fields", "parameters"})
# What auth methods ask under names of their own, besides their secrets.
ASKED = {
    "oauth2_code": {"client_id", "key_id"},
    "oauth2_client_credentials": {"client_id", "key_id"},
    "oauth1": {"client_id"},
    "jwt_bearer": {"issuer", "subject", "key_id"},
    "aws_sigv4": {"access_key_id"},
    "basic": {"username"},
}
LISTED = 10


class SlugTaken(Refusal):
    code = "service-name-taken"
    text = "This service link name is taken. Choose another."


class SecretsWouldMove(Refusal):
    code = "secrets-would-move"
    text = (
        "Connections or OAuth apps of this service hold secrets, and this change would send them "
        "elsewhere or in another way. Revoke those connections first, or create a new service."
    )


class StillInUse(Refusal):
    code = "service-in-use"
    text = "Connections use this service, or did. Unlist it instead: no new ones can be made then."


@dataclass
class MethodDefinition:
    """One auth method of a service: its kind with URLs, switches and scopes."""

    kind: str
    label: str
    config: Mapping[str, Any] = field(default_factory=dict)
    scopes: Sequence[Mapping[str, Any]] = ()


@dataclass
class Definition:
    """What a form or a document says about a service. `endpoints` are base URLs by environment."""

    name: str
    category: str
    base_url: str
    methods: Sequence[MethodDefinition]
    version: str = ""
    summary: str = ""
    docs_url: str = ""
    test: Mapping[str, Any] = field(default_factory=dict)
    endpoints: Mapping[Environment, str] = field(default_factory=dict)
    operations: Sequence[Mapping[str, Any]] = ()
    parameters: Sequence[Mapping[str, Any]] = ()  # those whose words are known already
    allowed_hosts: Sequence[str] = ()
    allowed_methods: Sequence[str] = ()
    allowed_paths: Sequence[str] = ()


@transaction.atomic
def create(definition: Definition, *, slug: str, by: User) -> Service:
    """Make a custom service, its creator the first admin.

    Raises:
        PermissionDenied: it takes the role admin.
        SlugTaken: another service has the slug, or a page.
    """
    by = require_now(by, "service.create")
    if slug in RESERVED:
        raise SlugTaken
    service = Service(slug=slug, origin=Origin.CUSTOM, **_columns(definition))
    try:
        with transaction.atomic():
            service.save(force_insert=True)
    except IntegrityError:
        raise SlugTaken from None
    _write_methods(service, definition)
    _write_endpoints(service, definition)
    Operation.objects.bulk_create(
        Operation(service=service, **operation) for operation in definition.operations
    )
    _grant(service, by)
    record("service.created", by=by, on=service, detail={"slug": slug})
    return service


@transaction.atomic
def edit(service: Service, definition: Definition, *, by: User) -> None:
    """Make the service what the definition says; its slug and operations stay.

    Raises:
        PermissionDenied: `by` is not an admin of the service, or it is a default one.
        SecretsWouldMove: a stored secret would be sent elsewhere, or otherwise.
    """
    by = require_now(by, "service.edit", service)
    service = Service.objects.select_for_update(no_key=True).get(pk=service.pk)
    before, after = sending(definition_of(service)), sending(definition)
    moved = [name for name in before if before[name] != after[name]]
    if moved and holds_secrets(service):
        raise SecretsWouldMove(links=_connections(service, by))
    columns = _columns(definition)
    changed = [name for name, value in columns.items() if getattr(service, name) != value]
    for name, value in columns.items():
        setattr(service, name, value)
    service.save(update_fields=list(columns))
    _write_methods(service, definition)
    _write_endpoints(service, definition)
    record("service.edited", by=by, on=service, fields={*changed, *moved})


@transaction.atomic
def set_listed(service: Service, listed: bool, *, by: User) -> None:
    """Offer the service for new connections, or no longer; those that exist go on working.

    Raises: PermissionDenied.
    """
    by = require_now(by, "service.list", service)
    Service.objects.filter(pk=service.pk).update(listed=listed)
    record("service.listed" if listed else "service.unlisted", by=by, on=service)


@transaction.atomic
def delete(service: Service, *, by: User) -> None:
    """Delete a service that no connection was ever made to.

    Raises:
        PermissionDenied: `by` is not an admin of the service, or it is a default one.
        StillInUse: there are connections to it, or were.
    """
    by = require_now(by, "service.delete", service)
    service = Service.objects.select_for_update(no_key=True).get(pk=service.pk)
    record("service.deleted", by=by, on=service, detail={"slug": service.slug})
    # Under the record's lock: a connection that somebody was creating is there by now.
    if service.connections.exists():
        raise StillInUse(links=_connections(service, by))
    service.delete()


def definition_of(service: Service) -> Definition:
    """The service as it is stored."""
    methods = [
        MethodDefinition(method.kind, method.label, method.config, method.scopes)
        for method in service.auth_methods.offered()
    ]
    own = service.endpoints.exclude(environment=None).select_related("environment")
    return Definition(
        name=service.name,
        category=service.category,
        base_url=service.base_url,
        methods=methods,
        version=service.version,
        summary=service.summary,
        docs_url=service.docs_url,
        test=service.test,
        endpoints={row.environment: row.base_url for row in own if row.environment},
        parameters=service.parameters,
        **{name: getattr(service, name) for name in LIMITS},
    )


def unsaved(definition: Definition, *, slug: str) -> tuple[Service, AuthMethod]:
    """The service with its first auth method as they would be stored, to be tried; nothing is."""
    service = Service(slug=slug, origin=Origin.CUSTOM, **_columns(definition))
    method = definition.methods[0]
    return service, AuthMethod(
        service=service,
        kind=method.kind,
        label=method.label,
        config=dict(method.config),
        scopes=[dict(scope) for scope in method.scopes],
    )


def sending(definition: Definition) -> dict[str, Any]:
    """What of a definition decides where and how secrets are sent (SECURITY 2.3)."""
    return {
        "base_url": definition.base_url,
        "endpoints": {stage.pk: url for stage, url in definition.endpoints.items()},
        "methods": [(method.kind, without_words(method.config)) for method in definition.methods],
    }


def without_words(config: Mapping[str, Any]) -> dict[str, Any]:
    """What of an auth method's configuration decides where and how its secrets are sent."""
    kept = {name: value for name, value in config.items() if name not in WORDS}
    kept |= {name: bool(kept[name]) for name in ASKED_BY & kept.keys()}
    for name in ROWS & kept.keys():
        kept[name] = [
            {key: value for key, value in row.items() if key not in WORDS_OF_A_ROW}
            for row in kept[name]
        ]
    return kept


def holds_secrets(service: Service) -> bool:
    """Whether a connection has a credential or is being authorized, or an OAuth app has a secret."""
    stored = Q(credentials__payload__isnull=False)
    under_way = Q(authorization__expires_at__gt=timezone.now())
    return (
        service.connections.filter(stored | under_way).exists()
        or service.oauth_apps.filter(client_secret__isnull=False).exists()
    )


def _connections(service: Service, by: User) -> list[tuple[str, str]]:
    """The first few that the person may see, for the others are none of their business."""
    seen = service.connections.visible_to(by)[:LISTED]
    return [(str(connection), connection.get_absolute_url()) for connection in seen]


def _columns(definition: Definition) -> dict[str, Any]:
    return {
        "name": definition.name,
        "category": definition.category,
        "version": definition.version,
        "summary": definition.summary,
        "docs_url": definition.docs_url,
        "base_url": definition.base_url,
        "test": dict(definition.test),
        "parameters": _parameters(definition),
        **{name: list(getattr(definition, name)) for name in LIMITS},
    }


def placeholders(definition: Definition) -> list[str]:
    """The names in braces that a connection says something for, each once; addresses come first."""
    found = _names(addresses(definition))
    for method in definition.methods:
        config = method.config
        texts = [templates(config), config.get("headers", {}), config.get("login", {})]
        found += [name for name in _names(_strings(texts)) if name not in _asked(method)]
    return list(dict.fromkeys(found))


def addresses(definition: Definition) -> list[str]:
    """Everything that a parameter could move elsewhere."""
    urls = [definition.base_url, *definition.endpoints.values()]
    for method in definition.methods:
        urls += [value for name, value in method.config.items() if name.endswith("_url")]
        urls += [login["url"] for login in [method.config.get("login")] if login]
    return urls


def _names(texts: Iterable[str]) -> list[str]:
    return [name for text in texts for name in PLACEHOLDER.findall(text)]


def _strings(value: Any) -> Iterator[str]:
    """All texts within lists and mappings."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for each in value.values() if isinstance(value, Mapping) else value:
            yield from _strings(each)


def _asked(method: MethodDefinition) -> set[str]:
    """The names of what the auth method asks for by itself."""
    rows = [row for name in ("fields", "parameters") for row in method.config.get(name, ())]
    return ASKED.get(method.kind, set()) | {row["name"] for row in rows}


def _parameters(definition: Definition) -> list[dict[str, Any]]:
    known = {parameter["name"]: dict(parameter) for parameter in definition.parameters}
    pieces = set(_names(addresses(definition)))
    free = {name for name, parameter in known.items() if parameter["pattern"] == TEXT_PATTERN}
    return [
        _parameter(name, is_piece=name in pieces)
        if name not in known or name in free & pieces
        else known[name]
        for name in placeholders(definition)
    ]


def _parameter(name: str, *, is_piece: bool) -> dict[str, Any]:
    return {
        "name": name,
        "label": name.replace("_", " ").capitalize(),
        "help": "It stands in the service's address." if is_piece else "",
        "pattern": PARAMETER_PATTERN if is_piece else TEXT_PATTERN,
        "placeholder": "",
        "required": True,
        "default": "",
    }


def _write_methods(service: Service, definition: Definition) -> None:
    """A method keeps its row, which connections point at; one that is gone and unused goes."""
    rows = list(service.auth_methods.all())
    for position, method in enumerate(definition.methods):
        row = _row_of(method, rows) or AuthMethod(service=service, kind=method.kind)
        row.label, row.position = method.label, position
        row.config = dict(method.config)
        row.scopes = [dict(scope) for scope in method.scopes]
        row.save()
    for row in rows:
        if row.connections.exists():
            row.config["retired"] = True
            row.save(update_fields=["config"])
        else:
            row.delete()


def _row_of(method: MethodDefinition, rows: list[AuthMethod]) -> AuthMethod | None:
    """The row that the method has already, taken out of `rows`: same label, or at least same kind."""
    of_kind = [row for row in rows if row.kind == method.kind]
    found = next((row for row in of_kind if row.label == method.label), None)
    found = found or next(iter(of_kind), None)
    if found:
        rows.remove(found)
    return found


def _write_endpoints(service: Service, definition: Definition) -> None:
    service.endpoints.all().delete()
    Endpoint.objects.bulk_create(
        Endpoint(service=service, environment=environment, base_url=url)
        for environment, url in definition.endpoints.items()
    )


def _grant(service: Service, to: User) -> None:
    permission = Permission.objects.get(content_type__app_label="services", codename=ADMINISTER)
    ServiceUserGrant.objects.create(
        content_object=service, user=to, permission=permission, granted_by=to
    )
