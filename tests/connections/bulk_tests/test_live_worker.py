"""A bulk test that a real worker works off, in a process of its own."""

import os
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.utils import timezone
from huey.contrib.djhuey import HUEY

from connhub import supervise
from connhub.audit.models import Event
from connhub.connections import tasks
from connhub.connections.bulk_tests import testing
from connhub.connections.bulk_tests.models import BulkTest, BulkTestRow
from tests.factories import AuthMethodFactory, ServiceFactory, connect
from tests.servers.app import database_url
from tests.servers.process import ROOT

pytestmark = pytest.mark.django_db(transaction=True)
State = BulkTestRow.State
MANY = 6


@pytest.fixture(autouse=True)
def empty_queue():
    HUEY.flush()
    yield
    HUEY.flush()


@pytest.fixture
def slow_ones(ada, upstream, allow) -> list[str]:
    """Connections to a service that takes a second to answer."""
    allow(upstream.port)
    service = ServiceFactory(
        base_url=upstream.url,
        test={"method": "GET", "path": "/drip?seconds=1&wait=1"},
    )
    method = AuthMethodFactory(service=service)
    for number in range(MANY):
        connect(ada, method=method, name=f"C{number}", link_name=f"c{number}")
    return [f"c{number}" for number in range(MANY)]


@contextmanager
def worker(upstream):
    """The worker as ConnHub starts it, on the tests' database and queue; killed at the end."""
    env = {
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "DATABASE_URL": database_url(),
        "CONNHUB_EGRESS_ALLOW": f"127.0.0.1:{upstream.port}",
    }
    command = [sys.executable, *supervise.worker().command[1:]]
    with subprocess.Popen(command, env=os.environ | env, cwd=ROOT) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_until(is_so) -> None:
    deadline = time.monotonic() + 90
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def count(*states: State) -> int:
    return BulkTestRow.objects.filter(state__in=states).count()


def times_tested() -> Counter:
    tested = Event.objects.filter(action="connection.tested")
    return Counter(tested.values_list("object", flat=True))


def test_the_worker_goes_on_while_nobody_looks(client, ada, slow_ones, upstream):
    client.force_login(ada)
    with worker(upstream):
        client.post("/connections/tests/", {"link_name": slow_ones})
        url = BulkTest.objects.get().get_absolute_url()
        client.logout()
        wait_until(lambda: count(State.WORKS) == MANY)
    client.force_login(ada)

    page = client.get(url).content.decode()

    assert "All done." in page
    assert times_tested() == Counter(f"C{number}" for number in range(MANY))


def test_a_worker_killed_half_way_is_followed_by_one_that_tests_the_rest_once(
    client, ada, slow_ones, upstream
):
    client.force_login(ada)
    with worker(upstream) as killed:
        client.post("/connections/tests/", {"link_name": slow_ones})
        wait_until(lambda: count(State.WORKS) >= 1 and count(State.RUNNING))
        killed.kill()
        killed.wait()
    lost = count(State.RUNNING)
    with worker(upstream):
        wait_until(lambda: not count(State.WAITING))
        wait_until(lambda: count(State.RUNNING) == lost)
    long_ago = timezone.now() - testing.SILENT - timedelta(seconds=1)
    BulkTestRow.objects.filter(state=State.RUNNING).update(began_at=long_ago)
    tasks.look_after_bulk_tests.call_local()

    page = client.get(BulkTest.objects.get().get_absolute_url()).content.decode()

    assert "All done." in page
    assert (count(State.WORKS), count(State.NOT_TESTED)) == (MANY - lost, lost)
    assert set(times_tested().values()) == {1}
