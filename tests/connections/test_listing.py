from datetime import timedelta
from unittest.mock import Mock

import pytest
from django.core.cache import cache
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django.utils.html import strip_tags

from connhub import context
from connhub.accounts.models import Environment, Role, Team
from connhub.audit.log import record
from connhub.connections import lifecycle, listing
from connhub.connections.auth.base import Granted
from connhub.connections.keeping import keep
from connhub.connections.models import Connection, Credential, Status
from connhub.paging import SIZE
from connhub.sharing import roles
from connhub.usage.models import App, CallDay, DataObject, Flow, Step
from tests.factories import (
    AuthMethodFactory,
    IntegrationFactory,
    UserFactory,
    connect,
    function_over,
)

pytestmark = pytest.mark.django_db
FRAGMENT = {"HX-Request": "true"}


@pytest.fixture
def method():
    return AuthMethodFactory()


@pytest.fixture
def signed_in(client, ada):
    client.force_login(ada)
    return client


def names(answer) -> list[str]:
    return [row.connection.name for row in answer.context["page"].rows]


def listed(client, **query) -> list[str]:
    return names(client.get("/connections/", query))


def crowd(ada, method, count: int) -> None:
    """Connections with admins, credentials, users and calls."""
    team = Team.objects.create(name="Finance")
    app = App.objects.create(slug="desk", name="Desk")
    integration = IntegrationFactory()
    flow = Flow.objects.create(slug="nightly", name="Nightly", integration=integration)
    staging = Environment.objects.get(slug="staging")
    today = timezone.localdate()
    for number in range(count):
        made = connect(ada, method=method, name=f"C{number:03}", link_name=f"c{number}")
        keep(made, Granted({"key_1": "x"}), environment=staging)
        roles.grant(made, UserFactory(), by=ada)
        roles.grant(made, team, by=ada)
        Step.objects.create(flow=flow, name=f"step {number}", kind="export", connection=made)
        DataObject.objects.create(app=app, name=f"object {number}", connection=made)
        CallDay.objects.create(day=today, connection=made, integration=integration, ok=1)


def queries_of(client, url, headers=None) -> int:
    client.get(url, headers=headers)  # what is looked up once for all is looked up by now
    with CaptureQueriesContext(database) as captured:
        assert client.get(url, headers=headers).status_code == 200
    return len(captured)


# --- As many queries however long -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "headers", "queries"),
    [
        ("/connections/", None, 17),
        ("/connections/", FRAGMENT, 10),
        ("/connections/?show=mine&q=c&status=1&environment=staging&sort=status", None, 17),
        ("/profile/connections/", None, 17),
        ("/connections/c0/", None, 19),
        ("/connections/c0/", FRAGMENT, 18),
    ],
)
@pytest.mark.parametrize("count", [1, 3, 50])
def test_as_many_queries_for_one_row_as_for_fifty(
    signed_in, ada, method, url, headers, queries, count
):
    crowd(ada, method, count)

    # What is all on one page has not to be counted.
    assert queries_of(signed_in, url, headers) <= queries


# --- Whose --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("who", "seen"),
    [("ada", ["Billing"]), ("bob", ["Billing"]), ("root", ["Billing"]), ("eve", [])],
)
def test_people_see_what_they_administer_and_super_admins_all(
    request, client, connection, who, seen
):
    client.force_login(request.getfixturevalue(who))

    assert listed(client) == seen


def test_profile_shows_super_admins_their_own_alone(client, root, ada, method):
    connect(ada, method=method, name="Theirs", link_name="theirs")
    connect(root, method=method, name="Mine", link_name="mine")
    client.force_login(root)

    assert names(client.get("/profile/connections/")) == ["Mine"]


def test_mine_and_shared(client, ada, bob, root, method):
    for number, maker in enumerate([ada, bob, bob]):
        made = connect(maker, method=method, name=f"C{number}", link_name=f"c{number}")
        if number == 1:
            roles.grant(made, ada, by=bob)
    client.force_login(ada)
    of_ada = [listed(client, show=show) for show in ("", "mine", "shared")]
    client.force_login(root)
    of_root = [listed(client, show=show) for show in ("", "mine", "shared")]

    assert of_ada == [["C0", "C1"], ["C0"], ["C1"]]
    assert of_root == [["C0", "C1", "C2"], [], []]


def test_connection_shared_with_a_team_is_seen_by_its_people_once(client, ada, eve, connection):
    team = Team.objects.create(name="Finance")
    team.user_set.add(eve)
    roles.grant(connection, team, by=ada)
    roles.grant(connection, eve, by=ada)
    client.force_login(eve)

    assert listed(client) == ["Billing"]


