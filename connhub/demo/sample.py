"""Fills a fresh instance with a believable account, through the operations that people use."""

import random
import secrets
from datetime import timedelta

from django.db import transaction
from django.utils import timezone
from django.utils.text import slugify

from connhub.accounts.models import Environment, Team, User
from connhub.connections import lifecycle
from connhub.connections.auth import METHODS, is_interactive
from connhub.connections.auth.base import Granted
from connhub.connections.keeping import keep
from connhub.connections.models import Connection, Status
from connhub.demo import calls, ends
from connhub.demo.api import API_KEY
from connhub.demo.cast import APPS, CONNECTIONS, FUNCTIONS, INTEGRATIONS, PEOPLE, STANDALONE
from connhub.services.models import AuthMethod, OAuthApp, Origin, Service
from connhub.sharing import roles
from connhub.usage import keys
from connhub.usage.models import (
    App,
    CallStep,
    DataObject,
    Flow,
    Function,
    Integration,
    Membership,
    Project,
    Registration,
    Step,
)

CLIENT_ID = "connhub-demo"
SCOPES = [
    {"name": "profile.read", "label": "See who you are", "default": True},
    {"name": "contacts.read", "label": "See contacts", "default": True},
    {"name": "contacts.write", "label": "Add and change contacts"},
    {"name": "orders.read", "label": "See orders"},
]
SHOWN_FIRST = {"sales_crm", "billing", "warehouse", "support_desk", "acme_orders", "acme_contacts"}
MUCH = 0.05  # of the calls
ERRORS = {
    Status.RECONNECT_NEEDED: "The service no longer accepts this authorization.",
    Status.FAILING: "The service does not answer as it should.",
}


def list_provider(base: str, client_secret: str) -> None:
    """List Acme Cloud, the provider beside this instance, as two custom services."""
    cloud = _service("acme-cloud", "Acme Cloud", f"{base}/api", "/me")
    AuthMethod.objects.update_or_create(
        service=cloud,
        kind="oauth2_code",
        defaults={
            "label": "OAuth 2.0",
            "config": {
                "authorize_url": f"{base}/authorize",
                "token_url": f"{base}/token",
                "revoke_url": f"{base}/revoke",
                "token_auth": "client_secret_basic",
                "scope_delimiter": " ",
                "pkce": True,
                "identity": {"path": "/me", "field": "email"},
            },
            "scopes": SCOPES,
        },
    )
    app = OAuthApp.objects.filter(service=cloud, shared=True).first()
    app = app or OAuthApp(service=cloud, shared=True)
    app.client_id = CLIENT_ID
    app.client_secret.put(client_secret)
    app.save()
    orders = _service("acme-orders", "Acme Orders", f"{base}/keyed", "/orders")
    keys = [
        {
            "name": "X-Api-Key",
            "in": "header",
            "label": "API key",
            "help": f"In this demo: {API_KEY}",
        }
    ]
    AuthMethod.objects.update_or_create(
        service=orders, kind="api_key", defaults={"label": "API key", "config": {"keys": keys}}
    )


def _service(slug: str, name: str, base_url: str, test_path: str) -> Service:
    service, _ = Service.objects.update_or_create(
        slug=slug,
        defaults={
            "name": name,
            "origin": Origin.CUSTOM,
            "category": "CRM",
            "monogram": "Ac",
            "colour": "#7a4b9e",
            "base_url": base_url,
            "test": {"method": "GET", "path": test_path, "expect": [200]},
        },
    )
    return service


@transaction.atomic
def fill(password: str) -> None:
    """People, connections in every status, integrations with flows, 30 days of calls."""
    chance = random.Random(20)  # noqa: S311 - the same account at every start
    people = [
        User.objects.create_user(email, password, name=name, role=role)
        for name, email, role in PEOPLE
    ]
    makers = [person for person in people if person.role != "member"]
    team = Team(name="Data platform")
    team.save()
    team.user_set.add(*people[3:5])
    made = {row[1]: _connection(row, chance, makers, team) for row in CONNECTIONS}
    ends.fill(made)
    integrations = _integrations(made, people)
    _apps(made, people[0])
    _standalone_flow(made, people[0])
    for _, link_name, _, _, _, per_day, failing in CONNECTIONS:
        if per_day:
            _steps(made[link_name], failing, chance)
            calls.make(made[link_name], integrations, per_day, failing, chance)
    _undeclared(made["billing"], integrations[0])


def _connection(row: tuple, chance: random.Random, makers: list[User], team: Team) -> Connection:
    name, link_name, slug, kind, status, _, _ = row
    # The person one signs in as has the connections worth looking at first.
    maker = makers[0] if link_name in SHOWN_FIRST else chance.choice(makers)
    offered = AuthMethod.objects.select_related("service").filter(kind=kind)
    method = offered.filter(service__slug=slug)[0]
    details = lifecycle.Details(
        name=name,
        parameters=_parameters(method),
        secrets={
            field.name: _secret(slug) for field in METHODS[kind].fields(method) if field.secret
        },
        scopes=[scope["name"] for scope in method.scopes if scope.get("default")],
        access_mode="credentials" if kind == "database" else "proxy",
        client_id="" if slug.startswith("acme") else "acme-client",
        client_secret="" if slug.startswith("acme") else secrets.token_urlsafe(24),
    )
    connection = lifecycle.create(method, details, link_name=link_name, by=maker)
    for other in chance.sample(makers, chance.randint(0, 2)):
        roles.grant(connection, other, by=maker)
    if chance.random() < 0.2:
        roles.grant(connection, team, by=maker)
    _set_status(connection, status, chance, maker)
    born = timezone.now() - timedelta(days=chance.randint(40, 400))
    Connection.objects.filter(pk=connection.pk).update(created_at=born)
    return connection


