"""How many queries each operation takes on a connection with credentials of its own for one stage."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

import pytest

from connhub.accounts.models import Environment, User
from connhub.audit.log import record_egress_exception
from connhub.connections import (
    authorize,
    duplicating,
    editing,
    held_grants,
    lifecycle,
    login_users,
    own_settings,
    restoring,
    rotation,
    tagging,
)
from connhub.connections.connect_links import making
from connhub.connections.lifecycle import Details
from connhub.connections.models import Authorization, Connection, ConnectLink
from connhub.egress.guard import exception_used
from connhub.usage import availability, flows, registration, replacing
from connhub.usage.availability import Audience
from connhub.usage.models import Flow, Integration, Step

from ..factories import AuthMethodFactory, connect
from ..query_counts import MOST, few_queries, operations
from ..servers.oauth_server import OAuthServer
from .steps import IDENTITY

NEW, ANOTHER = {"key_1": "another-secret"}, {"client_secret": "another-secret"}


@dataclass
class Scene:
    """The connection as a view has it, and what operations do to it."""

    connection: Connection
    other: Connection
    personal: Connection
    own: Environment
    without_own: Environment
    integration: Integration
    ada: User
    flow: Flow | None = None

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

    def give_another_next_secret(self):
        self.give_next_secret()

    def switch_secrets(self):
        rotation.switch(self.connection, by=self.ada)

    def roll_back_secrets(self):
        rotation.roll_back(self.connection, by=self.ada)

    def discard_next_secret(self):
        rotation.discard(self.connection, by=self.ada)

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

    def duplicate_one_of_a_project(self):
        self.duplicate()

    def duplicate_one_of_an_integration(self):
        self.duplicate()

    def give_own_settings(self):
        self._give(self.without_own)

    def change_own_settings(self):
        self._give(self.own)

    def drop_own_settings(self):
        own_settings.drop(self.connection, self.own, by=self.ada)

    def register(self):
        registration.register(self.integration, [self.connection, self.other], by=self.ada)

    def save_new_flow_that_registers(self):
        steps = self._step("Read"), self._step("Write", "import")
        here = self.integration
        made = flows.create("nightly", name="Nightly", steps=steps, integration=here, by=self.ada)
        self.flow = made.thing

    def save_flow_with_other_steps(self):
        self._save([self._step("Read"), self._step("Other")])

    def save_flow_over_another_connection(self):
        self._save([self._step("Read"), self._step("Write", "import", self.other)])

    def make_available_to_a_project(self):
        self._narrow(Audience(project=self.integration.project))

    def make_available_to_an_integration(self):
        self._narrow(Audience(integration=self.integration))

    def replace(self):
        replacing.replace(self.connection, by_connection=self.other, by=self.ada)

    def make_connect_link(self):
        _, token = making.make(self.connection, by=self.ada)
        return token

    def withdraw_connect_link(self):
        making.withdraw(ConnectLink.objects.get(), by=self.ada)

    def sign_in_for_oneself(self):
        login_users.sign_in(self.personal, NEW, by=self.ada)

    def sign_in_for_oneself_again(self):
        self.sign_in_for_oneself()

    def sign_out_for_oneself(self):
        login_users.sign_out(self.personal.credentials.get(), by=self.ada)

    def reopen(self):
        login_users.reopen(self.personal, by=self.ada)

    def _step(self, name: str, kind: str = "export", over: Connection | None = None):
        return flows.DeclaredStep(name, kind, (over or self.connection).link_name)

    def _save(self, steps: list) -> None:
        flows.save(self.flow, name="Nights", steps=steps, by=self.ada)

    def _give(self, place: Environment) -> None:
        own_settings.give(self.connection, place, parameters={}, secrets=NEW, by=self.ada)

    def _narrow(self, to: Audience) -> None:
        availability.narrow(self.connection, to, by=self.ada)

    def _use(self) -> None:
        """Let a flow use the connection."""
        registration.register(self.integration, [self.connection], by=self.ada)
        flow = Flow.objects.create(slug="nightly", name="Nightly", integration=self.integration)
        Step.objects.create(flow=flow, kind="export", name="Read", connection=self.connection)


# What each of these wants to have happened.
BEFORE = {
    Scene.restore: [Scene.delete],
    Scene.save_flow_with_other_steps: [Scene.save_new_flow_that_registers],
    Scene.save_flow_over_another_connection: [Scene.save_new_flow_that_registers],
    Scene.replace: [Scene._use],
    Scene.switch_secrets: [Scene.give_next_secret],
    Scene.roll_back_secrets: [Scene.give_next_secret, Scene.switch_secrets],
    Scene.discard_next_secret: [Scene.give_next_secret],
    Scene.give_another_next_secret: [Scene.give_next_secret],
    Scene.duplicate_one_of_a_project: [Scene.make_available_to_a_project],
    Scene.duplicate_one_of_an_integration: [Scene.make_available_to_an_integration],
    Scene.withdraw_connect_link: [Scene.make_connect_link],
    Scene.sign_in_for_oneself_again: [Scene.sign_in_for_oneself],
    Scene.sign_out_for_oneself: [Scene.sign_in_for_oneself],
}
# What one query each comes to for all that these lock, look at under the locks and write, beside the
# record: the first writes to four tables of uses, one of them twice; the second locks three kinds of
# rows; the third changes a flow, a step and a registration under four locks; the last writes to five
# tables, under the lock of an integration, too.
MORE = {
    Scene.replace: 15,
    Scene.make_available_to_an_integration: 12,
    Scene.save_flow_over_another_connection: 13,
    Scene.duplicate_one_of_an_integration: 15,
}


@dataclass
class SignIn:
    """ada's way to the provider and back, for a connection to it."""

    connection: Connection
    ada: User
    server: OAuthServer
    answer: Mapping[str, list[str]] = field(default_factory=dict)

    def begin(self):
        return authorize.start(self.connection, by=self.ada, session_key="here")

    def come_back(self):
        authorize.finish("acme", self.answer, by=self.ada, session_key="here")

    def come_back_again(self):
        self.come_back()

    def come_back_as_somebody_else(self):
        self.come_back()

    def accept_somebody_else(self):
        held_grants.accept(self._waiting, by=self.ada, session_key="here")

    def decline_somebody_else(self):
        held_grants.decline(self._waiting, by=self.ada, session_key="here")

    def _go(self, user: str = "") -> None:
        """To the provider, where she is one of its users."""
        target = self.server.authorize(self.begin(), **({"user": user} if user else {}))
        self.answer = parse_qs(urlsplit(target).query)
        self._waiting = Authorization.objects.get()

    def _go_as_somebody_else(self) -> None:
        self._go(self.server.other_user)