@pytest.mark.parametrize("who", ["ada", "bob", "eve", "root"])
def test_who_sees_very_many_finds_what_they_would_among_few(
    request, client, monkeypatch, ada, three, who
):
    Connection.objects.filter(link_name="old").update(status=Status.FAILING, tags=["old"])
    team = Team.objects.create(name="Finance")
    team.user_set.add(request.getfixturevalue("eve"))
    roles.grant(Connection.objects.get(link_name="old"), team, by=ada)
    client.force_login(request.getfixturevalue(who))
    queries = (
        {},
        {"q": "O"},
        {"tag": "old"},
        {"show": "shared"},
        {"status": 4},
        {"sort": "status"},
    )

    def found() -> list:
        pages = [client.get("/connections/", query).context for query in queries]
        return [
            (
                [row.connection.name for row in page["page"].rows],
                [row.use.may_administer for row in page["page"].rows],
                page["choices"].services,
                page["choices"].owners,
                page["attention"],
            )
            for page in pages
        ]

    among_few = found()
    monkeypatch.setattr(context, "MOST_COUNTED", 0)
    monkeypatch.setattr(listing, "MOST_COUNTED", 0)

    assert found() == among_few
    assert found() == among_few, "what is kept for some minutes is another"
    for name in ("get", "set"):
        monkeypatch.setattr(cache, name, Mock(side_effect=ConnectionError))
    assert found() == among_few, "while the cache is away it is another"


def test_what_is_remembered_for_a_super_admin_is_nothing_to_a_member(
    client, monkeypatch, root, three
):
    monkeypatch.setattr(context, "MOST_COUNTED", 0)
    monkeypatch.setattr(listing, "MOST_COUNTED", 0)
    connect(root, method=AuthMethodFactory(), name="Mine", link_name="mine")
    client.force_login(root)
    assert len(client.get("/connections/").context["choices"].owners) == 2
    root.role = Role.MEMBER
    root.save()
    client.force_login(root)

    page = client.get("/connections/").context

    assert page["choices"].owners == [(root.pk, "Root")]
    assert len(page["choices"].services) == 1


def test_deleted_connection_is_gone(signed_in, ada, connection):
    lifecycle.delete(connection, by=ada)

    assert listed(signed_in) == []


def test_row_offers_changes_to_admins_alone(client, ada, root, connection):
    actions = [
        reverse(f"connections:{name}", args=["billing"]) for name in ("edit", "revoke", "delete")
    ]
    offered = []
    for person in (ada, root):
        client.force_login(person)
        page = client.get("/connections/").content.decode()
        offered.append([f'href="{url}"' in page for url in actions])

    assert offered == [[True] * 3, [False] * 3]


# --- What a row shows -----------------------------------------------------------------------------


def row_of(client):
    return client.get("/connections/").context["page"].rows[0]


def test_row_counts_users_and_calls(signed_in, ada, connection):
    integration, other = IntegrationFactory(), IntegrationFactory()
    flow = Flow.objects.create(slug="nightly", name="Nightly", integration=integration)
    app = App.objects.create(slug="desk", name="Desk")
    for number in range(2):
        Step.objects.create(flow=flow, name=f"s{number}", kind="export", connection=connection)
        DataObject.objects.create(app=app, name=f"o{number}", connection=connection)
        function_over(connection, name=f"f{number}")
    today, now = timezone.localdate(), timezone.now()
    for day, where, ok, failed in [(0, integration, 3, 1), (0, other, 5, 0), (29, other, 7, 0)]:
        CallDay.objects.create(
            day=today - timedelta(days=day), connection=connection, integration=where,
            ok=ok, failed=failed, last_at=now - timedelta(days=day),
        )  # fmt: skip
    CallDay.objects.create(
        day=today - timedelta(days=30), connection=connection, integration=other, ok=100
    )

    row = row_of(signed_in)

    assert (row.use.data_objects, row.use.used_by, row.use.last_used_at) == (2, 3, now)
    assert row.days == [7, *[0] * 28, 9]


def test_row_of_an_unused_connection(signed_in, connection):
    row = row_of(signed_in)

    assert (row.use.data_objects, row.use.used_by, row.use.last_used_at) == (0, 0, None)
    assert row.days == [0] * 30


def test_row_shows_each_environment_by_its_own_credential_or_the_one_for_all(signed_in, connection):
    staging = Environment.objects.get(slug="staging")
    keep(connection, Granted({"key_1": "x"}), environment=staging)
    Credential.objects.filter(environment=staging).update(status=Status.FAILING)

    stages = [(str(stage.environment), stage.status) for stage in row_of(signed_in).stages]

    assert stages == [
        ("Development", Status.CONNECTED),
        ("Staging", Status.FAILING),
        ("Production", Status.CONNECTED),
    ]


