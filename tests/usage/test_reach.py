"""Who can use this, and why; and what a person reaches."""

import re
from itertools import pairwise

import pytest
from django.urls import reverse

from connhub.accounts import environments
from connhub.accounts.models import Team, User
from connhub.connections.models import Connection
from connhub.sharing import roles
from connhub.usage import flows, keys, projects, registration
from connhub.usage.models import Integration, IntegrationKey, Membership
from connhub.usage.reach.drawing import BOX, ROW
from tests.factories import IntegrationFactory, UserFactory, connect

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true"}
ACCESS = "/connections/billing/access/"


@pytest.fixture
def team(ada):
    made = Team.objects.create(name="Data")
    made.user_set.add(UserFactory(name="Dan"), UserFactory(name="Gone", is_active=False))
    return made


@pytest.fixture
def registered(connection, integration, ada) -> Integration:
    registration.register(integration, [connection], by=ada)
    return integration


def paths(response) -> dict[str, list[str]]:
    """What the page says of each, by name."""
    return {
        str(row.subject): [
            " ".join(filter(None, [path.how, str(path.integration or ""), str(path.team or "")]))
            for path in row.paths
        ]
        for row in response.context["page"].rows
    }


# --- A connection's page ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("who", "status"), [("ada", 200), ("bob", 200), ("root", 200), ("eve", 404)]
)
def test_page_shows_to_whoever_sees_the_connection(client, request, connection, who, status):
    client.force_login(request.getfixturevalue(who))

    assert client.get(ACCESS).status_code == status


def test_member_uses_it_but_does_not_read_who_else_does(client, registered, eve, ada):
    projects.add_member(registered, eve, by=ada)
    client.force_login(eve)

    assert client.get(ACCESS).status_code == 404


def test_people_have_their_paths(client, ada, bob, eve, root, connection, registered, team):
    roles.grant(connection, team, by=ada)
    roles.grant(registered, team, by=ada)
    projects.add_member(registered, eve, by=ada)
    client.force_login(root)

    assert paths(client.get(ACCESS)) == {
        "Ada": ["Creator and admin", "Admin of Order to cash"],
        "Bob": ["Admin"],
        "Dan": ["Admin Data", "Admin of Order to cash Data"],
        "Eve": ["Member of Order to cash"],
        "Root": ["Super admin: sees it"],
    }


def test_many_paths_are_folded(client, ada, eve, connection):
    for number in range(5):
        made = IntegrationFactory(name=f"Integration {number}")
        roles.grant(made, ada, by=ada)
        registration.register(made, [connection], by=ada)
        projects.add_member(made, eve, by=ada)
    client.force_login(ada)

    page = client.get(f"{ACCESS}?q=eve")

    assert [(len(row.paths), row.more) for row in page.context["page"].rows] == [(3, 2)]
    assert "and through 2 more" in page.text


def test_key_is_listed_with_why_and_whether_it_fetches_the_secret(
    client, ada, connection, registered
):
    keys.issue(registered, environments.lowest(), name="nightly", by=ada)
    client.force_login(ada)

    (row,) = client.get(f"{ACCESS}?kind=keys").context["page"].rows
    Connection.objects.update(access_mode="credentials")
    (fetching,) = client.get(f"{ACCESS}?kind=keys").context["page"].rows

    assert (row.paths[0].how, str(row.may)) == ("Registered by hand", "Use")
    assert str(fetching.may) == "Use, fetch the secret"


def test_key_of_a_flow_that_still_uses_it_is_listed_after_deregistration(
    client, ada, connection, registered
):
    key, _ = keys.issue(registered, environments.lowest(), name="nightly", by=ada)
    flows.declare(
        "f", name="F", steps=[flows.DeclaredStep("s", "export", "billing")], by=key
    )  # fmt: skip
    registration.deregister(registered, connection, by=ada)
    client.force_login(ada)

    page = client.get(f"{ACCESS}?kind=keys")

    assert paths(page) == {
        str(key): ["Not registered, a saved flow, app or function still uses it"]
    }
    assert "in use, not registered" in page.text


