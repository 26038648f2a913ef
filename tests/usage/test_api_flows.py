"""Flows by the runtime API: seen, taken away, and changed only in the state that is meant."""

import pytest
from django.conf import settings
from django.db import OperationalError
from django.db import connection as database

from connhub.accounts import environments
from connhub.audit.models import Event
from connhub.connections import lifecycle
from connhub.usage import declaring, flows, keys, registration
from connhub.usage.models import Flow
from tests.factories import IntegrationFactory, connect

FLOWS = "/api/v1/flows"
NIGHTLY = f"{FLOWS}/nightly"
CONNECTIONS = "/api/v1/connections"
STEP = {"name": "Orders", "kind": "export", "connection": "billing"}
BODY = {"name": "Nightly", "steps": [STEP]}


@pytest.fixture
def key(ada, integration, connection):
    registration.register(integration, [connection], by=ada)
    return keys.issue(integration, environments.lowest(), name="laptop", by=ada)


@pytest.fixture
def call(client, key):
    """Calls with the key, and nobody signed in; `headers` by keyword."""

    def call(method, path, body=None, **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        headers |= {"Authorization": f"Bearer {key[1]}"}
        more = {"data": body, "content_type": "application/json"} if body is not None else {}
        return getattr(client, method)(path, headers=headers, **more)

    return call


@pytest.fixture
def nightly(call) -> str:
    """A declared flow; its tag."""
    return call("put", NIGHTLY, BODY)["ETag"]


def code(response) -> tuple[int, str]:
    return response.status_code, response["X-ConnHub-Problem"]


def test_flow_is_shown_with_its_steps_by_name(call, key):
    first = {**STEP, "name": "Invoices", "kind": "import"}
    call("put", NIGHTLY, {"name": "Nightly", "steps": [STEP, first]})

    response = call("get", NIGHTLY)

    saved_at = Flow.objects.get().saved_at.isoformat(timespec="milliseconds")
    assert response.json() == {
        "slug": "nightly",
        "name": "Nightly",
        "steps": [first, STEP],
        "saved_at": saved_at.replace("+00:00", "Z"),
    }


def test_flows_of_the_integration_are_listed_in_pages(call, ada, key):
    for slug in ("c", "a", "b"):
        call("put", f"{FLOWS}/{slug}", BODY)
    Flow.objects.create(slug="aa", name="Theirs", integration=IntegrationFactory())
    flows.create("alone", name="Alone", steps=[], integration=None, by=ada)

    first = call("get", f"{FLOWS}?limit=2")
    last = call("get", f"{FLOWS}?limit=2&after=b")

    assert [(row["slug"], row["steps"]) for row in first.json()["flows"]] == [("a", 1), ("b", 1)]
    assert first.json()["next"] == "b"
    assert first["Link"] == f'<{settings.CONNHUB_URL}{FLOWS}?after=b&limit=2>; rel="next"'
    assert [row["slug"] for row in last.json()["flows"]] == ["c"]
    assert last.json()["next"] is None
    assert "Link" not in last


def test_list_of_flows_makes_as_many_queries_with_3_as_with_1(
    call, nightly, django_assert_num_queries
):
    call("get", FLOWS)

    with django_assert_num_queries(3):
        call("get", FLOWS)
    for slug in ("a", "b"):
        call("put", f"{FLOWS}/{slug}", BODY)
    with django_assert_num_queries(3):
        call("get", FLOWS)


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "after=%00", "after=a%20b", "after="])
def test_list_of_flows_refuses_a_bad_page(call, query):
    assert code(call("get", f"{FLOWS}?{query}")) == (422, "invalid-request")


@pytest.mark.parametrize("method", ["get", "delete"])
def test_flows_of_others_are_as_if_they_were_not(call, ada, method):
    Flow.objects.create(slug="theirs", name="Theirs", integration=IntegrationFactory())
    flows.create("alone", name="Alone", steps=[], integration=None, by=ada)

    answers = [call(method, f"{FLOWS}/{slug}") for slug in ("theirs", "alone", "nothing")]

    assert [code(answer) for answer in answers] == [(404, "no-such-flow")] * 3
    assert Flow.objects.count() == 2


def test_withdrawn_flow_is_gone_and_on_record(call, key, nightly):
    response = call("delete", NIGHTLY)

    event = Event.objects.latest("sequence")
    assert (response.status_code, response.content) == (204, b"")
    assert Flow.objects.count() == 0
    assert (event.action, event.object, event.actor) == ("flow.deleted", "Nightly", str(key[0]))
    assert code(call("delete", NIGHTLY)) == (404, "no-such-flow")


def test_withdrawn_flow_frees_what_only_it_still_used(call, ada, integration, connection, nightly):
    registration.deregister(integration, connection, by=ada)
    assert list(registration.usable_in(integration)) == [connection]

    call("delete", NIGHTLY)

    assert list(registration.usable_in(integration)) == []


def test_key_that_was_revoked_meanwhile_withdraws_nothing(ada, key, nightly):
    keys.revoke(key[0], by=ada)

    with pytest.raises(declaring.Unauthorized):
        declaring.withdraw(flows.SORT, "nightly", by=key[0])
    assert Flow.objects.count() == 1


@pytest.mark.parametrize(("method", "status"), [("put", 200), ("delete", 204)])
def test_flow_is_changed_in_the_state_that_is_meant(call, nightly, method, status):
    tag = call("get", NIGHTLY)["ETag"]

    response = call(method, NIGHTLY, BODY, If_Match=f'"another", {tag}')

    assert tag == nightly
    assert response.status_code == status


