"""SECURITY 9.2: what can't be put on record is not done, and no secret is handed out."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import connection as database
from django.test import Client
from django.urls import reverse

from connhub.accounts import environments, invitations
from connhub.accounts.models import Environment, Invitation, Letter, Session, Team, User
from connhub.audit.log import AuditUnavailable
from connhub.audit.models import Event
from connhub.connections.models import (
    Connection,
    ConnectionTeamGrant,
    ConnectionUserGrant,
    Credential,
)
from connhub.services.models import ServiceUserGrant
from connhub.sharing import roles
from connhub.usage import keys, projects
from connhub.usage.models import (
    Availability,
    IntegrationKey,
    IntegrationTeamGrant,
    IntegrationUserGrant,
    Membership,
    Registration,
)
from tests.conftest import CANARY
from tests.factories import PASSWORD, AuthMethodFactory, UserFactory

pytestmark = pytest.mark.django_db

WAYS = {
    # Nothing can be added: a full disk, a broken constraint.
    "full": {
        "sqlite": "CREATE TRIGGER full_disk BEFORE INSERT ON audit_event "
        "BEGIN SELECT RAISE(ABORT, 'disk is full'); END",
        "postgresql": "ALTER TABLE audit_event ADD CONSTRAINT full_disk CHECK (false) NOT VALID",
    },
    # It is not there at all.
    "gone": dict.fromkeys(
        ("sqlite", "postgresql"), "ALTER TABLE audit_event RENAME TO audit_event_away"
    ),
    # Nobody gets at the head of the chain.
    "headless": dict.fromkeys(
        ("sqlite", "postgresql"), "ALTER TABLE audit_head RENAME TO audit_head_away"
    ),
}


MENDED = {
    "full": {
        "sqlite": "DROP TRIGGER full_disk",
        "postgresql": "ALTER TABLE audit_event DROP CONSTRAINT full_disk",
    },
    "gone": dict.fromkeys(
        ("sqlite", "postgresql"), "ALTER TABLE audit_event_away RENAME TO audit_event"
    ),
    "headless": dict.fromkeys(
        ("sqlite", "postgresql"), "ALTER TABLE audit_head_away RENAME TO audit_head"
    ),
}


def break_record(way: str) -> None:
    """Until the test's transaction is rolled back."""
    with database.cursor() as cursor:
        cursor.execute(WAYS[way][database.vendor])


@contextmanager
def broken(way: str) -> Iterator[None]:
    """The same while the block lasts, for tests whose requests have transactions of their own."""
    break_record(way)
    try:
        yield
    finally:
        with database.cursor() as cursor:
            cursor.execute(MENDED[way][database.vendor])


def state() -> dict[str, list]:
    """All that the attempts below could change."""
    models = (
        User, Environment, Team, User.groups.through, Invitation, Session, Letter,
        Connection, Credential, ConnectionUserGrant, ConnectionTeamGrant, Availability,
        ServiceUserGrant, IntegrationUserGrant, IntegrationTeamGrant, Membership, IntegrationKey,
        Registration,
    )  # fmt: skip
    return {model.__name__: list(model.objects.order_by("pk").values()) for model in models}


