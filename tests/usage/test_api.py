"""The runtime API's ordinary calls."""

import pytest
from django.urls import reverse

from connhub import throttle
from connhub.accounts import environments
from connhub.audit.models import Event
from connhub.connections import lifecycle
from connhub.usage import callers, keys, projects, registration
from connhub.usage.models import Availability, Flow, Kind, Registration
from tests.conftest import CANARY
from tests.factories import IntegrationFactory, connect

CONNECTIONS = "/api/v1/connections"
PROBLEM = "application/problem+json"


@pytest.fixture
def token(ada, integration):
    return keys.issue(integration, environments.lowest(), name="laptop", by=ada)[1]


@pytest.fixture
def call(client, token):
    """Calls with the key, and nobody signed in."""

    def call(path, method="get", **more):
        headers = {"Authorization": f"Bearer {token}"}
        return getattr(client, method)(path, headers=headers, **more)

    return call


@pytest.fixture
def registered(ada, integration, connection):
    registration.register(integration, [connection], by=ada)
    return connection


def step(name="Orders", kind="export", connection="billing"):
    return {"name": name, "kind": kind, "connection": connection}


@pytest.fixture
def declare(call):
    def declare(*steps, slug="nightly", name="Nightly"):
        body = {"name": name, "steps": list(steps)}
        return call(f"/api/v1/flows/{slug}", "put", data=body, content_type="application/json")

    return declare


def problem(response):
    assert response["Content-Type"] == PROBLEM
    return response.status_code, response.json()["type"].rpartition("/")[2]


def test_list_tells_how_each_connection_stands_in_the_key_s_environment(call, registered):
    response = call(CONNECTIONS)

    assert response.json() == {
        "connections": [
            {
                "link_name": "billing",
                "name": "Billing",
                "service": registered.service.slug,
                "kind": "api_key",
                "environment": "development",
                "status": "connected",
                "access_mode": "proxy",
                "login_user": False,
            }
        ],
        "next": None,
    }
    assert CANARY not in response.text


def test_list_shows_a_revoked_connection_as_revoked(call, ada, registered):
    lifecycle.revoke(registered, by=ada)

    (row,) = call(CONNECTIONS).json()["connections"]

    assert row["status"] == "revoked"


def test_list_leaves_out_what_the_integration_may_not_use(call, ada, bob, registered):
    elsewhere = IntegrationFactory()
    Registration.objects.create(
        integration=elsewhere, connection=connect(bob, name="Bob's own", link_name="bobs")
    )

    found = call(CONNECTIONS).json()["connections"]

    assert [row["link_name"] for row in found] == ["billing"]


def test_list_comes_in_pages(call, ada, integration):
    made = [connect(ada, name=n, link_name=n) for n in ("a", "b", "c")]
    registration.register(integration, made, by=ada)

    first = call(f"{CONNECTIONS}?limit=2").json()
    last = call(f"{CONNECTIONS}?limit=2&after={first['next']}").json()

    assert [row["link_name"] for row in first["connections"]] == ["a", "b"]
    assert [row["link_name"] for row in last["connections"]] == ["c"]
    assert last["next"] is None


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=x", "after=%00", "after=A"])
def test_list_refuses_a_bad_page(call, query):
    assert problem(call(f"{CONNECTIONS}?{query}")) == (422, "invalid-request")


def test_list_makes_as_many_queries_with_3_rows_as_with_1(
    call, ada, integration, registered, django_assert_num_queries
):
    call(CONNECTIONS)

    with django_assert_num_queries(4):
        call(CONNECTIONS)
    made = [connect(ada, name=n, link_name=n) for n in ("a", "b")]
    registration.register(integration, made, by=ada)
    with django_assert_num_queries(4):
        call(CONNECTIONS)


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer x", "Basic YTpi", "bearer chk_" + "A" * 43]
)
def test_calls_without_a_valid_key_are_refused_alike(client, token, header):
    headers = {} if header is None else {"Authorization": header}

    response = client.get(CONNECTIONS, headers=headers)

    assert problem(response) == (401, "unauthorized")
    assert response["WWW-Authenticate"] == 'Bearer realm="ConnHub"'


def denials() -> list[tuple[str, str, dict]]:
    events = Event.objects.filter(outcome="denied").order_by("sequence")
    return [(event.actor, event.object, event.detail) for event in events]


