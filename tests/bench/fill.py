"""Fills an empty database with many connections, straight into the tables."""

from datetime import timedelta

from django.contrib.auth.models import Permission
from django.db import transaction
from django.utils import timezone

from connhub.accounts.models import Role, User
from connhub.connections.models import (
    Connection,
    ConnectionUserGrant,
    Credential,
    Settings,
    Status,
)
from connhub.services import loader
from connhub.services.models import AuthMethod, Origin, Service
from connhub.sharing import roles
from connhub.usage.models import CallDay, Integration, Project, Registration
from tests.factories import AuthMethodFactory, UserFactory

STATUSES = [Status.CONNECTED] * 16 + [
    Status.NOT_CONNECTED,
    Status.REVOKED,
    Status.FAILING,
    Status.RECONNECT_NEEDED,
]
BATCH = 2000
CATEGORIES = ("CRM", "Payment", "Storage", "Marketing", "Support")


def people() -> dict[str, User]:
    return {
        "of 50": UserFactory(name="Few", role=Role.ADMIN),
        "of a fiftieth": UserFactory(name="Some", role=Role.ADMIN),
        "of a fifth": UserFactory(name="Many", role=Role.ADMIN),
        "super admin": UserFactory(name="All", role=Role.SUPER_ADMIN),
    }


@transaction.atomic
def fill(people: dict[str, User], count: int, start: int = 0) -> None:
    """Connections of 20 services, a fifth of them one person's, a fiftieth and 50 of them others'.

    A twentieth has the tag *common*, 50 have the tag *rare*. With `start` there are so many already.
    """
    if not start:
        AuthMethodFactory.create_batch(20)
        _integration()
    methods = list(AuthMethod.objects.filter(service__origin=Origin.CUSTOM).order_by("pk")[:20])
    connections = Connection.objects.bulk_create(
        (_connection(n, methods[n % 20], people["super admin"]) for n in range(start, count)), BATCH
    )
    Settings.objects.bulk_create((Settings(connection=c) for c in connections), BATCH)
    Credential.objects.bulk_create(
        (
            Credential(connection=c, status=c.status, connected_at=timezone.now())
            for c in connections
        ),
        BATCH,
    )
    if not start:
        _grant(people["of 50"], connections[:: max(count // 50, 1)])
        _grant(people["super admin"], connections[:1000])
        _calls(connections[:1000])
    _grant(people["of a fiftieth"], connections[::50])
    _grant(people["of a fifth"], connections[2::5])


@transaction.atomic
def fill_services(count: int) -> None:
    """The catalogue, and as many default services besides as make `count`, with two methods each."""
    loader.load(loader.read())
    more = count - Service.objects.filter(origin=Origin.DEFAULT).count()
    services = Service.objects.bulk_create(
        Service(
            slug=f"default-{n}",
            name=f"Default service {n}",
            category=CATEGORIES[n % len(CATEGORIES)],
            colour="#0b5a4a",
            aliases=[f"alias{n}"],
        )
        for n in range(more)
    )
    AuthMethod.objects.bulk_create(
        AuthMethod(service=service, kind=kind, label=label, position=position)
        for service in services
        for position, (kind, label) in enumerate(
            (("oauth2_code", "OAuth 2.0"), ("api_key", "API key"))
        )
    )


def _connection(number: int, method: AuthMethod, by: User) -> Connection:
    return Connection(
        name=f"Connection number {number}",
        link_name=f"c{number}",
        service=method.service,
        auth_method=method,
        status=STATUSES[number % len(STATUSES)],
        tags=["common"] * (number % 20 == 0) + ["rare"] * (number < 1000 and number % 20 == 1),
        created_by=by,
    )


def _grant(person: User, connections: list[Connection]) -> None:
    permission = Permission.objects.get(codename="administer_connection")
    ConnectionUserGrant.objects.bulk_create(
        (
            ConnectionUserGrant(user=person, permission=permission, content_object=c)
            for c in connections
        ),
        BATCH,
    )


def _integration() -> None:
    project = Project.objects.create(slug="p", name="P")
    Integration.objects.create(slug="i", name="I", project=project)


def _calls(connections: list[Connection]) -> None:
    integration = Integration.objects.get()
    registrations = (Registration(integration=integration, connection=c) for c in connections[:50])
    Registration.objects.bulk_create(registrations)
    today = timezone.now()
    CallDay.objects.bulk_create(
        (
            CallDay(
                day=(today - timedelta(days=back)).date(),
                connection=c,
                integration=integration,
                ok=9,
                last_at=today,
            )
            for c in connections
            for back in range(30)
        ),
        BATCH,
    )


@transaction.atomic
def fill_for_export(count: int, by: User) -> None:
    """Connections of 20 services that a person administers, each with a secret."""
    methods = [AuthMethodFactory() for _ in range(20)]
    connections = Connection.objects.bulk_create(
        (_connection(n, methods[n % 20], by) for n in range(count)), BATCH
    )
    Settings.objects.bulk_create((Settings(connection=c) for c in connections), BATCH)
    credentials = [
        Credential(connection=c, status=Status.CONNECTED, connected_at=timezone.now())
        for c in connections
    ]
    for number, credential in enumerate(credentials):
        credential.payload.put({"key_1": f"secret-number-{number}-of-the-bench"})
    Credential.objects.bulk_create(credentials, BATCH)
    roles.grant_new(connections, by, by=by)
