import pytest
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType

from connhub.accounts.models import User
from connhub.connections.models import Connection, ConnectionTeamGrant, ConnectionUserGrant
from connhub.sharing import roles
from connhub.sharing.kinds import kinds
from tests.factories import UserFactory, connect

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("who", "is_admin"), [("ada", True), ("bob", True), ("eve", False), ("root", False)]
)
def test_admins_are_those_it_is_shared_with_and_nobody_by_role_alone(
    request, connection, who, is_admin
):
    person = request.getfixturevalue(who)

    assert roles.is_admin(person, connection) == is_admin
    assert roles.administered(person, Connection).filter(pk=connection.pk).exists() == is_admin


def test_a_role_on_one_object_is_none_on_another(connection, integration, bob, ada):
    other = connect(ada, name="Other", link_name="other")

    assert list(roles.administered(bob, Connection)) == [connection]
    assert not roles.is_admin(bob, other)
    assert not roles.is_admin(bob, integration)


def test_a_team_passes_its_role_on_to_its_members(connection, team, ada, eve):
    roles.grant(connection, team, by=ada)

    assert roles.is_admin(eve, connection)
    eve.groups.remove(team)
    assert not roles.is_admin(eve, connection)


def test_a_group_object_is_a_team_too(connection, team, ada, eve):
    roles.grant(connection, Group.objects.get(pk=team.pk), by=ada)

    assert roles.is_admin(eve, connection)


def test_admins_are_listed_once_however_they_became_one(connection, team, ada, bob, eve):
    bob.groups.add(team)
    roles.grant(connection, team, by=ada)

    assert sorted(roles.admins(connection).values_list("name", flat=True)) == ["Ada", "Bob", "Eve"]


def test_somebody_deactivated_is_admin_of_nothing(connection, bob):
    bob.is_active = False
    bob.save()

    assert not roles.is_admin(bob, connection)
    assert list(roles.admins(connection)) == [User.objects.get(name="Ada")]


def test_a_grant_says_since_when_and_by_whom(connection, ada, bob):
    grant = ConnectionUserGrant.objects.get(user=bob)

    assert grant.granted_by == ada
    assert grant.granted_at >= connection.created_at


def test_a_second_grant_changes_nothing(connection, ada, bob, root):
    before = list(ConnectionUserGrant.objects.values())

    assert roles.grant(connection, bob, by=root) is False
    assert list(ConnectionUserGrant.objects.values()) == before


def test_a_grant_is_new_for_a_person_and_for_a_team(connection, team, eve, ada):
    assert roles.grant(connection, eve, by=ada) is True
    assert roles.grant(connection, team, by=ada) is True


def test_grants_go_with_the_object_and_with_the_person(connection, team, ada):
    gone = UserFactory()
    roles.grant(connection, gone, by=ada)
    roles.grant(connection, team, by=ada)

    gone.delete()
    assert ConnectionUserGrant.objects.count() == 2
    connection.delete()
    assert not ConnectionUserGrant.objects.exists()
    assert not ConnectionTeamGrant.objects.exists()


def test_a_permission_on_the_whole_model_makes_nobody_admin(connection, eve, team):
    kind = ContentType.objects.get_for_model(Connection)
    permission = kind.permission_set.get(codename="administer_connection")
    eve.user_permissions.add(permission)
    team.permissions.add(permission)

    assert not roles.is_admin(eve, connection)
    assert list(roles.administered(eve, Connection)) == []
    assert eve not in roles.admins(connection)


@pytest.mark.parametrize("kind", kinds.values(), ids=lambda kind: kind.name)
def test_each_kind_of_object_has_one_permission_which_every_grant_of_it_gives(db, kind):
    allowed = Permission.objects.filter(
        content_type=ContentType.objects.get_for_model(kind.model)
    ).values_list("codename", flat=True)

    assert list(allowed) == [roles.permission(kind.model)] == [f"administer_{kind.name}"]