@pytest.mark.parametrize("header", [None, "Bearer x", "Bearer chk_" + "A" * 43])
def test_calls_without_a_known_key_are_on_record_once_a_minute_for_each_address(client, db, header):
    headers = {} if header is None else {"Authorization": header}

    for address in ("192.0.2.1", "192.0.2.1", "2001:db8::1", "2001:db8::2"):
        client.get(CONNECTIONS, headers=headers, REMOTE_ADDR=address)

    unknown = ("ConnHub", "", {"code": "unauthorized", "link_name": ""})
    assert denials() == [unknown] * 2
    assert Event.objects.latest("sequence").ip == "2001:db8::1"


def test_strangers_of_many_addresses_do_not_fill_the_record(client, db, monkeypatch):
    monkeypatch.setattr(throttle, "MOST_NEW", 2)

    for number in range(4):
        client.get(CONNECTIONS, REMOTE_ADDR=f"192.0.2.{number}")

    assert len(denials()) == 2


def test_too_many_unknown_keys_from_one_address_are_not_looked_up(
    client, call, monkeypatch, django_assert_num_queries
):
    monkeypatch.setattr(callers, "MOST_UNKNOWN", 2)
    monkeypatch.setattr(throttle.time, "time", lambda: 120.5)
    unknown = {"Authorization": "Bearer chk_" + "A" * 43}
    for _ in range(2):
        assert client.get(CONNECTIONS, headers=unknown).status_code == 401

    with django_assert_num_queries(0):
        response = client.get(CONNECTIONS, headers=unknown)

    assert (problem(response), response["Retry-After"]) == ((429, "rate-limited"), "60")
    assert problem(call(CONNECTIONS)) == (429, "rate-limited")
    elsewhere = client.get(CONNECTIONS, headers=unknown, REMOTE_ADDR="192.0.2.1")
    assert problem(elsewhere) == (401, "unauthorized")


def test_good_keys_do_not_count_as_unknown_and_go_on_whoever_else_calls(
    client, call, ada, integration, monkeypatch
):
    monkeypatch.setattr(callers, "MOST_UNKNOWN", 2)
    others = [keys.issue(integration, environments.lowest(), name="o", by=ada)[1] for _ in "123"]
    for token in others:
        bearer = {"Authorization": f"Bearer {token}"}
        assert client.get(CONNECTIONS, headers=bearer).status_code == 200
    assert call(CONNECTIONS).status_code == 200

    for _ in range(3):
        refused = client.get(CONNECTIONS, headers={"Authorization": "Bearer chk_" + "A" * 43})

    assert refused.status_code == 429
    assert call(CONNECTIONS).status_code == 200


def test_calls_with_one_key_are_limited(call, registered, settings):
    settings.PROXY_RATE_KEY = "1/hour"

    answers = [call(CONNECTIONS) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 429]
    assert int(answers[1]["Retry-After"]) > 0


def test_nothing_is_limited_and_all_is_on_record_while_the_cache_is_away(client, db, monkeypatch):
    def away(*args):
        raise ConnectionError

    monkeypatch.setattr(callers, "MOST_UNKNOWN", 1)
    for name in ("add", "incr"):
        monkeypatch.setattr(throttle.cache, name, away)
    unknown = {"Authorization": "Bearer chk_" + "A" * 43}

    answers = [client.get(CONNECTIONS, headers=unknown).status_code for _ in range(3)]

    assert answers == [401] * 3
    assert len(denials()) == 3


def test_key_counts_in_the_header_alone(client, token):
    response = client.get(CONNECTIONS, {"token": token, "access_token": token})

    assert problem(response) == (401, "unauthorized")


def test_a_session_is_no_key(client, ada, token):
    client.force_login(ada)

    assert problem(client.get(CONNECTIONS)) == (401, "unauthorized")


def test_revoked_key_fails_the_next_call(call, ada, integration):
    before = call(CONNECTIONS)
    keys.revoke(integration.keys.get(), by=ada)

    after = call(CONNECTIONS)

    assert before.status_code == 200
    assert problem(after) == (401, "unauthorized")
    assert denials() == [
        (str(integration.keys.get()), "", {"code": "unauthorized", "link_name": ""})
    ]


