"""Two who save, delete or declare the same at once, each over a database connection of their own."""

import threading

import pytest

from connhub.accounts import environments
from connhub.audit.models import Event
from connhub.errors import Refusal
from connhub.sharing import roles
from connhub.usage import data_objects, declaring, flows, functions, keys, lifecycle
from connhub.usage.models import Flow, Function, Integration, Registration
from tests.connections.steps import in_own_connection
from tests.factories import connect

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(*acts):
    """What came of each: "done", or the code of the refusal; anything else is raised."""
    came, start = [""] * len(acts), threading.Barrier(len(acts))

    def run(number):
        start.wait()
        try:
            acts[number]()
        except Refusal as refusal:
            came[number] = refusal.code
        else:
            came[number] = "done"

    threads = [threading.Thread(target=in_own_connection(run), args=[n]) for n in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return came


@pytest.fixture
def both(ada, bob, integration, connection):
    """Two admins of the integration, each with a connection that is not registered there yet."""
    roles.grant(integration, bob, by=ada)
    roles.grant(connection, bob, by=ada)
    ledger = connect(ada, name="Ledger", link_name="ledger")
    roles.grant(ledger, bob, by=ada)
    return ada, bob


def steps(over):
    return [flows.DeclaredStep(f"{over} {n}", "export", over) for n in range(5)]


def test_flow_that_two_save_has_the_steps_of_one_of_them(both, integration):
    ada, bob = both
    flow = flows.create("nightly", name="N", steps=[], integration=integration, by=ada).thing

    came = at_once(
        lambda: flows.save(flow, name="Ada's", steps=steps("billing"), by=ada),
        lambda: flows.save(flow, name="Bob's", steps=steps("ledger"), by=bob),
    )

    over = {"Ada's": "billing", "Bob's": "ledger"}[Flow.objects.get().name]
    found = flow.steps.values_list("name", "connection__link_name")
    assert came == ["done", "done"]
    assert sorted(found) == [(f"{over} {n}", over) for n in range(5)]
    assert Registration.objects.count() == 2
    assert Event.objects.filter(action="connection.registered").count() == 2


def test_flow_that_two_make_is_one_s(both, integration):

    came = at_once(
        *(
            lambda by=by: flows.create(
                "nightly", name=by.name, steps=steps("billing"), integration=integration, by=by
            )
            for by in both
        )
    )

    assert sorted(came) == ["done", "flow-slug-taken"]
    assert Flow.objects.get().name == both[came.index("done")].name
    assert Event.objects.filter(action="flow.saved").count() == 1


def test_data_objects_that_are_declared_at_once_are_all_there(ada, integration, connection):
    Registration.objects.create(integration=integration, connection=connection)
    key, _ = keys.issue(integration, environments.lowest(), name="engine", by=ada)
    names = [f"Object {number}" for number in range(4)]

    came = at_once(
        *(
            lambda name=name: data_objects.declare(
                "desk", data_objects.DeclaredObject(name, "billing"), by=key
            )
            for name in names
        )
    )

    app = integration.apps.get()
    assert came == ["done"] * 4
    assert sorted(app.data_objects.values_list("name", flat=True)) == names


def test_integration_is_deleted_or_something_is_saved_in_it(both, integration):
    ada, bob = both

    deleted, saved = at_once(
        lambda: lifecycle.delete(integration, by=ada),
        lambda: declaring.create(
            functions.SORT,
            "sync",
            name="sync",
            uses=[functions.DeclaredUse("billing")],
            integration=integration,
            by=bob,
        ),
    )

    left = (deleted, saved, Integration.objects.count(), Function.objects.count())
    assert left in [
        ("done", "integration-gone", 0, 0),
        ("integration-in-use", "done", 1, 1),
    ]