def test_row_shows_the_admins_and_then_the_teams(signed_in, ada, connection):
    roles.grant(connection, Team.objects.create(name="Accounts"), by=ada)

    assert [str(admin) for admin in row_of(signed_in).admins] == ["Ada", "Bob", "Accounts"]


# --- Filters --------------------------------------------------------------------------------------


@pytest.fixture
def three(ada, method):
    """In every status and in different services and environments."""
    staging = Environment.objects.get(slug="staging")
    connect(ada, method=method, name="Billing", link_name="billing")
    connect(ada, method=AuthMethodFactory(), name="CRM", link_name="customers", environment=staging)
    revoked = connect(ada, method=method, name="archive", link_name="old")
    lifecycle.revoke(revoked, by=ada)
    return method.service


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"q": "BILL"}, ["Billing"]),
        ({"q": "custom"}, ["CRM"]),
        ({"q": "  arch  "}, ["archive"]),
        ({"q": "%"}, []),
        ({"q": "nothing"}, []),
        ({"status": Status.REVOKED.value}, ["archive"]),
        ({"status": Status.CONNECTED.value, "q": "c"}, ["CRM"]),
        ({"environment": "staging"}, ["archive", "Billing", "CRM"]),
        ({"environment": "production"}, ["archive", "Billing"]),
        ({"q": "\x00"}, ["archive", "Billing", "CRM"]),
        ({"q": "x" * 81}, ["archive", "Billing", "CRM"]),
        ({"status": "9"}, ["archive", "Billing", "CRM"]),
        ({"status": "x"}, ["archive", "Billing", "CRM"]),
        ({"environment": "nowhere"}, ["archive", "Billing", "CRM"]),
        ({"service": "nothing"}, ["archive", "Billing", "CRM"]),
        ({"show": "everything"}, ["archive", "Billing", "CRM"]),
        ({"sort": "password"}, ["archive", "Billing", "CRM"]),
        ({"sort": "name", "before": "x"}, ["archive", "Billing", "CRM"]),
        ({"sort": "status", "before": "WyJ4IiwieSJd"}, ["archive", "CRM", "Billing"]),
        ({"sort": "created", "after": "WyJ4IiwieSJd"}, ["archive", "CRM", "Billing"]),
        ({"before": "W10"}, ["archive", "Billing", "CRM"]),
    ],
)
def test_filters_and_what_makes_no_sense(signed_in, three, query, found):
    assert listed(signed_in, **query) == found


def test_filter_by_service(signed_in, three):
    assert listed(signed_in, service=three.slug) == ["archive", "Billing"]


def test_filter_by_tag(signed_in, three):
    Connection.objects.filter(link_name="billing").update(tags=["Finance", 'é "quoted"'])
    Connection.objects.filter(link_name="old").update(tags=["Finances", "old"])

    found = [listed(signed_in, tag=tag) for tag in ("Finance", 'é "quoted"', "Fin", "%", ", ")]

    assert found == [["Billing"], ["Billing"], [], [], []]


def test_filter_by_owner_and_by_an_integration_that_they_see(signed_in, ada, bob, three):
    theirs = connect(bob, method=AuthMethodFactory(), name="Theirs", link_name="theirs")
    roles.grant(theirs, ada, by=bob)
    seen, unseen = IntegrationFactory(), IntegrationFactory()
    roles.grant(seen, ada, by=ada)
    for integration in (seen, unseen):
        integration.connections.add(theirs)

    assert listed(signed_in, owner=bob.pk) == ["Theirs"]
    assert listed(signed_in, integration=seen.slug) == ["Theirs"]
    assert listed(signed_in, integration=unseen.slug) == []
    assert len(listed(signed_in, owner="x")) == 4
    assert list(signed_in.get("/connections/").context["integrations"]) == [seen]


def test_services_that_nobody_connected_to_here_are_not_offered(client, eve, three):
    client.force_login(eve)

    assert client.get("/connections/").context["choices"].services == []


# --- Sorts and pages ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("name", ["archive", "Billing", "CRM"]),
        ("status", ["archive", "CRM", "Billing"]),
        ("created", ["archive", "CRM", "Billing"]),
        ("modified", ["Billing", "archive", "CRM"]),
    ],
)
def test_sorts(signed_in, ada, three, sort, order):
    lifecycle.rename(Connection.objects.get(link_name="billing"), to="Billing", by=ada)

    assert listed(signed_in, sort=sort) == order