def test_disabled_connection_says_that_calls_fail(client, ada, connection, registered):
    keys.issue(registered, environments.lowest(), name="nightly", by=ada)
    connection.disabled_at = connection.created_at
    connection.save()
    client.force_login(ada)

    assert "Calls fail: This connection is disabled." in client.get(f"{ACCESS}?kind=keys").text


def test_what_the_reader_may_not_see_is_counted(client, ada, bob, eve, connection, registered):
    keys.issue(registered, environments.lowest(), name="nightly", by=ada)
    projects.add_member(registered, eve, by=ada)
    client.force_login(bob)

    page = client.get(ACCESS)

    assert page.context["hidden"] == [("people", 1), ("integrations", 1), ("keys", 1)]
    assert set(paths(page)) == {"Ada", "Bob"}
    assert "Eve" not in page.text
    assert "Order to cash" not in page.text
    assert paths(page)["Ada"] == ["Creator and admin", "Through an integration that you cannot see"]


@pytest.mark.parametrize(
    ("asked", "found"), [("ad", {"Ada"}), ("ACME", {"Ada", "Bob"}), ("\0", {"Ada", "Bob"})]
)
def test_people_are_found_by_name_and_address(client, ada, connection, asked, found):
    client.force_login(ada)

    assert set(paths(client.get(ACCESS, {"q": asked}, headers=HTMX))) == found


@pytest.mark.parametrize(
    "nonsense", ["?kind=nonsense", "?before=xx", "?after=W10", "?q=" + "x" * 999]
)
def test_nonsense_is_answered_like_nothing(client, ada, connection, nonsense):
    client.force_login(ada)

    assert client.get(ACCESS + nonsense).status_code == 200


# --- The picture ----------------------------------------------------------------------------------


def test_picture_folds_what_is_many_and_says_it_in_words(client, ada, connection, registered):
    for number in range(40):
        projects.add_member(registered, UserFactory(name=f"Person {number:02}"), by=ada)
    client.force_login(ada)

    page = client.get(ACCESS)
    picture = page.context["picture"]

    folded = [node for node in picture.nodes if node.tone == "folded"]
    assert [(n.title, n.note) for n in folded] == [("and 39 more", "people of Order to cash")]
    assert "and 39 more (people of Order to cash) through Order to cash" in page.text
    assert len(picture.nodes) < 10


def test_boxes_of_the_picture_do_not_overlap(client, ada, root, connection, team):
    roles.grant(connection, team, by=ada)
    for number in range(8):
        made = IntegrationFactory(name=f"Integration {number}")
        roles.grant(made, ada, by=ada)
        registration.register(made, [connection], by=ada)
        for environment in environments.Environment.objects.all():
            keys.issue(made, environment, name="nightly", by=ada)
    client.force_login(root)

    picture = client.get(ACCESS).context["picture"]
    places = {(node.x, node.y) for node in picture.nodes}

    assert len(places) == len(picture.nodes)
    assert "and 3 more" in [node.title for node in picture.nodes]
    columns = {x: sorted(y for left, y in places if left == x) for x, _ in places}
    for rows in columns.values():
        assert all(below - above >= ROW for above, below in pairwise(rows))
        assert rows[0] >= 0
        assert rows[-1] + BOX[1] <= picture.height


# --- A person's page ------------------------------------------------------------------------------


def test_own_page_lists_connections_integrations_and_keys(client, ada, eve, connection, registered):
    connect(ada, name="Other", link_name="other")
    projects.add_member(registered, eve, by=ada)
    key, _ = keys.issue(registered, environments.lowest(), name="nightly", by=ada)
    client.force_login(eve)
    of_eve = client.get("/profile/access/")
    client.force_login(ada)
    of_ada = client.get("/profile/access/?kind=keys")

    assert paths(of_eve) == {"Billing": ["Registered with Order to cash"]}
    assert [str(row.may) for row in of_eve.context["page"].rows] == ["Use"]
    assert "/connections/billing/" not in of_eve.text
    assert [row.subject for row in of_ada.context["page"].rows] == [key]


