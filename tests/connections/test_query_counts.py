"""How many queries each operation takes on a connection with credentials of its own for one stage."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext

from connhub.accounts.models import Environment, User
from connhub.connections import (
    duplicating,
    editing,
    lifecycle,
    own_settings,
    restoring,
    rotation,
    tagging,
)
from connhub.connections.lifecycle import Details
from connhub.connections.models import Connection
from connhub.usage import availability, registration, replacing
from connhub.usage.availability import Audience
from connhub.usage.models import Flow, Integration, Step

from ..factories import connect

MOST = 11
# What begins and ends a transaction is not counted.
CONTROL = ("BEGIN", "SAVEPOINT", "RELEASE SAVEPOINT", "COMMIT")
NEW = {"key_1": "another-secret"}


@dataclass
class Scene:
    """The connection as a view has it, and what operations do to it."""

    connection: Connection
    other: Connection
    own: Environment
    without_own: Environment
    integration: Integration
    ada: User

    def create(self):
        connect(self.ada, method=self.connection.auth_method, link_name="made")

    def edit_name(self):
        editing.edit(self.connection, Details("Bills"), by=self.ada)

    def edit_secret(self):
        editing.edit(self.connection, Details("Billing", secrets=NEW), by=self.ada)

    def rename(self):
        lifecycle.rename(self.connection, to="Bills", by=self.ada)

    def tag(self):
        tagging.retag(self.connection, add=["eu"], by=self.ada)

    def disable(self):
        lifecycle.set_disabled(self.connection, True, by=self.ada)

    def reconnect(self):
        editing.reconnect(self.connection, NEW, by=self.ada)

    def reconnect_one_environment(self):
        editing.reconnect(self.connection, NEW, environment=self.own, by=self.ada)

    def give_next_secret(self):
        rotation.give(self.connection, NEW, by=self.ada)

    def revoke(self):
        lifecycle.revoke(self.connection, by=self.ada)

    def revoke_one_environment(self):
        lifecycle.revoke(self.connection, environment=self.own, by=self.ada)

    def delete(self):
        lifecycle.delete(self.connection, by=self.ada)

    def restore(self):
        restoring.restore(self.connection, by=self.ada)

    def duplicate(self):
        duplicating.duplicate(self.connection, name="Copy", link_name="copy", by=self.ada)

    def give_own_settings(self):
        self._give(self.without_own)

    def change_own_settings(self):
        self._give(self.own)

    def drop_own_settings(self):
        own_settings.drop(self.connection, self.own, by=self.ada)

    def register(self):
        registration.register(self.integration, [self.connection, self.other], by=self.ada)

    def make_available_to_a_project(self):
        self._narrow(Audience(project=self.integration.project))

    def make_available_to_an_integration(self):
        self._narrow(Audience(integration=self.integration))

    def replace(self):
        replacing.replace(self.connection, by_connection=self.other, by=self.ada)

    def _give(self, place: Environment) -> None:
        own_settings.give(self.connection, place, parameters={}, secrets=NEW, by=self.ada)

    def _narrow(self, to: Audience) -> None:
        availability.narrow(self.connection, to, by=self.ada)


# It writes to four tables of uses, one of them twice, beside the record, and locks three kinds of
# rows: with what it has to look at under these locks, that is what one query each comes to.
MORE = {Scene.replace: 14}
OPERATIONS = [value for name, value in vars(Scene).items() if name[0] != "_" and callable(value)]


@pytest.fixture
def scene(connection, ada, integration):
    staging, production = Environment.objects.order_by("position")[1:]
    own_settings.give(
        connection, production, parameters={}, secrets={"key_1": "of-production"}, by=ada
    )
    other = connect(ada, method=connection.auth_method, link_name="other")
    whole = Connection.objects.select_related("service", "auth_method__service")
    found = whole.get(pk=connection.pk)
    return Scene(found, other, production, staging, integration, ada)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.__name__)
def test_an_operation_takes_few_queries(scene, ada, operation: Callable[[Scene], None]):
    if operation is Scene.restore:
        scene.delete()
    if operation is Scene.replace:
        registration.register(scene.integration, [scene.connection], by=ada)
        flow = Flow.objects.create(slug="nightly", name="Nightly", integration=scene.integration)
        Step.objects.create(flow=flow, kind="export", name="Read", connection=scene.connection)

    with CaptureQueriesContext(database) as captured:
        operation(scene)

    queries = [query["sql"] for query in captured if not query["sql"].startswith(CONTROL)]
    assert len(queries) <= MORE.get(operation, MOST), "\n".join(queries)
