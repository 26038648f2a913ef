"""How many queries each operation takes on who administers a connection."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from connhub.accounts.models import Team, User
from connhub.connections.models import Connection
from connhub.sharing import admins, roles
from connhub.sharing.transferring import transfer

from ..query_counts import MOST, few_queries, operations


@dataclass
class Scene:
    """A connection of ada's and bob's, and who else could administer it."""

    connection: Connection
    ada: User
    bob: User
    eve: User
    root: User
    team: Team

    def share_with_a_person(self):
        admins.add(self.connection, [self.eve], by=self.ada)

    def share_with_a_team(self):
        admins.add(self.connection, [self.team], by=self.ada)

    def share_with_several(self):
        admins.add(self.connection, [self.eve, self.root, self.team], by=self.ada)

    def remove_a_person(self):
        admins.remove(self.connection, self.bob, by=self.ada)

    def remove_a_team(self):
        admins.remove(self.connection, self.team, by=self.ada)

    def share_to_self(self):
        admins.share_to_self(self.connection, by=self.root)

    def undo_share_to_self(self):
        admins.undo_share_to_self(self.connection, by=self.root)

    def transfer(self):
        things = Connection.objects.filter(pk=self.connection.pk)
        transfer(things, person=self.ada, to=[self.eve], by=self.root)


BEFORE = {
    Scene.remove_a_team: [Scene.share_with_a_team],
    Scene.undo_share_to_self: [Scene.share_to_self],
}
# People and teams are looked up in one table each, and granted it in one table each.
MORE = {Scene.share_with_several: 13}


@pytest.fixture
def scene(connection, ada, bob, eve, root, team):
    roles.user_grants(Connection)  # looks up the permission, once for all
    return Scene(connection, ada, bob, eve, root, team)


@pytest.mark.parametrize("operation", operations(Scene), ids=lambda operation: operation.__name__)
def test_an_operation_takes_few_queries(scene, operation: Callable[[Scene], None]):
    for step in BEFORE.get(operation, ()):
        step(scene)

    few_queries(lambda: operation(scene), MORE.get(operation, MOST))
