"""Whoever leaves the account or a team leaves nothing without an active admin."""

import pytest

from connhub.accounts import people, teams
from connhub.accounts.models import Team
from connhub.connections import lifecycle
from connhub.sharing import admins, roles
from tests.factories import UserFactory, connect

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture
def of_team(connection, team, ada, bob):
    """The connection, administered by the team alone."""
    admins.add(connection, [team], by=ada)
    for person in (bob, ada):
        admins.remove(connection, person, by=person)
    return connection


@pytest.mark.parametrize("end", [people.deactivate, people.delete])
def test_an_account_ends_where_others_administer_all_that_it_does(connection, ada, root, end):
    end(ada, by=root)

    assert [str(admin) for admin in roles.admins(connection)] == ["Bob"]


@pytest.mark.parametrize("end", [people.deactivate, people.delete])
def test_the_account_of_an_only_admin_stays_and_the_list_says_why(connection, ada, bob, root, end):
    mine = connect(ada, name="Mine", link_name="mine")
    roles.grant(mine.service, ada, by=ada)
    lifecycle.delete(connect(ada, name="Deleted", link_name="deleted_one"), by=ada)

    with pytest.raises(admins.LastAdmin) as refusal:
        end(ada, by=root)

    assert set(refusal.value.links) == {
        ("Mine", "/connections/mine/share/"),
        (str(mine.service), f"/services/{mine.service.slug}/share/"),
    }
    assert "Ada is the only active admin" in refusal.value.text
    ada.refresh_from_db()
    assert ada.is_active


def test_somebody_deactivated_or_an_empty_team_is_no_other_admin(connection, ada, bob, root):
    people.deactivate(bob, by=root)
    roles.grant(connection, Team.objects.create(name="Empty"), by=ada)

    with pytest.raises(admins.LastAdmin):
        people.deactivate(ada, by=root)


def test_a_long_list_is_cut_and_counted(ada, root, django_assert_max_num_queries):
    for n in range(12):
        connect(ada, name=f"Number {n:02}", link_name=f"number_{n}")

    with pytest.raises(admins.LastAdmin) as refusal, django_assert_max_num_queries(12):
        people.deactivate(ada, by=root)

    assert len(refusal.value.links) == 10
    assert "Of 12, the first 10:" in refusal.value.text


def test_the_account_of_an_integrations_only_admin_stays(integration, ada, bob, root):
    with pytest.raises(admins.LastAdmin) as refusal:
        people.deactivate(ada, by=root)
    admins.add(integration, [bob], by=ada)
    people.deactivate(ada, by=root)

    assert refusal.value.links == [("Order to cash", "/integrations/order-to-cash/share/")]
    assert list(roles.admins(integration)) == [bob]


def test_the_last_of_a_team_that_administers_alone_stays_in_it(of_team, team, eve, root):
    sam = UserFactory()
    teams.add_members(team, [sam], by=root)
    teams.remove_member(team, sam, by=root)

    with pytest.raises(admins.LastAdmin) as refusal:
        teams.remove_member(team, eve, by=root)

    assert refusal.value.links == [("Billing", "/connections/billing/share/")]
    assert list(team.user_set.all()) == [eve]


def test_the_only_active_person_of_such_a_team_stays_active(of_team, team, eve, root):
    team.user_set.add(UserFactory(is_active=False))

    with pytest.raises(admins.LastAdmin):
        people.deactivate(eve, by=root)


def test_such_a_team_stays_and_the_page_lists_why(client, of_team, team, root, eve):
    client.force_login(root)

    answer = client.post(f"/teams/{team.public_id}/delete/", headers=HTMX)

    assert answer.status_code == 409
    assert "/connections/billing/share/" in answer.content.decode()
    assert list(Team.objects.get(pk=team.pk).user_set.all()) == [eve]


def test_with_another_admin_the_team_goes_and_its_people_see_nothing(
    client, of_team, team, root, eve
):
    client.force_login(eve)
    assert client.get("/connections/billing/").status_code == 200
    admins.share_to_self(of_team, by=root)

    teams.delete(team, by=root)

    assert client.get("/connections/billing/", headers=HTMX).status_code == 404
    again = Team.objects.create(name="Data")
    again.user_set.add(eve)
    assert client.get("/connections/billing/").status_code == 404
