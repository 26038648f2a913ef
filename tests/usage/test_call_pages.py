"""The pages that show calls: whose, by which filters, and as many queries however many."""

from datetime import timedelta

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from connhub.accounts import environments
from connhub.accounts.models import Environment
from connhub.usage import keys, registration
from connhub.usage.calls import folding
from connhub.usage.calls.reading import general
from connhub.usage.models import IntegrationKey, Membership
from tests.factories import IntegrationFactory, UserFactory, connect
from tests.usage.calls import called

pytestmark = pytest.mark.django_db


@pytest.fixture
def key(ada, integration, connection) -> IntegrationKey:
    registration.register(integration, [connection], by=ada)
    return keys.issue(integration, environments.lowest(), name="nightly", by=ada)[0]


@pytest.fixture
def foreign_key(root) -> IntegrationKey:
    """Of an integration that only super admins see."""
    place = IntegrationFactory(name="Payroll")
    return IntegrationKey.objects.create(
        integration=place, environment=environments.lowest(), name="salaries", prefix="chk_1234",
        digest="0" * 64, expires_at=timezone.now() + timedelta(days=9),
    )  # fmt: skip


@pytest.fixture
def of_connection(connection) -> str:
    return reverse("connection_calls", args=[connection.link_name])


@pytest.fixture
def of_integration(integration) -> str:
    return reverse("usage:calls", args=[integration.slug])


def paths(response) -> list[str]:
    return [call.path for call, _, _ in response.context["rows"]]


def open_as(client, person, url: str, **query: object):
    client.force_login(person)
    return client.get(url, query)


# --- Whose ----------------------------------------------------------------------------------------


def test_admins_of_a_connection_see_all_its_calls_without_foreign_names(
    client, ada, root, connection, key, foreign_key, of_connection
):
    called(connection, key, path="/own", flow="nightly", step="Read")
    said = {"flow": "payday", "step": "Pay", "user": "grace@example.com"}
    called(connection, foreign_key, path="/foreign", **said)

    shown = open_as(client, ada, of_connection)
    page = shown.content.decode()

    assert paths(shown) == ["/foreign", "/own"]
    assert [word in page for word in ("Payroll", *said.values())] == [False] * 4
    assert "nightly · Read" in page
    assert paths(open_as(client, ada, of_connection, flow="payday")) == []
    assert paths(open_as(client, ada, of_connection, step="Read")) == ["/own"]
    assert "payday · Pay" in open_as(client, root, of_connection).content.decode()


def test_members_of_an_integration_see_its_calls_alone(
    client, ada, integration, connection, key, foreign_key, of_integration, of_connection
):
    member = UserFactory()
    Membership.objects.create(integration=integration, user=member)
    elsewhere = connect(ada, name="Ledger", link_name="ledger")
    called(connection, key, path="/own")
    called(connection, foreign_key, path="/foreign")
    called(elsewhere, key, path="/before")

    shown = open_as(client, member, of_integration)
    seen_by_admin = open_as(client, ada, of_integration)

    assert paths(shown) == ["/before", "/own"]
    assert ("Billing" in shown.content.decode(), "Ledger" in shown.content.decode()) == (
        True,
        False,
    )
    assert "Ledger" in seen_by_admin.content.decode()
    assert open_as(client, member, of_connection).status_code == 404


# --- What is shown --------------------------------------------------------------------------------


@pytest.mark.parametrize("added_up", [True, False])
def test_overview_shows_how_long_calls_took_and_which_paths_stand_out(
    client, ada, connection, key, of_connection, added_up
):
    for number in range(1, 20):
        called(connection, key, path=f"/people/{number}", took_ms=100)
    called(connection, key, path="/people/6fa459ea-ee8a-3ca4-894e-db77e160355e", took_ms=9000)
    called(connection, key, method="POST", path="/orders", took_ms=300, status=500)
    if added_up:
        folding.fold()

    overview = open_as(client, ada, of_connection).context["overview"]
    summary = client.get(reverse("connection_latency", args=[connection.link_name]))

    assert (overview.calls, overview.failed) == (21, 1)
    assert overview.latency.p50 == pytest.approx(100, rel=0.05)
    assert overview.latency.p95 == pytest.approx(300, rel=0.05)
    assert [(p.path, p.calls) for p in overview.slowest] == [("/orders", 1), ("/people/{…}", 20)]
    assert [(p.method, p.path, p.failed) for p in overview.failing] == [("POST", "/orders", 1)]
    assert f"p50 {overview.latency.p50} ms" in summary.content.decode()


