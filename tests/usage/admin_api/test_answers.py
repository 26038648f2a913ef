"""What answers of the admin API hold: pages of lists, few queries, the document, and no secret."""

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext

from connhub.audit.models import Event
from connhub.connections import login_users, rotation
from connhub.usage import registration
from connhub.usage.api.admin.api import api
from tests.conftest import CANARY
from tests.factories import AuthMethodFactory, connect

from .conftest import problem

LISTS = [
    ("/connections", "connections"), ("/integrations/order-to-cash/connections", "connections"),
    ("/services", "services"),
]  # fmt: skip


@pytest.fixture
def many(ada, integration):
    """Makes so many connections, each to a service of its own."""

    def many(first: int, last: int) -> None:
        for n in range(first, last):
            made = connect(
                ada, method=AuthMethodFactory(), name=f"C{n:02}", link_name=f"c{n:02}",
                secret=CANARY, tags=["x"],
            )  # fmt: skip
            registration.register(integration, [made], by=ada)

    return many


@pytest.mark.parametrize(("path", "name"), LISTS)
def test_a_list_is_walked_by_its_links(call, many, path, name):
    many(0, 7)

    seen, url = [], f"{path}?limit=3"
    while url:
        response = call("get", url)
        seen += [row.get("link_name") or row["slug"] for row in response.json()[name]]
        following = response.json()["next"]
        assert (f'<{following}>; rel="next"' in response.get("Link", "")) == bool(following)
        url = following and following.partition("/api/v1/admin")[2]

    assert len(seen) == len(set(seen)) == 7


@pytest.mark.parametrize(("path", "name"), LISTS)
def test_a_long_list_takes_as_many_queries_as_a_short_one(call, many, path, name):
    def queries() -> int:
        with CaptureQueriesContext(database) as captured:
            assert call("get", path).status_code == 200
        return len(captured)

    many(0, 2)
    call("get", path)
    few = queries()
    many(2, 20)

    assert queries() == few <= 20


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["c00", "c01", "c02"]), ("?q=c01", ["c01"]), ("?tag=x", ["c00", "c01", "c02"]),
        ("?tag=y", []), ("?status=connected&show=mine", ["c00", "c01", "c02"]),
        ("?status=revoked", []), ("?show=shared", []), ("?sort=created", ["c02", "c01", "c00"]),
        ("?environment=production", ["c00", "c01", "c02"]),
        ("?integration=order-to-cash", ["c00", "c01", "c02"]), ("?unused=30", []),
    ],
)  # fmt: skip
def test_the_list_is_filtered_as_the_page_is(call, many, query, found):
    many(0, 3)

    listed = call("get", f"/connections{query}").json()["connections"]

    assert [row["link_name"] for row in listed] == found


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("status=well", "status"), ("service=nothing", "service"), ("sort=colour", "sort"),
        ("limit=201", "limit"), ("environment=moon", "environment"), ("q=%00", "q"),
        ("unused=31", "unused"),
    ],
)  # fmt: skip
def test_a_filter_that_makes_no_sense_is_refused(call, query, field):
    response = call("get", f"/connections?{query}")

    assert problem(response) == (422, "invalid-request")
    assert list(response.json()["errors"]) == [field]


def test_a_cursor_that_makes_no_sense_shows_the_first_page(call, many):
    many(0, 1)

    assert len(call("get", "/connections?before=nonsense").json()["connections"]) == 1


def test_one_connection_takes_few_queries(call, connection, django_assert_max_num_queries):
    call("get", "/connections/billing")

    with django_assert_max_num_queries(12):
        call("get", "/connections/billing")


def test_no_answer_holds_a_secret(call, ada, connection, integration):
    """Whatever there is to see or do with connections full of secrets."""
    own = connect(ada, method=connection.auth_method, name="Own", link_name="own", secrets={},
                  login_user=True)  # fmt: skip
    login_users.sign_in(own, {"key_1": CANARY}, by=ada)
    rotation.give(connection, {"key_1": CANARY}, by=ada)
    registration.register(integration, [connection], by=ada)
    looks = ["", "/billing", "/own", "/billing/activity", "/billing/rotation", "/billing/usage",
             "/own/sign-ins", "/billing/admins", "/billing/calls", "/billing/impact"]  # fmt: skip
    acts = [
        ("patch", "/billing", {"name": "B", "secrets": {"key_1": CANARY}}),
        ("post", "/billing/reconnect", {"secrets": {"key_1": CANARY, "pin": CANARY}}),
        ("put", "/billing/environments/production", {"secrets": {"key_1": CANARY}}),
        ("post", "/billing/rotation/switch", {}),
        ("post", "/billing/reconnect", {"secrets": CANARY}),
        ("post", "/billing/duplicate", {"name": CANARY + "\0", "link_name": "x"}),
    ]

    answers = [call("get", f"/connections{path}") for path in looks]
    answers += [call(method, f"/connections{path}", body) for method, path, body in acts]

    assert {answer.status_code for answer in answers} <= {200, 409, 422}
    for answer in answers:
        assert CANARY[:14] not in answer.text + str(answer.headers)
        assert call.text not in answer.text
    assert CANARY not in str(list(Event.objects.values()))


def test_the_document_names_every_problem_that_any_change_may_meet():
    document = api.get_openapi_schema()
    change = document["paths"]["/api/v1/admin/connections/{link_name}"]["delete"]
    codes = change["responses"]["409"]["headers"]["X-ConnHub-Problem"]["schema"]["enum"]

    assert {"still-in-use", "deleted-meanwhile"} <= set(codes)
    assert change["operationId"] == "delete_connection"


def test_the_docs_page_is_for_people(client, ada, call):
    client.force_login(ada)

    page = client.get("/api/v1/admin/docs")

    assert page.status_code == 200
    assert "Authorization: Bearer $CONNHUB_ADMIN_TOKEN" in page.text
    assert client.get("/api/v1/admin/openapi.json").json()["info"]["title"] == "ConnHub admin API"


@pytest.mark.parametrize("method", ["head", "options", "put"])
def test_every_method_is_answered(call, connection, method):
    response = call(method, "/connections/billing")

    assert response.status_code == {"head": 200, "options": 204, "put": 405}[method]
    if method != "head":
        assert response["Allow"] == "DELETE, GET, HEAD, OPTIONS, PATCH"


@pytest.mark.parametrize("code", ["forbidden", "read-only-token", "still-in-use", "unauthorized"])
def test_what_a_problem_is_called_leads_to_a_page_about_it(client, db, code):
    page = client.get(f"/api/v1/problems/{code}")

    assert page.status_code == 200
    assert "DELETE /api/v1/admin/connections/{link_name}" in page.text
