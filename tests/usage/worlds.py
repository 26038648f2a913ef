"""Small accounts made at random: who belongs where, and what leads to one connection."""

import secrets
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random

from django.utils import timezone

from connhub.accounts.models import Environment, Role, Team, User
from connhub.connections.auth.base import Granted
from connhub.connections.keeping import keep
from connhub.connections.models import AccessMode, Connection, Credential, Status
from connhub.sharing import roles
from connhub.usage.models import (
    App,
    Availability,
    DataObject,
    Flow,
    Integration,
    IntegrationKey,
    Membership,
    Project,
    Registration,
    Step,
)
from connhub.vault import keyring
from tests.factories import IntegrationFactory, ProjectFactory, UserFactory, connect, function_over


@dataclass
class World:
    connection: Connection
    people: list[User]
    teams: list[Team]
    integrations: list[Integration]
    keys: list[tuple[IntegrationKey, str]] = field(default_factory=list)


def made_at_random(chance: Random) -> World:
    """Everything that may or may not lead to the connection `wanted`, beside one that nobody wants."""
    people = [UserFactory(role=Role.ADMIN) for _ in range(5)]
    teams = [Team.objects.create(name=f"Team {n}") for n in range(3)]
    for person in people:
        person.groups.set(some(chance, teams))
    login_user = chance.random() < 0.4
    mode = chance.choice(AccessMode.values)
    made = connect(
        people[0], link_name="wanted", login_user=login_user, access_mode=mode,
        **({"secrets": {}} if login_user else {}),
    )  # fmt: skip
    if chance.random() < 0.5:
        made.user_grants.all().delete()
    projects = [ProjectFactory() for _ in range(2)]
    integrations = [IntegrationFactory(project=chance.choice(projects)) for _ in range(3)]
    world = World(made, people, teams, integrations)
    grant(chance, world)
    lead_there(chance, world, connect(people[0], link_name="unwanted"), projects)
    world.keys = [issued(chance, each) for each in integrations for _ in range(2)]
    sign_in_and_break(chance, world)
    for person in people:
        person.role, person.is_active = chance.choice(Role.values), chance.random() < 0.8
        person.save()
    return world


def some(chance: Random, things: list) -> list:
    return [thing for thing in things if chance.random() < 0.3]


def grant(chance: Random, world: World) -> None:
    for thing in (world.connection, *world.integrations):
        for who in some(chance, [*world.people, *world.teams]):
            roles.grant(thing, who, by=None)


def lead_there(chance: Random, world: World, other: Connection, projects: list[Project]) -> None:
    for number, here in enumerate(world.integrations):
        for person in some(chance, world.people):
            Membership.objects.create(integration=here, user=person)
        for connection in some(chance, [world.connection, other]):
            Registration.objects.create(integration=here, connection=connection)
        flow = Flow.objects.create(slug=f"flow-{number}", name="Flow", integration=here)
        for connection in some(chance, [world.connection, other]):
            Step.objects.create(
                flow=flow, kind="export", name=str(connection.pk), connection=connection
            )
        for connection in some(chance, [world.connection, other]):
            function_over(connection, name=f"f{number}-{connection.pk}", integration=here)
        app = App.objects.create(slug=f"app-{number}", name="App", integration=here)
        for connection in some(chance, [world.connection, other]):
            DataObject.objects.create(app=app, name=str(connection.pk), connection=connection)
    narrowed = chance.choice(["", "", "project", "integration"])
    among = {"project": projects, "integration": world.integrations}
    if narrowed:
        to = {narrowed: chance.choice(among[narrowed])}
        Availability.objects.create(connection=world.connection, **to)


def issued(
    chance: Random, integration: Integration, ends: bool = True
) -> tuple[IntegrationKey, str]:
    """A key and its token; it may be revoked or expired already."""
    token = "chk_" + secrets.token_urlsafe(32)
    now = timezone.now()
    gone = chance.choice(["", "", "revoked", "expired"]) if ends else ""
    key = IntegrationKey.objects.create(
        integration=integration,
        environment=chance.choice(list(Environment.objects.all())),
        name="key",
        prefix=token[:8],
        digest=keyring.digest(token),
        issued_by=chance.choice(list(User.objects.all())),
        expires_at=now + timedelta(hours=-1 if gone == "expired" else 1),
        revoked_at=now if gone == "revoked" else None,
    )
    return key, token


def sign_in_and_break(chance: Random, world: World) -> None:
    connection = world.connection
    for person in some(chance, world.people) if connection.login_user else ():
        keep(connection, Granted({"key_1": "x"}, None), environment=None, user=person)
        status = chance.choice([Status.CONNECTED, Status.FAILING, Status.RECONNECT_NEEDED])
        Credential.objects.filter(connection=connection, user=person).update(status=status)
    if chance.random() < 0.2:
        Connection.objects.filter(pk=connection.pk).update(disabled_at=timezone.now())
    if chance.random() < 0.2:
        connection.credentials.own().update(status=Status.REVOKED, payload=None)
    if chance.random() < 0.1:
        Connection.objects.filter(pk=connection.pk).update(deleted_at=timezone.now())
    connection.refresh_from_db()