def test_declare_saves_the_flow_and_is_on_record(declare, integration, registered):
    response = declare(step(), step("Invoices", "import"))

    flow = Flow.objects.get()
    steps = flow.steps.order_by("name").values_list("name", "kind", "connection__link_name")
    assert response.status_code == 201
    assert response.json() == {
        "slug": "nightly", "name": "Nightly", "registered": [], "reminder": None,
    }  # fmt: skip
    assert flow.integration == integration
    assert list(steps) == [("Invoices", "import", "billing"), ("Orders", "export", "billing")]
    assert Event.objects.latest("sequence").action == "flow.saved"


def test_declare_twice_changes_nothing(declare, registered):
    declare(step())
    events = Event.objects.count()

    response = declare(step())

    assert response.status_code == 200
    assert Event.objects.count() == events


def test_declare_makes_the_steps_exactly_these(declare, ada, integration, registered):
    more = connect(ada, name="Sales CRM", link_name="sales_crm")
    registration.register(integration, [more], by=ada)
    declare(step("Orders"), step("Invoices"), name="Old name")

    declare(step("Orders", "import", "sales_crm"), name="New name")

    flow = Flow.objects.get()
    (only,) = flow.steps.all()
    event = Event.objects.latest("sequence")
    assert flow.name == "New name"
    assert (only.name, only.kind, only.connection) == ("Orders", "import", more)
    assert event.fields == ["Invoices", "Orders", "name"]


def test_declare_refuses_connections_that_the_integration_may_not_use(
    declare, integration, connection
):
    response = declare(step(), step("More", connection="no_such"))

    assert problem(response) == (409, "not-registered")
    assert response.json()["detail"] == ("Not registered with this integration: billing, no_such.")
    assert Flow.objects.count() == 0
    who, code = str(integration.keys.get()), "not-registered"
    assert denials() == [
        (who, "Billing", {"code": code, "link_name": "billing"}),
        (who, "", {"code": code, "link_name": "no_such"}),
    ]


def test_declare_registers_what_is_available_to_the_project_and_says_so(
    declare, ada, eve, integration, connection
):
    projects.add_member(integration, eve, by=ada)
    Availability.objects.create(connection=connection, project=integration.project)

    answer = declare(step()).json()

    assert answer["registered"] == ["billing"]
    assert answer["reminder"] == (
        "Order to cash: nobody new gained access to these connections; 1 member sees exports and "
        "imports over them elsewhere, by name."
    )
    assert Registration.objects.get().how == "automatic"


def test_declare_registers_nothing_in_an_integration_app(
    declare, ada, integration, connection, registered
):
    connect(ada, name="Sales CRM", link_name="sales_crm")
    of_project = connect(ada, name="Ledger", link_name="ledger")
    Availability.objects.create(connection=of_project, project=integration.project)
    integration.kind = Kind.APP
    integration.save()

    allowed = declare(step(), step("Books", connection="ledger"))
    refused = declare(step("More", connection="sales_crm"), slug="more")

    assert (allowed.status_code, allowed.json()["registered"]) == (201, [])
    assert problem(refused) == (409, "registration-not-offered")
    assert list(integration.connections.all()) == [connection]
    assert denials()[-1][2] == {"code": "registration-not-offered", "link_name": "sales_crm"}


@pytest.mark.parametrize("slug", ["new", "attach"])
def test_declare_refuses_slugs_that_name_pages(declare, registered, slug):
    assert problem(declare(step(), slug=slug)) == (422, "invalid-request")


def test_declared_again_what_is_available_to_the_project_is_not_registered_again(
    declare, ada, integration, connection
):
    Availability.objects.create(connection=connection, project=integration.project)
    declare(step())
    registration.deregister(integration, connection, by=ada)

    same = declare(step())

    assert (same.status_code, same.json()["registered"]) == (200, [])
    assert Registration.objects.count() == 0


def test_deregistered_connection_stays_in_its_flow_and_enters_no_other(
    declare, ada, integration, registered
):
    declare(step())
    registration.deregister(integration, registered, by=ada)

    same = declare(step(), step("Invoices"))
    another = declare(step(), slug="another")

    assert same.status_code == 200
    assert problem(another) == (409, "not-registered")
    assert Registration.objects.count() == 0