def _parameters(method: AuthMethod) -> dict[str, str]:
    """What the form asks for besides secrets, as somebody could have filled it in."""
    asked = {
        spec["name"]: spec.get("default") or spec.get("placeholder")
        for spec in method.service.parameters
    }
    if method.kind == "database":
        fields = METHODS[method.kind].fields(method)
        wanted = [field for field in fields if field.required and not field.secret]
        asked |= {field.name: field.default or field.placeholder for field in wanted}
    return {name: value or "acme" for name, value in asked.items()}


def _secret(slug: str) -> str:
    return API_KEY if slug == "acme-orders" else secrets.token_urlsafe(24)


def _set_status(connection: Connection, status: str, chance: random.Random, by: User) -> None:
    if status == "not_connected":
        return
    if is_interactive(connection.auth_method):
        tokens = {
            "access_token": secrets.token_urlsafe(24),
            "refresh_token": secrets.token_urlsafe(24),
        }
        expires_at = timezone.now() + timedelta(days=chance.randint(20, 60))
        keep(
            connection,
            Granted(tokens, expires_at, True, connection.scopes, by.email),
            environment=None,
            by=by,
        )
    if status == "revoked":
        lifecycle.revoke(connection, by=by)
    elif status != "connected":
        worse = Status[status.upper()]
        connection.credentials.update(status=worse, last_error=ERRORS[worse])
        connection.sum_up()


def _integrations(made: dict[str, Connection], people: list[User]) -> list[Integration]:
    integrations = []
    for number, ((name, project), flows) in enumerate(INTEGRATIONS.items()):
        belongs_to, _ = Project.objects.get_or_create(
            slug=slugify(project), defaults={"name": project}
        )
        integration = Integration.objects.create(slug=slugify(name), name=name, project=belongs_to)
        roles.grant(integration, people[number % 4], by=people[0])
        for person in people[5 + number % 3 : 8 + number % 3]:
            Membership.objects.create(integration=integration, user=person)
        for flow_name, steps in flows.items():
            flow = Flow.objects.create(
                slug=slugify(flow_name), name=flow_name, integration=integration
            )
            for kind, step_name, link_name in steps:
                Step.objects.create(
                    flow=flow, kind=kind, name=step_name, connection=made[link_name]
                )
                Registration.objects.get_or_create(
                    integration=integration, connection=made[link_name], defaults={"by": people[0]}
                )
        for environment in Environment.objects.all():
            keys.issue(
                integration, environment, name=f"{environment.short} runner", by=people[number % 4]
            )
        integrations.append(integration)
    return integrations


def _apps(made: dict[str, Connection], owner: User) -> None:
    """Apps with their data objects, and functions."""
    for (name, integration), objects in APPS.items():
        app = App.objects.create(slug=slugify(name), name=name, **_place(integration, owner))
        for object_name, link_name in objects:
            DataObject.objects.create(app=app, name=object_name, connection=made[link_name])
            _register(app.integration, made[link_name], owner)
    for (name, integration), link_names in FUNCTIONS.items():
        function = Function.objects.create(name=name, **_place(integration, owner))
        for link_name in link_names:
            function.connections.add(made[link_name])
            _register(function.integration, made[link_name], owner)


def _standalone_flow(made: dict[str, Connection], owner: User) -> None:
    name, steps = STANDALONE
    flow = Flow.objects.create(slug=slugify(name), name=name, owner=owner)
    for kind, step_name, link_name in steps:
        flow.steps.create(kind=kind, name=step_name, connection=made[link_name])


def _place(integration: str, owner: User) -> dict[str, Integration | User]:
    """The integration of that name, or whose it is that stands alone."""
    return (
        {"integration": Integration.objects.get(name=integration)}
        if integration
        else {"owner": owner}
    )


def _register(integration: Integration | None, connection: Connection, by: User) -> None:
    if integration:
        Registration.objects.get_or_create(
            integration=integration,
            connection=connection,
            defaults={"by": by, "how": Registration.How.AUTOMATIC},
        )


def _steps(connection: Connection, failing: float, chance: random.Random) -> None:
    """Most of the declared steps ran so far; where much fails, the last call did, too."""
    now = timezone.now()
    CallStep.objects.bulk_create(
        CallStep(
            connection=connection, integration_id=integration, flow=flow, step=step,
            ok=chance.randint(200, 9000), failed=int(failing * 100), last_at=at,
            last_failed_at=at if failing > MUCH else None,
        )
        for integration, flow, step in connection.steps.exclude(flow__integration=None).values_list(
            "flow__integration", "flow__slug", "name"
        )
        for at in [now - timedelta(minutes=chance.randint(1, 300))]
        if chance.random() < 0.8
    )  # fmt: skip


def _undeclared(connection: Connection, integration: Integration) -> None:
    CallStep.objects.create(
        connection=connection, integration=integration, flow="month-end", step="Corrections",
        ok=41, last_at=timezone.now() - timedelta(days=3),
    )  # fmt: skip