@pytest.mark.parametrize("sort", listing.ORDERS)
def test_pages_hold_every_connection_once_there_and_back(signed_in, ada, method, sort):
    count = 2 * SIZE + 3
    first = connect(ada, method=method, name="Same", link_name="c0")
    Connection.objects.bulk_create(
        Connection(
            name="Same", link_name=f"c{number}", service=method.service, auth_method=method,
            created_by=ada, status=1 + number % 5,
        )
        for number in range(1, count)
    )  # fmt: skip
    grant = first.user_grants.get()
    grants = type(grant).objects
    grants.bulk_create(
        type(grant)(user=ada, permission=grant.permission, content_object=made)
        for made in Connection.objects.exclude(pk=first.pk)
    )

    there, page = [], signed_in.get("/connections/", {"sort": sort}).context["page"]
    while True:
        there.append([row.connection.link_name for row in page.rows])
        if not page.older:
            break
        query = {"sort": sort, "before": page.older}
        page = signed_in.get("/connections/", query).context["page"]
    back = []
    while page.newer:
        page = signed_in.get("/connections/", {"sort": sort, "after": page.newer}).context["page"]
        back.append([row.connection.link_name for row in page.rows])

    assert [len(rows) for rows in there] == [SIZE, SIZE, 3]
    assert len({name for rows in there for name in rows}) == count
    assert back == there[-2::-1]


# --- Page and fragment ----------------------------------------------------------------------------


def test_htmx_gets_the_table_alone(signed_in, connection):
    page = signed_in.get("/connections/")
    fragment = signed_in.get("/connections/", headers=FRAGMENT)
    restored = signed_in.get(
        "/connections/", headers=FRAGMENT | {"HX-History-Restore-Request": "true"}
    )

    used = [answer.templates[0].name for answer in (page, fragment, restored)]
    assert used == ["connections/list.html", "connections/_table.html", "connections/list.html"]
    assert "HX-Request" in page.headers["Vary"]


def test_nothing_there_yet_and_nothing_that_matches(signed_in, connection, eve, client):
    nothing_matches = signed_in.get("/connections/?q=nothing").content.decode()
    client.force_login(eve)
    nothing_yet = client.get("/connections/").content.decode()

    titles = ("Nothing matches", "No connections yet")
    assert [title in nothing_matches for title in titles] == [True, False]
    assert [title in nothing_yet for title in titles] == [False, True]


def test_page_says_how_many_there_are(signed_in, three):
    answers = [
        signed_in.get("/connections/", query) for query in ({}, {"q": "b", "sort": "status"})
    ]

    assert [answer.context["page_text"] for answer in answers] == [
        "3 of 3 · sorted by name",
        "1 of 1 · sorted by status, worst first",
    ]


# --- What needs a person --------------------------------------------------------------------------


def attention(client) -> tuple[int, str]:
    found = client.get("/connections/").context["attention"]
    return (found.total, str(found.connection)) if found else (0, "")


def test_what_needs_a_person_stands_above_worst_first(signed_in, three):
    calm = attention(signed_in)
    Connection.objects.filter(link_name="billing").update(status=Status.FAILING)
    Connection.objects.filter(link_name="customers").update(status=Status.RECONNECT_NEEDED)

    page = signed_in.get("/connections/").content.decode()

    assert (calm, attention(signed_in)) == ((0, ""), (2, "CRM"))
    assert "2 connections need you." in page
    assert "?sort=status" in page


def test_one_that_needs_a_person_is_told_in_words(signed_in, ada, connection):
    staging = Environment.objects.get(slug="staging")
    keep(connection, Granted({"key_1": "x"}), environment=staging)
    Credential.objects.filter(environment=staging).update(status=Status.RECONNECT_NEEDED)
    Connection.objects.update(status=Status.RECONNECT_NEEDED)
    integration = IntegrationFactory()
    for number in range(2):
        flow = Flow.objects.create(slug=f"f{number}", name=f"F{number}", integration=integration)
        Step.objects.create(flow=flow, name="step", kind="export", connection=connection)
    record("connection.reconnect_needed", on=connection)

    page = signed_in.get("/connections/").content.decode()
    banner = page[page.index('class="banner') : page.index('class="filters"')]
    words = " ".join(strip_tags(banner[banner.index("<b>") :]).split())

    assert words.startswith(
        "1 connection needs you. Billing lost its authorization in staging just now;"
        " 2 flows are failing. Reconnect"
    )
    assert 'href="/connections/billing/reconnect/?environment=staging"' in banner


def test_one_that_is_switched_off_needs_nobody_and_says_so(signed_in, connection):
    Connection.objects.update(status=Status.FAILING, disabled_at=timezone.now())

    page = signed_in.get("/connections/")

    assert page.context["attention"] is None
    assert '<span class="pill idle">Disabled</span>' in page.content.decode()


def test_super_admins_are_not_bothered_with_what_is_not_theirs(client, root, three):
    Connection.objects.update(status=Status.FAILING)
    client.force_login(root)

    assert attention(client) == (0, "")
