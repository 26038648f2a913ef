"""Teams, and the pages where super admins look after them."""

import pytest
from django.core.exceptions import PermissionDenied

from connhub.accounts import people, teams
from connhub.accounts.models import Team
from connhub.audit.models import Event
from connhub.sharing import roles
from tests.connections.steps import actions
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture
def team(root, bob):
    made = teams.create("Data", by=root)
    teams.add_members(made, [bob], by=root)
    return made


@pytest.fixture
def signed_in(client, root):
    client.force_login(root)
    return client


@pytest.mark.parametrize(
    "page", ["", "new/", "{}/", "{}/rename/", "{}/add/", "{}/delete/", "{}/members/{}/remove/"]
)
def test_the_pages_are_for_super_admins(client, signed_in, team, ada, bob, page):
    url = f"/teams/{page}".format(team.public_id, bob.public_id)
    assert signed_in.get(url).status_code == 200

    client.force_login(ada)
    assert client.get(url).status_code == 403
    assert client.post(url).status_code in (403, 405)


def test_a_team_is_made_filled_renamed_and_deleted_on_record(signed_in, eve):
    made = signed_in.post("/teams/new/", {"name": "Ops"})
    team = Team.objects.get()
    signed_in.post(f"/teams/{team.public_id}/add/", {"who": f"person-{eve.pk}"})
    inside = list(team.user_set.all())
    signed_in.post(f"/teams/{team.public_id}/rename/", {"name": "Operations"})
    name = Team.objects.get().name
    signed_in.post(f"/teams/{team.public_id}/members/{eve.public_id}/remove/")
    left = list(team.user_set.all())
    signed_in.post(f"/teams/{team.public_id}/delete/")

    assert (made.status_code, made.url) == (303, f"/teams/{team.public_id}/")
    assert (inside, name, left) == ([eve], "Operations", [])
    assert not Team.objects.exists()
    assert actions(team) == [
        "team.created", "team.member_added", "team.renamed", "team.member_removed", "team.deleted",
    ]  # fmt: skip
    joined = Event.objects.get(action="team.member_added")
    assert (joined.sentence, joined.actor) == ("Root added Eve to the team Ops", "Root")


@pytest.mark.parametrize("name", ["", "data", "DATA", "a\0b", "a\nb", "x" * 81])
def test_a_bad_name_is_refused_beside_the_field(signed_in, team, name):
    answer = signed_in.post("/teams/new/", {"name": name})

    assert list(answer.context["form"].errors) == ["name"]
    assert Team.objects.count() == 1


def test_a_team_may_change_the_case_of_its_name(signed_in, team):
    signed_in.post(f"/teams/{team.public_id}/rename/", {"name": "DATA"})

    assert Team.objects.get().name == "DATA"


def test_only_active_people_outside_are_offered(signed_in, team, ada):
    UserFactory(name="Gone", is_active=False)

    response = signed_in.get(f"/teams/{team.public_id}/add/")

    assert [str(each.admin) for each in response.context["form"].found] == ["Ada", "Root"]


def test_who_leaves_the_team_loses_what_it_had_at_once(
    client, signed_in, team, connection, ada, eve, root
):
    teams.add_members(team, [eve], by=root)
    roles.grant(connection, team, by=ada)
    assert roles.is_admin(eve, connection)

    signed_in.post(f"/teams/{team.public_id}/members/{eve.public_id}/remove/", headers=HTMX)

    client.force_login(eve)
    assert client.get("/connections/billing/", headers=HTMX).status_code == 404


def test_the_page_shows_what_is_shared_with_it(signed_in, team, connection, ada):
    roles.grant(connection, team, by=ada)

    fragment = signed_in.get(f"/teams/{team.public_id}/shared/", headers=HTMX).content.decode()

    assert 'href="/connections/billing/"' in fragment
    assert (
        f'hx-get="/teams/{team.public_id}/shared/"'
        in signed_in.get(f"/teams/{team.public_id}/").content.decode()
    )


def test_many_teams_take_no_more_queries_than_few(
    signed_in, bob, root, django_assert_max_num_queries
):
    for n in range(60):
        Team.objects.create(name=f"Team {n:02}").user_set.add(bob)

    with django_assert_max_num_queries(4):
        response = signed_in.get("/teams/", headers=HTMX)

    assert len(response.context["page"].rows) == 50


def test_who_is_put_into_a_team_is_told_unless_they_would_rather_not(
    mailbox, team, bob, eve, ada, root
):
    people.prefer_letters(ada, unwanted=["shared"], by=ada)

    teams.add_members(team, [eve, ada, root], by=root)
    teams.add_members(team, [eve], by=root)

    letters = {letter["to"]: letter for letter in mailbox.collect()}
    assert set(letters) == {bob.email, eve.email}
    assert letters[eve.email]["subject"] == f"Root put you into the team {team}"
    assert "/profile/access/" in letters[eve.email].get_content()


def test_who_stays_outside_is_not_told(mailbox, team, eve, ada):
    mailbox.collect()  # of who is in it

    with pytest.raises(PermissionDenied):
        teams.add_members(team, [eve], by=ada)

    assert mailbox.collect() == []
