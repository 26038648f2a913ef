"""Whoever is deactivated or demoted while an operation of theirs runs finishes nothing."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from django.core.exceptions import PermissionDenied

from connhub.accounts import account, environments, invitations, people, resets, teams
from connhub.accounts.models import Environment, Invitation, Role, Team, User
from connhub.audit.models import Event
from connhub.connections import (
    creating,
    duplicating,
    editing,
    lifecycle,
    login_users,
    own_settings,
    reauthorizing,
    restoring,
    rotation,
    tagging,
)
from connhub.connections.connect_links import making
from connhub.connections.lifecycle import Details
from connhub.connections.models import Connection, ConnectLink, Credential
from connhub.services import custom, oauth_apps
from connhub.services.models import OAuthApp, Service
from connhub.sharing import admins, transferring
from connhub.usage import availability, keys, projects, registration, replacing
from connhub.usage.availability import Audience
from connhub.usage.models import Integration, IntegrationKey

from .factories import UserFactory, connect
from .services.test_custom import definition

pytestmark = pytest.mark.django_db
SECRETS = {"key_1": "another-secret"}


@dataclass
class Scene:
    """What ada administers, and root looks after; as it was when they began."""

    connection: Connection
    other: Connection
    deleted: Connection
    link: ConnectLink
    service: Service
    app: OAuthApp
    integration: Integration
    key: IntegrationKey
    team: Team
    invitation: Invitation
    production: Environment
    bob: User
    eve: User


@pytest.fixture
def scene(connection, ada, bob, eve, root, integration) -> Scene:
    production = Environment.objects.get(slug="production")
    other, deleted = (
        connect(ada, method=connection.auth_method, link_name=name) for name in ("other", "gone")
    )
    lifecycle.delete(deleted, by=ada)
    service = custom.create(definition(), slug="acme", by=ada)
    registration.register(integration, [connection], by=ada)
    projects.add_member(integration, bob, by=ada)
    team = teams.create("Finance", by=root)
    teams.add_members(team, [bob], by=root)
    invitations.invite("new@acme.example", role=Role.MEMBER, by=root)
    return Scene(
        connection=connection,
        other=other,
        deleted=deleted,
        link=making.make(connection, by=ada)[0],
        service=service,
        app=OAuthApp.objects.create(service=service, client_id="shared", shared=True),
        integration=integration,
        key=keys.issue(integration, production, name="nightly", by=ada)[0],
        team=team,
        invitation=Invitation.objects.get(),
        production=production,
        bob=bob,
        eve=eve,
    )


Act = Callable[[Scene, User], object]

IN_PRODUCTION: dict[str, Act] = {
    "connections.create": lambda s, by: connect(
        by, method=s.connection.auth_method, link_name="made", environment=s.production
    ),
    "connections.create_in_parts": lambda s, by: creating.create(
        s.connection.auth_method,
        Details("Made", secrets=SECRETS),
        link_name="made",
        owns=[creating.Own(s.production, secrets=SECRETS)],
        by=by,
        settle=lambda made: None,
    ),
    "connections.reconnect": lambda s, by: editing.reconnect(
        s.connection, SECRETS, environment=s.production, by=by
    ),
    "connections.give_own_settings": lambda s, by: own_settings.give(
        s.connection, s.production, parameters={}, secrets=SECRETS, by=by
    ),
    "connections.make_link": lambda s, by: making.make(
        s.connection, environment=s.production, by=by
    ),
    "services.create": lambda s, by: custom.create(definition(name="Second"), slug="2nd", by=by),
    "integrations.create": lambda s, by: projects.create("Made", slug="made", project="P", by=by),
    "keys.issue": lambda s, by: keys.issue(s.integration, s.production, name="new", by=by),
}
ADAS: dict[str, Act] = IN_PRODUCTION | {
    "connections.rename": lambda s, by: lifecycle.rename(s.connection, to="Mine", by=by),
    "connections.disable": lambda s, by: lifecycle.set_disabled(s.connection, True, by=by),
    "connections.revoke": lambda s, by: lifecycle.revoke(s.connection, by=by),
    "connections.delete": lambda s, by: lifecycle.delete(s.other, by=by),
    "connections.restore": lambda s, by: restoring.restore(s.deleted, by=by),
    "connections.edit": lambda s, by: editing.edit(s.connection, Details("Mine"), by=by),
    "connections.tag": lambda s, by: tagging.retag(s.connection, add=["mine"], by=by),
    "connections.drop_own_settings": lambda s, by: own_settings.drop(
        s.connection, s.production, by=by
    ),
    "connections.give_next_secret": lambda s, by: rotation.give(s.connection, SECRETS, by=by),
    "connections.duplicate": lambda s, by: duplicating.duplicate(
        s.connection, name="Copy", link_name="copy", by=by
    ),
    "connections.reopen": lambda s, by: login_users.reopen(s.connection, by=by),
    "connections.remove_sign_in": lambda s, by: login_users.sign_out(
        Credential(connection=s.connection, user=s.eve), by=by
    ),
    "connections.withdraw_link": lambda s, by: making.withdraw(s.link, by=by),
    "connections.share": lambda s, by: admins.add(s.connection, [s.eve], by=by),
    "connections.unshare": lambda s, by: admins.remove(s.connection, s.bob, by=by),
    "services.edit": lambda s, by: custom.edit(s.service, definition(name="Mine"), by=by),
    "services.unlist": lambda s, by: custom.set_listed(s.service, False, by=by),
    "services.delete": lambda s, by: custom.delete(s.service, by=by),
    "integrations.add_member": lambda s, by: projects.add_member(s.integration, s.eve, by=by),
    "integrations.remove_member": lambda s, by: projects.remove_member(s.integration, s.bob, by=by),
    "integrations.register": lambda s, by: registration.register(s.integration, [s.other], by=by),
    "integrations.deregister": lambda s, by: registration.deregister(
        s.integration, s.connection, by=by
    ),
    "integrations.narrow": lambda s, by: availability.narrow(
        s.connection, Audience(integration=s.integration), by=by
    ),
    "integrations.replace": lambda s, by: replacing.replace(
        s.connection, by_connection=s.other, by=by
    ),
    "keys.revoke": lambda s, by: keys.revoke(s.key, by=by),
}
ROOTS: dict[str, Act] = {
    "people.promote": lambda s, by: people.change_role(s.eve, to=Role.SUPER_ADMIN, by=by),
    "people.demote": lambda s, by: people.change_role(s.bob, to=Role.MEMBER, by=by),
    "people.reactivate": lambda s, by: people.reactivate(s.eve, by=by),
    "people.deactivate": lambda s, by: people.deactivate(s.eve, by=by),
    "people.delete": lambda s, by: people.delete(s.eve, by=by),
    "people.reset_second_factor": lambda s, by: people.reset_second_factor(s.eve, by=by),
    "people.make_link": lambda s, by: resets.make_link(s.eve, by=by),
    "people.transfer": lambda s, by: transferring.transfer(
        Connection.objects.all(), person=s.bob, to=[s.eve], by=by
    ),
    "people.ask": lambda s, by: reauthorizing.ask([s.connection], person=s.bob, by=by),
    "people.end_sign_ins": lambda s, by: login_users.end(Credential.objects.all(), of=s.bob, by=by),
    "invitations.invite": lambda s, by: invitations.invite(
        "more@acme.example", role=Role.MEMBER, by=by
    ),
    "invitations.send_again": lambda s, by: invitations.send_again(s.invitation, by=by),
    "invitations.withdraw": lambda s, by: invitations.withdraw(s.invitation, by=by),
    "teams.create": lambda s, by: teams.create("Sales", by=by),
    "teams.rename": lambda s, by: teams.rename(s.team, to="Sales", by=by),
    "teams.add_members": lambda s, by: teams.add_members(s.team, [s.eve], by=by),
    "teams.remove_member": lambda s, by: teams.remove_member(s.team, s.bob, by=by),
    "teams.delete": lambda s, by: teams.delete(s.team, by=by),
    "environments.add": lambda s, by: environments.add(name="Test", short="tst", by=by),
    "environments.rename": lambda s, by: environments.rename(
        s.production, to="Live", short="live", by=by
    ),
    "environments.move": lambda s, by: environments.move(s.production, up=True, by=by),
    "environments.remove": lambda s, by: environments.remove(s.production, by=by),
    "account.require_second_factor": lambda s, by: account.require_second_factor(True, by=by),
    "connections.share_to_self": lambda s, by: admins.share_to_self(s.connection, by=by),
    "oauth_apps.put": lambda s, by: oauth_apps.put(
        s.service, client_id="new", client_secret="new", environment=None, by=by
    ),
    "oauth_apps.remove": lambda s, by: oauth_apps.remove(s.app, by=by),
}


def refused(act: Act, scene: Scene, by: User) -> bool:
    """Whether it is, and leaves nothing on record."""
    before = Event.objects.count()
    with pytest.raises(PermissionDenied):
        act(scene, by)
    return Event.objects.count() == before


@pytest.mark.parametrize("act", ADAS.values(), ids=ADAS)
def test_an_admin_who_is_deactivated_meanwhile_finishes_nothing(act, scene, ada):
    User.objects.filter(pk=ada.pk).update(is_active=False)

    assert refused(act, scene, ada)


@pytest.mark.parametrize("act", IN_PRODUCTION.values(), ids=IN_PRODUCTION)
def test_an_admin_who_is_demoted_meanwhile_does_what_members_may(act, scene, ada):
    User.objects.filter(pk=ada.pk).update(role=Role.MEMBER)

    assert refused(act, scene, ada)


@pytest.mark.parametrize("act", ROOTS.values(), ids=ROOTS)
def test_a_super_admin_who_is_demoted_meanwhile_does_what_admins_may(act, scene, root):
    UserFactory(role=Role.SUPER_ADMIN)
    User.objects.filter(pk=root.pk).update(role=Role.ADMIN)

    assert refused(act, scene, root)


def test_somebody_whose_account_is_gone_meanwhile_finishes_nothing(scene, eve):
    gone = User.objects.get(pk=eve.pk)
    eve.delete()

    def create(scene: Scene, by: User) -> None:
        connect(by, method=scene.connection.auth_method, environment=environments.lowest())

    assert refused(create, scene, gone)
