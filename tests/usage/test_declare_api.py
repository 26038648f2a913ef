"""Flow engines that keep what they declare true by themselves: flows, data objects, functions."""

import json

import pytest

from connhub.accounts import environments
from connhub.audit.models import Event
from connhub.usage import keys, registration
from connhub.usage.models import App, Availability, DataObject, Flow, Function, Kind, Registration
from tests.factories import IntegrationFactory, connect

pytestmark = pytest.mark.django_db
OBJECT, FUNCTION, FLOW = "data-objects/desk/Orders", "functions/sync", "flows/nightly"
BODIES = {
    OBJECT: {"connection": "billing"},
    FUNCTION: {"connections": ["billing"]},
    FLOW: {"name": "Nightly", "steps": [{"name": "a", "kind": "export", "connection": "billing"}]},
}
ABSENT = {
    OBJECT: "no-such-data-object", FUNCTION: "no-such-function", FLOW: "no-such-flow",
}  # fmt: skip
EACH = pytest.mark.parametrize("path", BODIES, ids=["data object", "function", "flow"])


@pytest.fixture
def call(client, ada, integration):
    """Calls with a key of the integration, and nobody signed in."""
    token = keys.issue(integration, environments.lowest(), name="laptop", by=ada)[1]

    def call(method, path, body=None, **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        return client.generic(
            method.upper(),
            f"/api/v1/{path}",
            b"" if body is None else json.dumps(body),
            content_type="application/json",
            headers=headers | {"Authorization": f"Bearer {token}"},
        )

    return call


@pytest.fixture
def registered(ada, integration, connection):
    registration.register(integration, [connection], by=ada)
    return connection


def problem(response):
    assert response["Content-Type"] == "application/problem+json"
    return response.status_code, response.json()["type"].rpartition("/")[2]


def denials():
    found = Event.objects.filter(outcome="denied").order_by("sequence")
    return [(event.object, event.detail["code"]) for event in found]


def things():
    return Flow.objects.count() + Function.objects.count() + App.objects.count()


NOTHING_NEW = {"registered": [], "reminder": None}


@pytest.mark.parametrize(
    ("path", "declared"),
    [
        (OBJECT, {"app": "desk", "app_name": "desk", "name": "Orders", "connection": "billing"}),
        (FUNCTION, {"name": "sync", "connections": ["billing"]}),
        (FLOW, {"slug": "nightly", "name": "Nightly"}),
    ],
)
def test_declared_is_saved_on_record_and_said_again_changes_nothing(
    call, integration, registered, path, declared
):
    first = call("put", path, BODIES[path])
    events = Event.objects.count()
    again = call("put", path, BODIES[path])

    assert (first.status_code, first.json()) == (201, declared | NOTHING_NEW)
    assert (again.status_code, again.json()) == (200, declared | NOTHING_NEW)
    assert Event.objects.count() == events
    assert Event.objects.latest("sequence").detail["integration"] == integration.slug
    read = call("get", path).json()
    assert read | declared == read


@EACH
def test_project_s_connection_is_registered_on_the_way_and_that_is_said(
    call, integration, connection, path
):
    Availability.objects.create(connection=connection, project=integration.project)

    answer = call("put", path, BODIES[path]).json()

    assert answer["registered"] == ["billing"]
    assert answer["reminder"].startswith("Order to cash: nobody new gained access")
    assert Registration.objects.get().how == "automatic"


@EACH
def test_what_the_integration_may_not_use_is_refused_and_the_denial_on_record(
    call, connection, path
):
    response = call("put", path, BODIES[path])

    assert problem(response) == (409, "not-registered")
    assert things() == 0
    assert denials() == [("Billing", "not-registered")]


@EACH
def test_integration_app_registers_nothing(call, integration, connection, path):
    integration.kind = Kind.APP
    integration.save()

    assert problem(call("put", path, BODIES[path])) == (409, "registration-not-offered")
    assert denials() == [("Billing", "registration-not-offered")]


@EACH
def test_withdrawn_is_gone_and_on_record(call, registered, path):
    call("put", path, BODIES[path])

    gone = call("delete", path)
    event = Event.objects.latest("sequence")
    again = call("delete", path)

    assert (gone.status_code, gone.content) == (204, b"")
    assert (things(), event.action.partition(".")[2]) == (0, "deleted")
    assert problem(again) == problem(call("get", path)) == (404, ABSENT[path])
    assert list(registered.registrations.values_list("integration__slug")) == [("order-to-cash",)]


@pytest.mark.parametrize(("path", "code"), [(OBJECT, "app-slug-taken"), (FLOW, "flow-slug-taken")])
def test_what_is_another_integration_s_stays_as_it_is(call, registered, path, code):
    elsewhere = IntegrationFactory()
    app = App.objects.create(slug="desk", name="Theirs", integration=elsewhere)
    DataObject.objects.create(app=app, name="Orders", connection=registered)
    Flow.objects.create(slug="nightly", name="Theirs", integration=elsewhere)

    declared, seen, withdrawn = (call(m, path, BODIES[path]) for m in ("put", "get", "delete"))

    assert problem(declared) == (409, code)
    assert denials() == [("", code)]
    assert problem(seen) == problem(withdrawn) == (404, ABSENT[path])
    assert (App.objects.get().name, Flow.objects.get().name) == ("Theirs", "Theirs")


@EACH
def test_it_is_changed_only_in_the_state_that_is_meant(call, ada, integration, registered, path):
    ledger = connect(ada, name="Ledger", link_name="ledger")
    registration.register(integration, [ledger], by=ada)
    changed = json.loads(json.dumps(BODIES[path]).replace("billing", "ledger"))
    made = call("put", path, BODIES[path], If_None_Match="*")
    tag = call("get", path)["ETag"]

    known = call("get", path, If_None_Match=tag)
    done = call("put", path, changed, If_Match=tag)
    late = [call(method, path, BODIES[path], If_Match=tag) for method in ("put", "delete")]
    again = call("put", path, BODIES[path], If_None_Match="*")

    assert (made.status_code, made["ETag"], known.status_code) == (201, tag, 304)
    assert (done.status_code, done["ETag"]) == (200, call("get", path)["ETag"])
    assert [problem(each) for each in (*late, again)] == [(412, "precondition-failed")] * 3
    assert "ledger" in call("get", path).text


def test_function_of_another_integration_is_another_function(call, registered):
    theirs = Function.objects.create(name="sync", integration=IntegrationFactory())

    assert call("put", FUNCTION, BODIES[FUNCTION]).status_code == 201
    assert call("delete", FUNCTION).status_code == 204
    assert Function.objects.get() == theirs


def test_function_s_connections_are_made_exactly_these(call, ada, integration, registered):
    ledger = connect(ada, name="Ledger", link_name="ledger")
    registration.register(integration, [ledger], by=ada)
    call("put", FUNCTION, BODIES[FUNCTION])

    call("put", FUNCTION, {"connections": ["ledger"]})

    assert list(Function.objects.get().connections.all()) == [ledger]
    assert Event.objects.latest("sequence").fields == ["billing", "ledger"]


def test_other_data_objects_and_the_app_s_name_stay(call, registered):
    call("put", OBJECT, BODIES[OBJECT] | {"app_name": "Service desk"})

    more = call("put", "data-objects/desk/Bills", {"connection": "billing"}).json()

    assert more["app_name"] == "Service desk"
    assert App.objects.get().data_objects.count() == 2


def test_lists_come_in_pages_of_the_integration_s_own(
    call, integration, registered, django_assert_num_queries
):
    elsewhere = IntegrationFactory()
    for number in range(3):
        call("put", f"flows/f{number}", BODIES[FLOW])
        call("put", f"functions/f{number}", BODIES[FUNCTION])
        call("put", f"data-objects/f{number}/Orders", BODIES[OBJECT])
        Function.objects.create(name=f"other{number}", integration=elsewhere)

    for path, kind, name in (
        ("flows", "flows", "slug"),
        ("functions", "functions", "name"),
        ("data-objects", "apps", "app"),
    ):
        with django_assert_num_queries(4 if path == "data-objects" else 3):
            first = call("get", f"{path}?limit=2").json()
        last = call("get", f"{path}?limit=2&after={first['next']}").json()
        assert [row[name] for row in first[kind] + last[kind]] == ["f0", "f1", "f2"]
        assert (first["next"], last["next"]) == ("f1", None)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("data-objects/desk/Orders", {}),
        ("data-objects/desk/Orders", {"connection": "Upper"}),
        ("data-objects/desk/Orders", {"connection": "billing", "app_name": "a\0"}),
        ("data-objects/new/Orders", {"connection": "billing"}),
        ("data-objects/a b/Orders", {"connection": "billing"}),
        ("data-objects/desk/%00", {"connection": "billing"}),
        (f"data-objects/desk/{'a' * 81}", {"connection": "billing"}),
        ("functions/sync", {"connections": []}),
        ("functions/sync", {"connections": ["billing", "billing"]}),
        ("functions/sync", {"connections": ["\ud800"]}),
        ("functions/new", {"connections": ["billing"]}),
        ("functions/1st", {"connections": ["billing"]}),
    ],
)
def test_what_makes_no_sense_is_refused(call, registered, path, body):
    assert problem(call("put", path, body)) == (422, "invalid-request")
    assert things() == 0


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "after=%00", f"after={'a' * 61}"])
@pytest.mark.parametrize("path", ["flows", "functions", "data-objects"])
def test_lists_refuse_a_bad_page(call, path, query):
    assert problem(call("get", f"{path}?{query}")) == (422, "invalid-request")


@EACH
def test_nothing_is_declared_without_a_key(client, integration, path):
    response = client.put(f"/api/v1/{path}", BODIES[path], content_type="application/json")

    assert problem(response) == (401, "unauthorized")
