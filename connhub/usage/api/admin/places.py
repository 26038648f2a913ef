"""What connections are made of and for: services, environments, integrations."""

from typing import Any

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from ninja import Schema
from pydantic import Field

from connhub.accounts.models import Environment
from connhub.accounts.permissions import may
from connhub.connections import testing
from connhub.connections.auth import METHODS, is_interactive
from connhub.connections.auth.base import Field as Asked
from connhub.connections.fields import parameters_of
from connhub.paging import Order, page
from connhub.services import oauth_apps
from connhub.services.models import AuthMethod, Service

from ...models import Integration
from .pages import Cursor, Limit, link
from .router import router
from .tokens import Call

BY_NAME = Order("sorted by name", "name", "slug")


class ServiceRow(Schema):
    slug: str
    name: str
    origin: str = Field(description="default or custom")
    category: str
    driver: str = Field(description="Of a database or protocol; empty for what is called by HTTP.")
    summary: str


class ServiceList(Schema):
    services: list[ServiceRow]
    next: str | None


@router.get("/services", response=ServiceList, summary="What one can connect to")
def list_services(
    request: Call,
    response: HttpResponse,
    q: str = "",
    category: str = "",
    before: Cursor = "",
    after: Cursor = "",
    limit: Limit = 50,
):
    """By name; `q` is a part of the name, slug or another name."""
    found = Service.objects.listed().matching(q.replace("\0", "")[:80])
    if category:
        found = found.filter(category=category.replace("\0", ""))
    services = page(found, BY_NAME, {"before": before, "after": after}, limit)
    return {"services": services.rows, "next": link(request, response, services)}


class FieldOut(Schema):
    """One thing that a new connection is asked for."""

    name: str
    label: str
    help: str
    kind: str = Field(description="text, number, choice or multiline")
    required: bool
    default: str
    choices: list[str]
    pattern: str


class ScopeOut(Schema):
    name: str
    label: str
    default: bool


class AuthMethodOut(Schema):
    """One way to authenticate, and what it takes."""

    auth_method: str = Field(description="What names it in a new connection.")
    kind: str
    parameters: list[FieldOut] = Field(description="What goes into `parameters`.")
    secrets: list[FieldOut] = Field(description="What goes into `secrets`.")
    scopes: list[ScopeOut]
    has_scopes: bool
    is_interactive: bool = Field(description="Whether a person signs in at the service.")
    needs_client_id: bool = Field(description="Whether no shared OAuth app serves everywhere.")
    offers_login_user: bool
    redirect_uri: str | None = Field(description="To be registered with the OAuth app.")


class ServiceOut(ServiceRow):
    base_url: str
    docs_url: str
    has_test: bool
    auth_methods: list[AuthMethodOut]


@router.get("/services/{slug:slug}", response=ServiceOut, summary="One service")
def get_service(request: Call, slug: str):
    """With what a new connection to it is asked for, by auth method."""
    service = get_object_or_404(Service, slug=slug)
    methods = service.auth_methods.offered()
    return {
        **{name: getattr(service, name) for name in ServiceRow.model_fields},
        "base_url": service.base_url,
        "docs_url": service.docs_url,
        "has_test": testing.has_test(service),
        "auth_methods": [_method(service, method) for method in methods],
    }


def _method(service: Service, method: AuthMethod) -> dict[str, Any]:
    method.service, kind = service, METHODS[method.kind]
    asked = [*parameters_of(method), *kind.fields(method)]
    signs_in = is_interactive(method)
    stages = [None, *Environment.objects.all()]
    return {
        "auth_method": method.label,
        "kind": method.kind,
        "parameters": [_asked(each) for each in asked if not each.secret],
        "secrets": [_asked(each) for each in asked if each.secret],
        "scopes": [
            {
                "name": scope["name"],
                "label": scope.get("label", ""),
                "default": bool(scope.get("default")),
            }
            for scope in method.scopes
        ],
        "has_scopes": kind.has_scopes,
        "is_interactive": signs_in,
        "needs_client_id": signs_in and bool(oauth_apps.unserved(method, stages)),
        "offers_login_user": kind.offers_login_user(method),
        "redirect_uri": oauth_apps.redirect_uri(service) if signs_in else None,
    }


def _asked(spec: Asked) -> dict[str, Any]:
    named = ("name", "label", "help", "kind", "required", "default", "pattern")
    said = {name: getattr(spec, name) for name in named}
    return said | {"choices": [value for value, _ in spec.choices], "default": str(spec.default)}


class EnvironmentOut(Schema):
    slug: str
    name: str
    short: str
    position: int
    may_connect: bool = Field(description="Whether you may give credentials for it.")


class EnvironmentList(Schema):
    environments: list[EnvironmentOut]


@router.get("/environments", response=EnvironmentList, summary="The environments")
def list_environments(request: Call):
    """The lowest, which developers work in, first."""
    found = [
        {
            "slug": each.slug,
            "name": each.name,
            "short": each.short,
            "position": each.position,
            "may_connect": may(request.user, "environment.connect_in", each),
        }
        for each in Environment.objects.all()
    ]
    return {"environments": found}


class IntegrationOut(Schema):
    slug: str
    name: str
    project: str
    kind: str = Field(description="integration, or app: then nothing is registered by hand")
    url: str


class IntegrationList(Schema):
    integrations: list[IntegrationOut]
    next: str | None


@router.get("/integrations", response=IntegrationList, summary="The integrations that you see")
def list_integrations(
    request: Call,
    response: HttpResponse,
    before: Cursor = "",
    after: Cursor = "",
    limit: Limit = 50,
):
    """By name; without their keys."""
    visible = Integration.objects.visible_to(request.user).select_related("project")
    found = page(visible, BY_NAME, {"before": before, "after": after}, limit)
    rows = [
        {
            "slug": each.slug,
            "name": each.name,
            "project": each.project.slug,
            "kind": each.kind,
            "url": settings.CONNHUB_URL + each.get_absolute_url(),
        }
        for each in found.rows
    ]
    return {"integrations": rows, "next": link(request, response, found)}