@pytest.mark.parametrize(
    ("path", "folded"),
    [
        ("/v1/people/42/notes", "/v1/people/{…}/notes"),
        ("/files/0f8fad5bd9cb469fa165", "/files/{…}"),
        ("/c/cus_NffrFeUfNV2Hib", "/c/{…}"),
        ("/organization-members/", "/organization-members/"),
        ("credentials", "credentials"),
    ],
)
def test_what_names_one_thing_of_many_is_folded(path, folded):
    assert general(path) == folded


def test_calls_are_found_by_what_they_were(client, ada, connection, key, of_connection):
    staging = Environment.objects.get(slug="staging")
    called(connection, key, path="/a", flow="nightly", step="Read")
    called(connection, key, path="/b", method="POST", status=404, problem="bad-path")
    called(connection, key, path="/c", environment=staging.pk)
    day = timezone.localdate().isoformat()

    def found(**query):
        return paths(open_as(client, ada, of_connection, **query))

    assert found(outcome="failed") == ["/b"]
    assert found(outcome="ok") == ["/c", "/a"]
    assert found(environment=staging.pk) == ["/c"]
    assert found(place=key.integration_id, method="POST") == ["/b"]
    assert found(flow="nightly", step="Read") == ["/a"]
    assert found(flow="nightly", step="Write") == []
    assert found(path="/a", day=day) == ["/a"]
    assert found(day="2026-01-01") == []
    assert found(environment="nowhere") == found(day="yesterday") == []
    assert found(day="0001-01-01") == found(day="9999-12-31") == []


def test_rare_calls_are_looked_for_a_day_at_a_time(client, ada, connection, key, of_connection):
    old = timezone.now() - timedelta(days=5)
    called(connection, key, path="/old", method="PUT", at=old.timestamp())

    newest = open_as(client, ada, of_connection, method="PUT")
    that_day = open_as(client, ada, of_connection, method="PUT", day=timezone.localdate(old))
    by_path = open_as(client, ada, of_connection, path="/old")

    assert (paths(newest), paths(that_day), paths(by_path)) == ([], ["/old"], [])
    before = timezone.localdate() - timedelta(days=2)
    assert f"?method=PUT&amp;day={before}" in newest.content.decode()
    assert "Choose the day on which to look for the path." in by_path.content.decode()
    assert paths(open_as(client, ada, of_connection)) == ["/old"]


@pytest.mark.parametrize("page", ["of_connection", "of_integration"])
def test_as_many_queries_for_three_calls_as_for_one(client, ada, connection, key, page, request):
    url = request.getfixturevalue(page)
    counted = []
    called(connection, key)
    open_as(client, ada, url)
    for _ in range(2):
        with CaptureQueriesContext(database) as queries:
            client.get(url)
        counted.append(len(queries))
        for number in range(2):
            called(connection, key, flow=f"flow-{number}")

    assert counted[0] == counted[1] <= 17


def test_pages_follow_one_another_and_fragments_hold_the_list_alone(
    client, ada, connection, key, of_integration
):
    for number in range(30):
        called(connection, key, path=f"/{number}")

    first = open_as(client, ada, of_integration)
    second = client.get(of_integration, {"before": first.context["page"].older})
    fragment = client.get(of_integration, headers={"HX-Request": "true"})

    assert paths(first) + paths(second) == [f"/{number}" for number in reversed(range(30))]
    assert "overview" not in fragment.context
    assert paths(fragment) == paths(first)