def test_declare_refuses_the_slug_of_another_integration_s_flow(declare, registered):
    Flow.objects.create(slug="nightly", name="Theirs", integration=IntegrationFactory())

    response = declare(step())

    assert problem(response) == (409, "flow-slug-taken")
    assert Flow.objects.get().name == "Theirs"
    assert [detail["code"] for *_, detail in denials()] == ["flow-slug-taken"]


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "[]",
        "[" * 100_000,
        '{"name": "Nightly"}',
        '{"name": "Nightly", "steps": [{"name": "a", "kind": "other", "connection": "b"}]}',
        '{"name": "Nightly", "steps": [{"name": "a", "kind": "export", "connection": "B!"}]}',
        '{"name": "Night\\u0000ly", "steps": []}',
        '{"name": "Night\\ud800ly", "steps": []}',
        '{"name": NaN, "steps": []}',
        '{"name": "Nightly", "steps": ['
        '{"name": "a", "kind": "export", "connection": "billing"},'
        '{"name": "a", "kind": "import", "connection": "billing"}]}',
    ],
)
def test_declare_refuses_what_makes_no_sense(call, registered, body):
    response = call("/api/v1/flows/nightly", "put", data=body, content_type="application/json")

    assert problem(response) == (422, "invalid-request")
    assert Flow.objects.count() == 0


def test_refusal_does_not_repeat_what_was_sent(call):
    body = f'{{"name": "{CANARY}\\n", "steps": [{{"kind": "{CANARY}"}}]}}'

    response = call("/api/v1/flows/nightly", "put", data=body, content_type="application/json")

    assert response.status_code == 422
    assert CANARY not in response.text


@pytest.mark.parametrize("slug", ["a b", "é", "a" * 61])
def test_declare_refuses_a_bad_slug(declare, slug):
    assert problem(declare(slug=slug)) == (422, "invalid-request")


def test_too_large_a_body_is_refused(declare, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100

    assert problem(declare(*[step(f"Step {n}") for n in range(9)])) == (413, "request-too-large")


def test_unknown_calls_and_methods_are_problems(client):
    unknown = client.get("/api/v1/nothing/here")
    method = client.delete(CONNECTIONS)

    assert problem(unknown) == (404, "not-found")
    assert problem(method) == (405, "method-not-allowed")
    assert method["Allow"] == "GET, HEAD, OPTIONS"


def test_openapi_document_lists_every_call(client):
    document = client.get("/api/v1/openapi.json").json()

    calls = {path: sorted(operations) for path, operations in document["paths"].items()}
    assert calls == {
        "/api/v1/connections": ["get"],
        "/api/v1/connections/{link_name}": ["get"],
        "/api/v1/flows": ["get"],
        "/api/v1/flows/{slug}": ["delete", "get", "put"],
        "/api/v1/data-objects": ["get"],
        "/api/v1/data-objects/{app}/{name}": ["delete", "get", "put"],
        "/api/v1/functions": ["get"],
        "/api/v1/functions/{name}": ["delete", "get", "put"],
        "/api/v1/connections/{link_name}/proxy/{path}": ["delete", "get", "patch", "post", "put"],
        "/api/v1/connections/{link_name}/credentials": ["get"],
    }


def test_docs_page_shows_every_call_and_loads_nothing_from_elsewhere(client, eve):
    client.force_login(eve)

    response = client.get(reverse("api-1:openapi-view"))

    assert response.status_code == 200
    assert [(*call.methods, call.path) for call in response.context["calls"]] == [
        ("GET", "/api/v1/connections"),
        ("GET", "/api/v1/connections/{link_name}"),
        ("GET", "/api/v1/connections/{link_name}/credentials"),
        ("GET", "POST", "PUT", "PATCH", "DELETE", "/api/v1/connections/{link_name}/proxy/{path}"),
        ("GET", "/api/v1/data-objects"),
        ("GET", "/api/v1/data-objects/{app}/{name}"),
        ("PUT", "/api/v1/data-objects/{app}/{name}"),
        ("DELETE", "/api/v1/data-objects/{app}/{name}"),
        ("GET", "/api/v1/flows"),
        ("GET", "/api/v1/flows/{slug}"),
        ("PUT", "/api/v1/flows/{slug}"),
        ("DELETE", "/api/v1/flows/{slug}"),
        ("GET", "/api/v1/functions"),
        ("GET", "/api/v1/functions/{name}"),
        ("PUT", "/api/v1/functions/{name}"),
        ("DELETE", "/api/v1/functions/{name}"),
    ]
    assert "//" not in response.text.partition("<body")[0].replace("<!--", "")


def test_docs_page_is_for_people_who_are_signed_in(client):
    response = client.get("/api/v1/docs")

    assert response.status_code == 302
