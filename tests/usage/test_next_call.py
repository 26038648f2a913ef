"""What is taken away is refused to the very next call, in each of four processes under load.

NEXT_CALL_TRIALS sets how often it is tried: by default 210 times on PostgreSQL, 70 on SQLite.
"""

import os
import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from http.client import HTTPConnection
from itertools import cycle, islice
from threading import Event
from time import perf_counter, sleep

import pytest
from django.db import connection as database
from django.db import transaction

from connhub.accounts.models import User
from connhub.connections import lifecycle
from connhub.connections.auth.base import Granted
from connhub.connections.keeping import keep
from connhub.connections.models import Connection
from connhub.sharing import admins, roles
from connhub.usage import availability, keys, projects, registration
from connhub.usage.availability import Audience
from tests.factories import IntegrationFactory
from tests.servers.app import AppServer, running_app
from tests.usage.conftest import Flow, replace_secret

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("app")]

PROCESSES = 4
BY_DEFAULT = 210 if database.vendor == "postgresql" else 70
TRIALS = int(os.environ.get("NEXT_CALL_TRIALS", BY_DEFAULT))
MANY = "1000000/minute"


@pytest.fixture
def processes(app_server, upstream) -> Iterator[list[AppServer]]:
    """Each a ConnHub of one process, so that a call is known to reach it."""
    own = {
        "CONNHUB_EGRESS_ALLOW": f"127.0.0.1:{upstream.port}",
        "CONNHUB_RATE_PER_KEY": MANY,
        "CONNHUB_RATE_PER_CONNECTION": MANY,
    }
    with ExitStack() as stack:
        yield [stack.enter_context(running_app(**own)) for _ in range(PROCESSES)]


@dataclass
class Caller:
    """Calls one process without pause; what it heard of calls begun after the end."""

    process: AppServer
    url: str
    headers: dict[str, str]
    served: Event = field(default_factory=Event)
    stop: Event = field(default_factory=Event)
    answers: list[tuple[float, int]] = field(default_factory=list)

    def run(self) -> None:
        with closing(HTTPConnection("127.0.0.1", self.process.port, timeout=20)) as http:
            while not self.stop.is_set():
                began = perf_counter()
                http.request("GET", self.url, headers=self.headers)
                answer = http.getresponse()
                answer.read()
                self.answers.append((began, answer.status))
                if answer.status == 200:
                    self.served.set()

    def since(self, moment: float) -> list[int]:
        return [status for began, status in self.answers if began > moment]


@dataclass(frozen=True)
class Taking:
    """One way of taking access away: what gives it (again), and what ends it."""

    give: Callable[[], object]
    take: Callable[[], object]
    status: int
    user: str = ""


@pytest.fixture
def takings(ada, bob, eve, reach, integration, flow) -> list[Taking]:
    made = reach(access_mode="credentials")
    personal = reach("personal", secrets={}, login_user=True, access_mode="credentials")
    for person in (bob, eve):
        hold(personal, person)
    elsewhere = IntegrationFactory()
    roles.grant(elsewhere, ada, by=ada)

    def issue() -> None:
        flow.key, flow.token = keys.issue(integration, flow.key.environment, name="new", by=ada)

    def make_available(to: Audience) -> None:
        availability.narrow(made, to, by=ada)

    def disable(disabled: bool) -> None:
        lifecycle.set_disabled(made, disabled, by=ada)

    return [
        Taking(
            lambda: replace_secret(made, Granted({"key_1": "x" * 20})),
            lambda: lifecycle.revoke(made, by=ada),
            409,
        ),
        Taking(
            lambda: registration.register(integration, [made], by=ada),
            lambda: registration.deregister(integration, made, by=ada),
            404,
        ),
        Taking(issue, lambda: keys.revoke(flow.key, by=ada), 401),
        Taking(
            lambda: admins.add(integration, [bob], by=ada, tell=False),
            lambda: admins.remove(integration, bob, by=ada),
            409,
            user=bob.email,
        ),
        Taking(
            lambda: projects.add_member(integration, eve, by=ada),
            lambda: projects.remove_member(integration, eve, by=ada),
            409,
            user=eve.email,
        ),
        Taking(
            lambda: make_available(Audience()),
            lambda: make_available(Audience(project=elsewhere.project)),
            404,
        ),
        Taking(lambda: disable(False), lambda: disable(True), 409),
    ]


@transaction.atomic
def hold(made: Connection, person: User) -> None:
    """As if the person had signed in at some time."""
    keep(made, Granted({"key_1": "y" * 20}), environment=None, user=person)


def callers_of(taking: Taking, flow: Flow, processes: list[AppServer]) -> list[Caller]:
    """One for each process, by turns over the proxy and for the credentials."""
    link_name = "personal" if taking.user else "crm"
    headers = {"Authorization": f"Bearer {flow.token}", "X-ConnHub-User": taking.user}
    proxied = [(each, each.proxy(link_name, "/echo")) for each in processes[::2]]
    fetched = [(each, each.credentials(link_name)) for each in processes[1::2]]
    return [Caller(*where, headers) for where in proxied + fetched]


def heard_after(taking: Taking, callers: list[Caller]) -> set[int]:
    """Take access away under the callers' calls; the answers to all that began when that was done."""
    with ThreadPoolExecutor(PROCESSES) as threads:
        calling = [threads.submit(caller.run) for caller in callers]
        try:
            assert all(caller.served.wait(20) for caller in callers)
            sleep(random.random() / 200)
            taking.take()
            ended = perf_counter()
            while not all(caller.since(ended) for caller in callers):
                sleep(0.001)
        finally:
            for caller in callers:
                caller.stop.set()
        for call in calling:
            call.result()
    return {status for caller in callers for status in caller.since(ended)}


def test_no_call_that_began_after_the_end_is_served(takings, flow, processes):
    for taking in takings:
        taking.give()
    for trial, taking in enumerate(islice(cycle(takings), TRIALS)):
        heard = heard_after(taking, callers_of(taking, flow, processes))
        assert heard == {taking.status}, f"trial {trial}"
        taking.give()