SIGNED_IN = [SignIn._go, SignIn.come_back]
AS_ANOTHER = [*SIGNED_IN, SignIn._go_as_somebody_else]
BEFORE |= {
    SignIn.come_back: [SignIn._go],
    SignIn.come_back_again: [*SIGNED_IN, SignIn._go],
    SignIn.come_back_as_somebody_else: AS_ANOTHER,
    SignIn.accept_somebody_else: [*AS_ANOTHER, SignIn.come_back],
    SignIn.decline_somebody_else: [*AS_ANOTHER, SignIn.come_back],
}
# The provider is asked between two transactions: in the first the attempt is used up, in the second
# what it brought is kept, and both ask who may and where secrets go. A grant that waited is used up
# where it is kept.
MORE |= {
    SignIn.come_back: 18,
    SignIn.come_back_again: 17,
    SignIn.come_back_as_somebody_else: 15,
    SignIn.accept_somebody_else: 14,
}


@pytest.fixture
def nothing_of_exceptions():
    """Tests reach their servers as exceptions that the operator makes, which go on record."""
    exception_used.disconnect(dispatch_uid="audit")
    yield
    exception_used.connect(record_egress_exception, dispatch_uid="audit")


@pytest.fixture
def signing_in(ada, crm, acme, oauth_server, nothing_of_exceptions):
    acme.config = acme.config | {"identity": IDENTITY}
    acme.save()
    return SignIn(Connection.objects.for_summary().get(pk=crm.pk), ada, oauth_server)


@pytest.mark.parametrize("operation", operations(SignIn), ids=lambda operation: operation.__name__)
def test_a_sign_in_takes_few_queries(signing_in, operation: Callable[[SignIn], None]):
    for step in BEFORE.get(operation, ()):
        step(signing_in)

    few_queries(lambda: operation(signing_in), MORE.get(operation, MOST))


@dataclass
class Robot:
    """A connection whose service is asked for a token with what ada types."""

    connection: Connection
    ada: User

    def create(self):
        self._connect("another")

    def edit_secret(self):
        details = Details("Billing", parameters={"client_id": "id"}, secrets=ANOTHER)
        editing.edit(self.connection, details, by=self.ada)

    def reconnect(self):
        editing.reconnect(self.connection, ANOTHER, by=self.ada)

    def give_next_secret(self):
        rotation.give(self.connection, ANOTHER, by=self.ada)

    def switch_secrets(self):
        rotation.switch(self.connection, by=self.ada)

    def _connect(self, link_name: str) -> Connection:
        typed = {"parameters": {"client_id": "id"}, "secrets": ANOTHER}
        return connect(self.ada, method=self.connection.auth_method, link_name=link_name, **typed)


BEFORE[Robot.switch_secrets] = [Robot.give_next_secret]
# Who may, and what is stored, is asked before the service is, and again under the locks.
MORE |= {Robot.switch_secrets: 12, Robot.edit_secret: 14, Robot.reconnect: 15}


@pytest.fixture
def robot(ada, token_endpoint, nothing_of_exceptions):
    method = AuthMethodFactory(
        kind="oauth2_client_credentials",
        config={"token_url": token_endpoint.url, "token_auth": "client_secret_post"},
    )
    typed = {"parameters": {"client_id": "id"}, "secrets": {"client_secret": "s3cret"}}
    made = connect(ada, method=method, link_name="robot", **typed)
    return Robot(Connection.objects.for_summary().get(pk=made.pk), ada)


@pytest.mark.parametrize("operation", operations(Robot), ids=lambda operation: operation.__name__)
def test_with_a_token_to_fetch_it_takes_few_queries(robot, operation: Callable[[Robot], None]):
    for step in BEFORE.get(operation, ()):
        step(robot)

    few_queries(lambda: operation(robot), MORE.get(operation, MOST))


@pytest.fixture
def scene(connection, ada, integration):
    staging, production = Environment.objects.order_by("position")[1:]
    own_settings.give(
        connection, production, parameters={}, secrets={"key_1": "of-production"}, by=ada
    )
    other = connect(ada, method=connection.auth_method, link_name="other")
    personal = connect(
        ada, method=connection.auth_method, link_name="personal", secrets={}, login_user=True
    )
    whole = Connection.objects.select_related("service", "auth_method__service")
    found, personal = (whole.get(pk=made.pk) for made in (connection, personal))
    return Scene(found, other, personal, production, staging, integration, ada)


@pytest.mark.parametrize("operation", operations(Scene), ids=lambda operation: operation.__name__)
def test_an_operation_takes_few_queries(scene, operation: Callable[[Scene], None]):
    for step in BEFORE.get(operation, ()):
        step(scene)

    few_queries(lambda: operation(scene), MORE.get(operation, MOST))
