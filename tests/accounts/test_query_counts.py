"""How many queries each operation takes on people, teams, invitations and environments."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from connhub.accounts import environments, invitations, people, teams
from connhub.accounts.models import Environment, Invitation, Role, Team, User
from connhub.connections import login_users
from connhub.connections.models import Connection
from connhub.sharing import roles
from connhub.sharing.kinds import kinds

from ..factories import connect
from ..query_counts import MOST, few_queries, operations


@dataclass
class Scene:
    """An account of a super admin and two others; eve is in a team, which shares a connection."""

    ada: User
    eve: User
    root: User
    team: Team
    personal: Connection
    highest: Environment

    def rename_a_person(self):
        people.rename(self.ada, to="Ada L.", by=self.ada)

    def change_a_password(self):
        people.change_password(self.ada, to="another good password", by=self.ada)

    def give_a_role(self):
        people.change_role(self.eve, to=Role.ADMIN, by=self.root)

    def make_a_super_admin(self):
        people.change_role(self.eve, to=Role.SUPER_ADMIN, by=self.root)

    def deactivate(self):
        people.deactivate(self.eve, by=self.root)

    def deactivate_one_of_two_super_admins(self):
        people.deactivate(self.eve, by=self.root)

    def deactivate_one_who_signed_in_to_a_connection(self):
        people.deactivate(self.ada, by=self.root)

    def reactivate(self):
        people.reactivate(self.eve, by=self.root)

    def delete_a_person(self):
        people.delete(self.eve, by=self.root)

    def invite(self):
        invitations.invite("new@acme.example", role=Role.MEMBER, by=self.root)

    def invite_again(self):
        invitations.send_again(Invitation.objects.get(), by=self.root)

    def withdraw_an_invitation(self):
        invitations.withdraw(Invitation.objects.get(), by=self.root)

    def accept_an_invitation(self):
        invitations.accept(Invitation.objects.get(), name="New", password="a good password")

    def make_a_team(self):
        teams.create("Sales", by=self.root)

    def rename_a_team(self):
        teams.rename(self.team, to="Analytics", by=self.root)

    def add_members_to_a_team(self):
        teams.add_members(self.team, [self.ada, self.root], by=self.root)

    def remove_a_member_of_a_team(self):
        teams.remove_member(self.team, self.eve, by=self.root)

    def delete_a_team(self):
        teams.delete(self.team, by=self.root)

    def add_an_environment(self):
        environments.add(name="Test", short="tst", by=self.root)

    def rename_an_environment(self):
        environments.rename(self.highest, to="Live", short="live", by=self.root)

    def move_an_environment(self):
        environments.move(self.highest, up=True, by=self.root)

    def remove_an_environment(self):
        environments.remove(self.highest, by=self.root)

    def _sign_in(self):
        login_users.sign_in(self.personal, {"key_1": "ada's own"}, by=self.ada)


BEFORE = {
    Scene.reactivate: [Scene.deactivate],
    Scene.invite_again: [Scene.invite],
    Scene.withdraw_an_invitation: [Scene.invite],
    Scene.accept_an_invitation: [Scene.invite],
    Scene.deactivate_one_of_two_super_admins: [Scene.make_a_super_admin],
    Scene.deactivate_one_who_signed_in_to_a_connection: [Scene._sign_in],
}
# Whether there are admin tokens to end is one query more. A sign-in that ends is taken away and put on record too. What is deleted has to be looked for in
# every table that points at it: for a team and for an environment there are seven of these, for a
# person over thirty.
MORE = {
    Scene.deactivate: 12,
    Scene.deactivate_one_of_two_super_admins: 12,
    Scene.deactivate_one_who_signed_in_to_a_connection: 16,
    Scene.delete_a_team: 16,
    Scene.remove_an_environment: 13,
    Scene.delete_a_person: 50,
}


@pytest.fixture
def scene(connection, ada, bob, eve, root):
    team = Team.objects.create(name="Data")
    team.user_set.add(eve)
    roles.grant(connection, team, by=ada)
    method = connection.auth_method
    personal = connect(ada, method=method, link_name="personal", secrets={}, login_user=True)
    roles.grant(personal, bob, by=ada)
    for kind in kinds.values():
        roles.user_grants(kind.model)  # looks up the permission, once for all
    return Scene(ada, eve, root, team, personal, Environment.objects.order_by("position").last())


@pytest.mark.parametrize("operation", operations(Scene), ids=lambda operation: operation.__name__)
def test_an_operation_takes_few_queries(scene, operation: Callable[[Scene], None]):
    for step in BEFORE.get(operation, ()):
        step(scene)

    few_queries(lambda: operation(scene), MORE.get(operation, MOST))