@pytest.mark.parametrize("method", ["put", "delete"])
@pytest.mark.parametrize("tag", ['"another"', "W/{}", "nonsense", ""])
def test_flow_in_another_state_is_left_as_it_is(call, nightly, method, tag):
    response = call(method, NIGHTLY, BODY | {"name": "New"}, If_Match=tag.format(nightly))

    assert code(response) == (412, "precondition-failed")
    assert call("get", NIGHTLY)["ETag"] == nightly


@pytest.mark.parametrize("change", [{"name": "New"}, {"steps": []}])
def test_second_of_two_who_change_a_flow_at_once_is_refused(call, nightly, change):
    first = call("put", NIGHTLY, BODY | change, If_Match=nightly)
    second = call("put", NIGHTLY, BODY, If_Match=nightly)

    assert (first.status_code, second.status_code) == (200, 412)
    assert first["ETag"] == call("get", NIGHTLY)["ETag"] != nightly


def test_flow_is_declared_only_if_there_is_none(call):
    first = call("put", NIGHTLY, BODY, If_None_Match="*")
    second = call("put", NIGHTLY, BODY, If_None_Match="*")

    assert (first.status_code, code(second)) == (201, (412, "precondition-failed"))


def test_flow_that_has_to_be_there_is_not_made(call, key):
    assert code(call("put", NIGHTLY, BODY, If_Match="*")) == (412, "precondition-failed")
    assert Flow.objects.count() == 0


@pytest.mark.parametrize("known", ["{}", "W/{}", '"another", {}', "*"])
def test_flow_that_the_caller_knows_is_not_sent_again(call, nightly, known):
    response = call("get", NIGHTLY, If_None_Match=known.format(nightly))

    assert (response.status_code, response.content, response["ETag"]) == (304, b"", nightly)


def test_flow_that_changed_is_sent_again(call, nightly):
    call("put", NIGHTLY, BODY | {"steps": []})

    assert call("get", NIGHTLY, If_None_Match=nightly).json()["steps"] == []


@pytest.mark.parametrize("path", [CONNECTIONS, f"{CONNECTIONS}/billing"])
def test_connections_that_the_caller_knows_are_not_sent_again(
    call, path, ada, connection, django_assert_max_num_queries
):
    tag = call("get", path)["ETag"]

    with django_assert_max_num_queries(4):
        known = call("get", path, If_None_Match=tag)
    lifecycle.revoke(connection, by=ada)
    changed = call("get", path, If_None_Match=tag)

    assert (known.status_code, known.content) == (304, b"")
    assert changed.status_code == 200
    assert changed["ETag"] != tag


def test_tag_of_connections_is_another_for_another_key(call, ada, client, integration):
    _, token = keys.issue(integration, environments.lowest(), name="other", by=ada)

    tag = call("get", CONNECTIONS)["ETag"]
    other = client.get(CONNECTIONS, headers={"Authorization": f"Bearer {token}"})

    assert other["ETag"] != tag


def test_one_connection_is_as_in_the_list(call):
    (row,) = call("get", CONNECTIONS).json()["connections"]

    assert call("get", f"{CONNECTIONS}/billing").json() == row


@pytest.mark.parametrize("link_name", ["bobs", "nothing"])
def test_connection_that_is_not_for_the_key_is_as_if_it_were_not(call, key, bob, link_name):
    connect(bob, name="Bob's own", link_name="bobs")

    response = call("get", f"{CONNECTIONS}/{link_name}")

    event = Event.objects.latest("sequence")
    assert code(response) == (404, "not-registered")
    assert (event.outcome, event.actor) == ("denied", str(key[0]))
    assert event.detail == {"code": "not-registered", "link_name": link_name}


def test_next_page_of_connections_is_in_a_header_too(call, ada, integration):
    more = connect(ada, name="Sales CRM", link_name="sales_crm")
    registration.register(integration, [more], by=ada)

    response = call("get", f"{CONNECTIONS}?limit=1")

    url = f"{settings.CONNHUB_URL}{CONNECTIONS}?after=billing&limit=1"
    assert response["Link"] == f'<{url}>; rel="next"'
    assert call("get", url.removeprefix(settings.CONNHUB_URL)).json()["next"] is None


@pytest.mark.parametrize(
    "path", [CONNECTIONS, f"{CONNECTIONS}/billing", FLOWS, NIGHTLY, "/api/v1/openapi.json"]
)
def test_head_is_a_get_without_the_body(call, nightly, path):
    got, head = call("get", path), call("head", path)

    assert (head.status_code, head.content) == (200, b"")
    without = {"X-Request-ID", "Content-Length"}
    assert {name: head[name] for name in head.headers if name not in without} == {
        name: got[name] for name in got.headers if name not in without
    }


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        (CONNECTIONS, "GET, HEAD, OPTIONS"),
        (NIGHTLY, "DELETE, GET, HEAD, OPTIONS, PUT"),
        ("/api/v1/openapi.json", "GET, HEAD, OPTIONS"),
    ],
)
def test_options_says_what_may_be_asked(client, db, path, allowed):
    response = client.options(path)
    wrong = client.patch(path)

    assert (response.status_code, response["Allow"]) == (204, allowed)
    assert (code(wrong), wrong["Allow"]) == ((405, "method-not-allowed"), allowed)


def test_root_of_the_api_is_a_problem_too(client, db):
    assert code(client.get("/api/v1/")) == (404, "not-found")


def test_database_that_is_away_is_a_problem_that_passes(call):
    def away(*args):
        raise OperationalError

    with database.execute_wrapper(away):
        response = call("get", CONNECTIONS)

    assert code(response) == (503, "database-away")
    assert response["Retry-After"] == "5"
