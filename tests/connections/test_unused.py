"""Connections that nothing calls over: the filter of the listing, and the report by owner."""

from datetime import timedelta

import pytest
from django.utils import timezone

from connhub.connections.models import Connection
from connhub.sharing import roles
from connhub.usage.models import CallDay, CallTally
from tests.factories import (
    AuthMethodFactory,
    IntegrationFactory,
    UserFactory,
    connect,
    function_over,
)

pytestmark = pytest.mark.django_db
REPORT = "/connections/unused/"


@pytest.fixture
def method():
    return AuthMethodFactory()


def make(by, method, name, *, made=400, called=None, sums=CallDay) -> Connection:
    """Made and last called over so many days ago."""
    connection = connect(by, method=method, name=name, link_name=name.lower().replace(" ", "_"))
    now = timezone.now()
    Connection.objects.filter(pk=connection.pk).update(created_at=now - timedelta(days=made))
    if called is not None:
        at = now - timedelta(days=called)
        more = {"environment_id": 1} if sums is CallTally else {}
        sums.objects.create(
            connection=connection, integration=IntegrationFactory(), day=at.date(), ok=1,
            last_at=at, **more,
        )  # fmt: skip
    return connection


@pytest.fixture
def four(ada, method):
    make(ada, method, "Never called")
    make(ada, method, "Long ago", called=100)
    make(ada, method, "Lately", called=80)
    make(ada, method, "Just called", called=0, sums=CallTally)
    make(ada, method, "Young", made=80)


@pytest.mark.parametrize(
    ("days", "found"),
    [
        ("90", ["Long ago", "Never called"]),
        ("30", ["Lately", "Long ago", "Never called", "Young"]),
        ("180", ["Never called"]),
        ("7", ["Just called", "Lately", "Long ago", "Never called", "Young"]),
        ("x", ["Just called", "Lately", "Long ago", "Never called", "Young"]),
    ],
)
def test_filter_finds_what_nothing_calls_over(client, ada, four, days, found):
    client.force_login(ada)

    page = client.get("/connections/", {"unused": days})

    assert [row.connection.name for row in page.context["page"].rows] == found
    assert page.context["is_filtered"] == (days not in ("7", "x"))


def reported(page) -> list:
    return [
        (owner.name, owner.total, [(str(c), use.last_used_at is None) for c, use in rows])
        for owner, rows in page.context["owners"]
    ]


def test_report_is_of_what_the_person_sees_by_owner(client, ada, bob, root, four, method):
    made = make(bob, method, "Of Bob")
    make(bob, method, "Hidden")
    roles.grant(made, ada, by=bob)
    client.force_login(ada)
    of_ada = client.get(REPORT)
    client.force_login(root)
    of_root = client.get(REPORT)

    assert reported(of_ada) == [
        ("Ada", 2, [("Never called", True), ("Long ago", False)]),
        ("Bob", 1, [("Of Bob", True)]),
    ]
    assert [(name, total) for name, total, _ in reported(of_root)] == [("Ada", 2), ("Bob", 2)]


def test_report_leads_to_the_rest_of_an_owner(client, ada, method):
    for number in range(7):
        make(ada, method, f"Old {number}")
    client.force_login(ada)

    page = client.get(f"{REPORT}?days=180")

    assert "and 2 more" in page.text
    url = f"/connections/?unused=180&amp;owner={ada.pk}"
    assert f'href="{url}">7 unused</a>' in page.text
    assert len(client.get(url.replace("&amp;", "&")).context["page"].rows) == 7


def test_report_says_what_still_declares_to_use_it(client, ada, method):
    made = make(ada, method, "Declared")
    function_over(made)
    client.force_login(ada)

    assert f'<a class="link" href="/connections/{made.link_name}/usage/">1</a>' in (
        client.get(REPORT).text
    )


@pytest.mark.parametrize("query", ["", "?days=x", "?days=-1", "?page=x", "?page=99", "?days=\0"])
def test_nothing_unused_says_so(client, ada, method, query):
    make(ada, method, "Young", made=1)
    client.force_login(ada)

    assert "Nothing is unused" in client.get(REPORT + query).text


def test_report_makes_as_many_queries_with_3_owners_as_with_1(
    client, root, ada, method, django_assert_num_queries
):
    make(ada, method, "First")
    client.force_login(root)
    client.get(REPORT)

    with django_assert_num_queries(6):
        client.get(REPORT)
    for number in (2, 3):
        make(UserFactory(role="admin"), method, f"Other {number}")
    with django_assert_num_queries(6):
        client.get(REPORT)
