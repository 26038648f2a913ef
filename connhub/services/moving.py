"""What becomes of stored secrets when the catalogue says that they go elsewhere (SECURITY 2.3)."""

from collections.abc import Iterable, Mapping
from itertools import count
from typing import Any

from django.db.models import Q
from django.utils import timezone

from connhub.audit.log import record

from .custom import without_words
from .models import AuthMethod, Service
from .oauth_apps import SIGN_IN_URLS
from .rules import CatalogueError

CLIENT_URLS = (*SIGN_IN_URLS.values(), "refresh_url", "revoke_url", "request_token_url")
PINNED = ("retired", "base_url")

Methods = Iterable[Mapping[str, Any]]


def retire(service: Service, wanted: Mapping[str, Any], methods: Methods, *, by: Any) -> bool:
    """Keep secrets where they are before the service becomes `wanted`, with these auth methods.

    A method that would send them elsewhere, or otherwise, is retired and given another label:
    its connections go on as they are, new ones get a row of its own. Methods whose row can't be
    the new one's keep the address and parameters that they were made for. Whether any moved.

    Raises: CatalogueError, if the driver would change of a service that holds secrets.
    """
    rows = list(service.auth_methods.all())
    holding = _holding_secrets(service)
    if holding and service.driver != wanted["driver"]:
        raise CatalogueError(f"{service.slug}.driver: can't change while connections hold secrets")
    new = {(method["kind"], method["label"]): method for method in methods}
    moved = False
    for row in rows:
        found = new.get((row.kind, row.label))
        if found and row.pk in holding and _sending(row, service) != _after(found, wanted):
            row.label = _old_label(row, {other.label for other in rows})
            moved, found = True, None
        if found is None:
            row.config = _pinned(row, service, wanted)
            row.save(update_fields=["label", "config"])
    if _client_urls(new.values()) - _client_urls(_offered(rows)):
        moved |= _withdraw_apps(service, by)
    return moved


def _holding_secrets(service: Service) -> set[int]:
    """The auth methods of whose connections one holds a secret, or is being authorized."""
    stored = Q(connections__credentials__payload__isnull=False)
    under_way = Q(connections__authorization__expires_at__gt=timezone.now())
    of_app = Q(connections__oauth_app__client_secret__isnull=False)
    holding = service.auth_methods.filter(stored | under_way | of_app)
    return set(holding.values_list("pk", flat=True))


def _sending(row: AuthMethod, service: Service) -> tuple[str, dict[str, Any]]:
    """What decides where and how the row's secrets are sent now."""
    config = {name: value for name, value in row.config.items() if name not in PINNED}
    return row.config.get("base_url") or service.base_url, without_words(config)


def _after(method: Mapping[str, Any], wanted: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    return wanted["base_url"], without_words(method["config"])


def _old_label(row: AuthMethod, taken: set[str]) -> str:
    return next(label for n in count(1) if (label := f"{row.label[:48]} (before {n})") not in taken)


def _pinned(row: AuthMethod, service: Service, wanted: Mapping[str, Any]) -> dict[str, Any]:
    config = {**row.config, "retired": True}
    if service.base_url != wanted["base_url"]:
        config.setdefault("base_url", service.base_url)
    staying = {parameter["name"] for parameter in wanted["parameters"]}
    gone = [p for p in service.parameters if p["name"] not in staying]
    if gone:
        config["parameters"] = [*config.get("parameters", []), *gone]
    return config


def _offered(rows: Iterable[AuthMethod]) -> list[dict[str, Any]]:
    return [{"config": row.config} for row in rows if "retired" not in row.config]


def _client_urls(methods: Methods) -> set[str]:
    """Where client secrets are sent."""
    configs = [method["config"] for method in methods]
    return {config[name] for config in configs for name in CLIENT_URLS if config.get(name)}


def _withdraw_apps(service: Service, by: Any) -> bool:
    """Offer the shared OAuth apps to nobody else; those that no connection uses are destroyed."""
    apps = service.oauth_apps.filter(shared=True, client_secret__isnull=False)
    if not apps.exists():
        return False
    apps.filter(connection=None).delete()
    apps.update(shared=False)
    record("oauth_app.withdrawn", by=by, on=service)
    return True