def test_key_outlives_its_issuers_access_and_hides_where(client, ada, bob, registered):
    roles.grant(registered, bob, by=ada)
    keys.issue(registered, environments.lowest(), name="nightly", by=bob)
    registered.user_grants.filter(user=bob).delete()
    client.force_login(bob)

    page = client.get("/profile/access/?kind=keys")

    assert "nightly" in page.text
    assert "Order to cash" not in page.text


@pytest.mark.parametrize(("who", "status"), [("root", 200), ("ada", 403), ("bob", 403)])
def test_what_others_reach_is_for_super_admins(client, request, bob, connection, who, status):
    client.force_login(request.getfixturevalue(who))

    assert client.get(reverse("person_access", args=[bob.public_id])).status_code == status


def test_nobody_of_that_number_is_not_found(client, root):
    client.force_login(root)

    assert client.get("/people/00000000-0000-0000-0000-000000000000/access/").status_code == 404


def test_somebody_deactivated_reaches_nothing_but_their_keys_work(
    client, root, ada, connection, registered
):
    keys.issue(registered, environments.lowest(), name="nightly", by=ada)
    User.objects.filter(pk=ada.pk).update(is_active=False)
    client.force_login(root)

    page = client.get(reverse("person_access", args=[ada.public_id]))

    assert page.context["kinds"] == [
        ("connections", "Connections", 0), ("integrations", "Integrations", 0),
        ("keys", "Keys issued", 1),
    ]  # fmt: skip


@pytest.fixture
def everywhere(ada, eve, team) -> User:
    """Eve: admin of 6 connections, in 7 teams and 8 integrations, all with 6 more to use."""
    made = [connect(ada, name=f"Connection {n}", link_name=f"connection_{n}") for n in range(12)]
    teams = [team, *(Team.objects.create(name=f"Team {n}") for n in range(6))]
    eve.groups.set(teams)
    places = [IntegrationFactory(name=f"Integration {n}") for n in range(8)]
    for number, place in enumerate(places):
        roles.grant(place, ada, by=ada)
        registration.register(place, made[6:], by=ada)
        projects.add_member(place, eve, by=ada)
        roles.grant(place, teams[number % 7], by=ada)
    for granted in made[:6]:
        for who in (eve, *teams):
            roles.grant(granted, who, by=ada)
    return eve


def test_picture_of_a_person_folds_what_is_many_and_says_it_in_words(client, root, everywhere):
    client.force_login(root)

    page = client.get(reverse("person_access", args=[everywhere.public_id]))

    direct, *of_teams, more_teams = page.context["picture"].bands[:5]
    *places, more_places = page.context["picture"].bands[5:]
    assert [node.title for node in direct.right] == ["Connection 0", "Connection 1", "and 4 more"]
    assert [node.title for band in of_teams for node in band.left] == ["Data", "Team 0", "Team 1"]
    assert (more_teams.left[0].title, more_places.middle.title) == ("and 4 more", "and 5 more")
    assert [(band.left[0].title, band.left[1].note) for band in places] == [
        (name, "member") for name in ("Data", "Team 0", "Team 1")
    ]
    assert "Connection 0 (admin), Connection 1 (admin), and 4 more (connections)" in page.text
    assert (
        "Data (team · admin), Directly (member) of Integration 0 (integration) with Connection 10 "
        "(registered), Connection 11 (registered), and 4 more (connections)"
    ) in page.text