@pytest.fixture
def attempts(ada, bob, eve, root, connection, integration) -> dict[str, tuple[str, dict]]:
    """Changes of every room, as people make them: ada, or root what only a super admin may."""
    method = AuthMethodFactory()
    key, _ = keys.issue(integration, environments.lowest(), name="nightly", by=ada)
    billing = {"name": "B", "link_name": "second", "access_mode": "proxy", "s_key_1": CANARY}
    there = f"/integrations/{integration.slug}"
    team = Team.objects.create(name="Data")
    team.user_set.add(bob)
    for grantee in (bob, team):
        roles.grant(integration, grantee, by=ada)
    roles.grant(connection, team, by=ada)
    roles.grant(connection.service, ada, by=ada)
    roles.grant(connection, root, by=root, to_self=True)
    projects.add_member(integration, bob, by=ada)
    invitations.invite("grace@acme.example", role="member", by=root)
    invited = Invitation.objects.get().public_id
    gone = UserFactory(name="Gone", is_active=False)
    Environment.objects.create(slug="lab", name="Lab", short="lab", position=9)
    hand_over = {"kind": "with_others", "action": "transfer:all", "who": f"person-{eve.pk}"}
    return {
        "rename me": ("/profile/", {"name": "Ada Lovelace"}),
        "create": (f"/connections/new/{method.service.slug}/", billing),
        "rename": ("/connections/billing/rename/", {"name": "CRM"}),
        "reconnect": ("/connections/billing/reconnect/", {"key_1": "another-" + CANARY}),
        "disable": ("/connections/billing/disable/", {}),
        "revoke": ("/connections/billing/revoke/", {}),
        "delete": ("/connections/billing/delete/", {}),
        "duplicate": ("/connections/billing/duplicate/", {"name": "B", "link_name": "b"}),
        "key": (f"{there}/keys/new/", {"name": "second", "days": "30"}),
        "revoke key": (f"{there}/keys/{key.pk}/revoke/", {}),
        "register": (f"{there}/connections/register/", {"connections": [connection.link_name]}),
        "share": ("/connections/billing/share/add/", {"who": f"person-{eve.pk}"}),
        "unshare": (f"/connections/billing/share/people/{bob.public_id}/remove/", {}),
        "unshare with team": (f"/connections/billing/share/teams/{team.public_id}/remove/", {}),
        "share service": (f"/services/{connection.service.slug}/share/add/", {"who": f"person-{eve.pk}"}),
        "share integration": (f"{there}/share/add/", {"who": f"person-{eve.pk}"}),
        "unshare integration": (f"{there}/share/people/{bob.public_id}/remove/", {}),
        "unshare integration with team": (f"{there}/share/teams/{team.public_id}/remove/", {}),
        "add member": (f"{there}/members/add/", {"email": eve.email}),
        "remove member": (f"{there}/members/{bob.public_id}/remove/", {}),
        "make available": ("/connections/billing/availability/", {"to": "project", "project": integration.project.slug}),
        "root: share to self": (f"{there}/share/to-myself/", {}),
        "root: undo": ("/connections/billing/share/to-myself/undo/", {}),
        "root: transfer": (f"/people/{ada.public_id}/leaving/act/", hand_over | {"confirmed": "on"}),
        "root: change role": (f"/people/{eve.public_id}/role/", {"role": "admin"}),
        "root: deactivate": (f"/people/{bob.public_id}/deactivate/", {}),
        "root: reactivate": (f"/people/{gone.public_id}/reactivate/", {}),
        "root: invite": ("/people/invite/", {"email": "alan@acme.example", "role": "member"}),
        "root: invite again": (f"/people/invitations/{invited}/send/", {}),
        "root: withdraw invitation": (f"/people/invitations/{invited}/withdraw/", {}),
        "root: new team": ("/teams/new/", {"name": "Sales"}),
        "root: rename team": (f"/teams/{team.public_id}/rename/", {"name": "Sales"}),
        "root: join team": (f"/teams/{team.public_id}/add/", {"who": f"person-{eve.pk}"}),
        "root: leave team": (f"/teams/{team.public_id}/members/{bob.public_id}/remove/", {}),
        "root: delete team": (f"/teams/{team.public_id}/delete/", {}),
        "root: add environment": ("/environments/add/", {"name": "QA", "short": "qa"}),
        "root: rename environment": ("/environments/lab/rename/", {"name": "QA", "short": "qa"}),
        "root: move environment": ("/environments/lab/move/", {"up": "on"}),
        "root: remove environment": ("/environments/lab/remove/", {}),
    }  # fmt: skip


ATTEMPTS = [
    "rename me", "create", "rename", "reconnect", "disable", "revoke", "delete", "duplicate",
    "key", "revoke key", "register", "share", "unshare", "unshare with team", "share service",
    "share integration", "unshare integration", "unshare integration with team", "add member",
    "remove member", "make available", "root: share to self", "root: undo", "root: transfer",
    "root: change role", "root: deactivate", "root: reactivate", "root: invite",
    "root: invite again", "root: withdraw invitation", "root: new team", "root: rename team",
    "root: join team", "root: leave team", "root: delete team", "root: add environment",
    "root: rename environment", "root: move environment", "root: remove environment",
]  # fmt: skip


def test_every_attempt_is_made(attempts):
    assert list(attempts) == ATTEMPTS


@pytest.fixture
def somebody(client, ada, root, what) -> Client:
    """The browser of who makes the attempt."""
    client.force_login(root if what.startswith("root: ") else ada)
    return client


@pytest.mark.parametrize("what", ATTEMPTS)
def test_the_attempts_do_change_something(somebody, attempts, what):
    """Else the test below would prove nothing."""
    before = state()

    response = somebody.post(*attempts[what])

    assert response.status_code in (200, 302, 303), response.content.decode()[:2000]
    assert state() != before


@pytest.mark.parametrize("what", ATTEMPTS)
def test_a_change_that_cannot_be_put_on_record_is_rolled_back(somebody, attempts, what):
    before = state()

    for way in WAYS:
        with broken(way):
            response = somebody.post(*attempts[what])

        assert (way, response.status_code) == (way, 503)
        assert AuditUnavailable.text in response.content.decode()
        assert response["Retry-After"] == "5"
        assert state() == before


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("way", WAYS)
def test_nobody_gets_in_while_sign_in_cannot_be_put_on_record(ada, way):
    client = Client()

    with broken(way):
        response = client.post(
            reverse("accounts:sign_in"), {"username": ada.email, "password": PASSWORD}
        )

    assert response.status_code == 503
    assert client.get(reverse("accounts:profile")).status_code == 302


@pytest.mark.django_db(transaction=True)
def test_a_denial_that_cannot_be_put_on_record_is_answered_with_503(client, eve, connection):
    client.force_login(eve)
    url = connection.get_absolute_url()
    assert client.get(url).status_code == 404

    with broken("full"):
        assert client.get(url).status_code == 503


def test_the_record_goes_on_where_it_stopped(client, ada, connection):
    client.force_login(ada)
    with database.cursor() as cursor:
        cursor.execute(WAYS["gone"][database.vendor])
    client.post("/connections/billing/rename/", {"name": "CRM"})
    with database.cursor() as cursor:
        cursor.execute("ALTER TABLE audit_event_away RENAME TO audit_event")

    client.post("/connections/billing/rename/", {"name": "Sales"})

    renamed = Event.objects.filter(action="connection.renamed")
    assert [event.object for event in renamed] == ["Sales"]
