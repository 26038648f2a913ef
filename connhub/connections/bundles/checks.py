"""Whether what a file says of a connection can be true here."""

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from typing import Any

from django import forms

from connhub.accounts.models import Environment, User
from connhub.accounts.permissions import may
from connhub.connections.access import at_the_service
from connhub.connections.auth import METHODS, is_interactive
from connhub.connections.auth.base import Field
from connhub.connections.fields import form_field, parameters_of
from connhub.connections.models import is_link_name
from connhub.egress import guard
from connhub.services import custom, portable
from connhub.services.addresses import PLACEHOLDER, Unfilled, fill, fill_config
from connhub.services.models import AuthMethod, Origin, Service

from .document import Bundle, Item, Place


class Problem(Exception):
    """Why a connection can't be imported; the text is one plain sentence."""


@dataclass
class Target:
    """What a connection would be connected to here, and the fields that its parameters go through."""

    service: Service
    method: AuthMethod
    secrets: frozenset[str]  # those it can't do without
    fields: Mapping[str, forms.Field]


@dataclass
class Here:
    """What there is for a file's connections on this side, read once for all of them."""

    by: User
    stages: Mapping[str, Environment]
    services: Mapping[str, Service]
    bundle: Bundle
    # The environments that `by` may connect in; None is all of them at once.
    open_stages: Set[str | None]
    missing: dict[str, list[AuthMethod]] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    targets: dict[tuple[str, str, str], Target] = field(default_factory=dict)

    @classmethod
    def of(cls, bundle: Bundle, by: User) -> "Here":
        slugs = {item.service for item in bundle.items}
        found = Service.objects.filter(slug__in=slugs).prefetch_related("auth_methods", "endpoints")
        stages = {stage.slug: stage for stage in Environment.objects.all()}
        places = [(None, None), *stages.items()]
        here = cls(
            by=by,
            stages=stages,
            open_stages={s for s, p in places if may(by, "environment.connect_in", p)},
            services={service.slug: service for service in found},
            bundle=bundle,
        )
        for slug in sorted(slugs):
            here._look_at(slug)
        return here

    def _look_at(self, slug: str) -> None:
        """Note what keeps connections of the service out, or how it would be made."""
        service, given = self.services.get(slug), self.bundle.services.get(slug)
        if service is None and given is None:
            self.problems[slug] = f"There is no service “{slug}” here."
        elif service is None and given is not None:
            if not may(self.by, "service.create") or slug in custom.RESERVED:
                self.problems[slug] = "Its service is missing here, and you can't make it."
            else:
                self.missing[slug] = _unsaved(given, self.stages)
        elif service is not None and not self._is_the_same(service):
            self.problems[slug] = f"“{service}” is a different service here."

    def _is_the_same(self, service: Service) -> bool:
        """Whether secrets would be sent to where the file's service sends them."""
        slug = service.slug
        given, other = self.bundle.services.get(slug), self.bundle.others.get(slug)
        if service.origin != Origin.CUSTOM:
            return given is None and other is None
        stored = custom.definition_of(service)
        if given is not None:
            there = portable.definition(given, self.stages)
            return custom.sending(there) == custom.sending(stored)
        return other == portable.destination(stored)

    def target(self, item: Item) -> Target:
        """Raises: Problem, if there is no such service or auth method here."""
        if item.service in self.problems:
            raise Problem(self.problems[item.service])
        key = (item.service, item.kind, item.label)
        if key not in self.targets:
            self.targets[key] = _target(self._method(item))
        return self.targets[key]

    def _method(self, item: Item) -> AuthMethod:
        service = self.services.get(item.service)
        methods = list(service.auth_methods.all()) if service else self.missing[item.service]
        of_kind = [m for m in methods if m.kind == item.kind and m.kind in METHODS]
        exact = [m for m in of_kind if m.label == item.label]
        offered = [m for m in of_kind if "retired" not in m.config]
        if not exact and len(offered) != 1:
            raise Problem("The service here has no such auth method.")
        found = (exact or offered)[0]
        if service:
            found.service = service
        return found


def _unsaved(given: Mapping[str, Any], stages: Mapping[str, Environment]) -> list[AuthMethod]:
    """The auth methods of a service that would be made."""
    there = portable.definition(given, stages)
    pattern = {"pattern": custom.PARAMETER_PATTERN}
    service = Service(
        slug=given["slug"],
        name=there.name,
        base_url=there.base_url,
        parameters=[{"name": n, "label": n} | pattern for n in custom.placeholders(there)],
    )
    return [
        AuthMethod(service=service, kind=m.kind, label=m.label, config=m.config, scopes=m.scopes)
        for m in there.methods
    ]


def _target(method: AuthMethod) -> Target:
    asked: list[Field] = [*parameters_of(method), *METHODS[method.kind].fields(method)]
    needed = [spec.name for spec in asked if spec.secret and spec.required]
    open_to_see = [spec for spec in asked if not spec.secret]
    fields = {spec.name: form_field(spec) for spec in open_to_see}
    return Target(method.service, method, frozenset(needed), fields)


def require_importable(item: Item, target: Target, here: Here) -> None:
    """Raises: Problem, with the first thing that stands in the way."""
    if not is_link_name(item.link_name):
        raise Problem("Its link name can't be used here.")
    for stage in item.environments or {None}:
        require_stage(stage, here)
    for place in item.settings:
        _check_place(place, target)
    if is_interactive(target.method):
        return
    if any(target.secrets - grant.secrets.keys() for grant in item.credentials):
        raise Problem("A secret that the service asks for is missing.")
    places = {place.environment: place.parameters for place in item.settings}
    for grant in item.credentials:
        parameters = places.get(grant.environment) or places.get(None) or {}
        if fault := METHODS[item.kind].fault({**parameters, **grant.secrets}, target.method):
            raise Problem(fault[1])


def require_stage(stage: str | None, here: Here) -> None:
    """Raises: Problem, if there is no such environment or they may not connect in it."""
    if stage is not None and stage not in here.stages:
        raise Problem(f"There is no environment “{stage}” here.")
    if stage not in here.open_stages:
        raise Problem("Its environments take the role admin.")


def _check_place(place: Place, target: Target) -> None:
    for name, value in place.parameters.items():
        spec = target.fields.get(name)
        if spec is None:
            raise Problem(f"The service here doesn't know “{name}”.")
        if value:
            _clean(spec, value)
    try:
        if host := place.parameters.get("host"):
            guard.parse_host(host)
        _check_addresses(place, target)
    except (guard.BadAddress, Unfilled):
        raise Problem("Its address can't be used.") from None


def _clean(spec: forms.Field, value: str) -> None:
    try:
        spec.clean(value)
    except forms.ValidationError:
        raise Problem(f"{spec.label} can't be used as it is.") from None


def _check_addresses(place: Place, target: Target) -> None:
    """Addresses that can be made from what is there; what is missing shows when it is used."""
    given, config = place.parameters, target.method.config
    whole = {name: url for name, url in config.items() if _is_filled_by(url, given)}
    fill_config(whole, given)
    for url in (target.service.base_url, place.base_url):
        if url and _is_filled_by(url, given):
            guard.parse_url(fill(url, given), ports=guard.ANY_PORT)
    if place.base_url and _is_filled_by(place.base_url, given):
        at_the_service(target.method, fill(place.base_url, given))


def _is_filled_by(url: Any, given: Mapping[str, str]) -> bool:
    return isinstance(url, str) and all(given.get(name) for name in PLACEHOLDER.findall(url))