def test_boxes_of_a_persons_picture_stand_apart_and_lines_end_at_them(client, root, everywhere):
    client.force_login(root)

    picture = client.get(reverse("person_access", args=[everywhere.public_id])).context["picture"]

    places = {(node.x, node.y) for node in picture.nodes}
    assert len(places) == len(picture.nodes)
    assert picture.hub.x == min(x for x, _ in places)
    ends = {
        tuple(map(int, re.findall(r"C.* (\d+) ?H(\d+)", line.path)[0])) for line in picture.lines
    }
    assert {(x, y + BOX[1] // 2) for x, y in places if x > picture.hub.x} == {
        (x, y) for y, x in ends
    }


@pytest.mark.parametrize("kind", ["connections", "integrations"])
def test_many_of_all_take_few_queries(
    client, root, everywhere, kind, django_assert_max_num_queries
):
    client.force_login(root)
    url = reverse("person_access", args=[everywhere.public_id])

    with django_assert_max_num_queries(26):
        client.get(f"{url}?kind={kind}")


def test_a_super_admin_sees_the_rest_and_somebody_new_has_no_picture(
    client, root, ada, eve, connection
):
    client.force_login(root)

    picture = client.get("/profile/access/").context["picture"]
    (band,) = picture.bands
    of_eve = client.get(reverse("person_access", args=[eve.public_id]))

    assert [(node.title, node.note) for node in band.right] == [
        ("1 connection", "super admin: sees them")
    ]
    assert not band.is_open
    assert (picture.columns, picture.width) == (2, 460)
    assert '<svg class="graph' not in of_eve.text


# --- Many -----------------------------------------------------------------------------------------


@pytest.fixture
def crowded(ada, connection, registered) -> Integration:
    """1,000 members, 500 keys."""
    people = User.objects.bulk_create(
        User(name=f"Person {n:04}", email=f"many{n}@acme.example", password="!")
        for n in range(1000)
    )
    Membership.objects.bulk_create(Membership(integration=registered, user=p) for p in people)
    key, _ = keys.issue(registered, environments.lowest(), name="key", by=ada)
    IntegrationKey.objects.bulk_create(
        IntegrationKey(
            integration=registered, environment=key.environment, name=f"key {n}", prefix="chk_many",
            digest=str(n), issued_by=ada, expires_at=key.expires_at,
        )
        for n in range(499)
    )  # fmt: skip
    return registered


@pytest.mark.parametrize("kind", ["people", "teams", "integrations", "keys"])
@pytest.mark.parametrize("who", ["ada", "root"])
def test_crowd_takes_few_queries(
    client, request, crowded, who, kind, django_assert_max_num_queries
):
    client.force_login(request.getfixturevalue(who))

    with django_assert_max_num_queries(48):
        page = client.get(f"{ACCESS}?kind={kind}")
    with django_assert_max_num_queries(16):
        client.get(f"{ACCESS}?kind={kind}", headers=HTMX)

    assert {(name, count) for name, _, count in page.context["kinds"]} >= {
        ("people", 1002 + (who == "root")), ("keys", 500),
    }  # fmt: skip
    assert len(page.content) < 60_000


def test_every_key_is_on_one_page_though_their_names_are_alike(client, ada, crowded):
    client.force_login(ada)
    found, query = [], "kind=keys"
    while query:
        page = client.get(f"{ACCESS}?{query}", headers=HTMX).context["page"]
        found += [row.subject.pk for row in page.rows]
        query = page.older and f"kind=keys&before={page.older}"

    assert len(found) == len(set(found)) == 500


@pytest.mark.parametrize("kind", ["connections", "integrations", "keys"])
def test_what_a_person_reaches_takes_few_queries(
    client, ada, crowded, kind, django_assert_max_num_queries
):
    for number in range(20):
        connect(ada, name=f"Connection {number}", link_name=f"connection_{number}")
    client.force_login(ada)

    with django_assert_max_num_queries(20):
        client.get(f"/profile/access/?kind={kind}")
