"""SECURITY 9.2: what can't be put on record is not done, and no secret is handed out."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import connection as database
from django.test import Client
from django.urls import reverse

from connhub.accounts import environments
from connhub.accounts.models import Environment, User
from connhub.audit.log import AuditUnavailable
from connhub.audit.models import Event
from connhub.connections.models import Connection, Credential
from connhub.usage import keys
from connhub.usage.models import IntegrationKey, Registration
from tests.conftest import CANARY
from tests.factories import PASSWORD, AuthMethodFactory

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
    models = (User, Environment, Connection, Credential, IntegrationKey, Registration)
    return {model.__name__: list(model.objects.order_by("pk").values()) for model in models}


@pytest.fixture
def attempts(ada, connection, integration) -> dict[str, tuple[str, dict]]:
    """Changes of every room, as people make them."""
    method = AuthMethodFactory()
    key, _ = keys.issue(integration, environments.lowest(), name="nightly", by=ada)
    billing = {"name": "B", "link_name": "second", "access_mode": "proxy", "s_key_1": CANARY}
    return {
        "rename me": ("/profile/", {"name": "Ada Lovelace"}),
        "create": (f"/connections/new/{method.service.slug}/", billing),
        "rename": ("/connections/billing/rename/", {"name": "CRM"}),
        "reconnect": ("/connections/billing/reconnect/", {"key_1": "another-" + CANARY}),
        "disable": ("/connections/billing/disable/", {}),
        "revoke": ("/connections/billing/revoke/", {}),
        "delete": ("/connections/billing/delete/", {}),
        "duplicate": ("/connections/billing/duplicate/", {"name": "B", "link_name": "b"}),
        "key": (f"/integrations/{integration.slug}/keys/new/", {"name": "second", "days": "30"}),
        "revoke key": (f"/integrations/{integration.slug}/keys/{key.pk}/revoke/", {}),
        "register": (f"/integrations/{integration.slug}/connections/register/", {"connections": [connection.link_name]}),
    }  # fmt: skip


ATTEMPTS = [
    "rename me", "create", "rename", "reconnect", "disable", "revoke", "delete", "duplicate",
    "key", "revoke key", "register",
]  # fmt: skip


@pytest.mark.parametrize("what", ATTEMPTS)
def test_the_attempts_do_change_something(client, ada, attempts, what):
    """Else the test below would prove nothing."""
    client.force_login(ada)
    before = state()

    response = client.post(*attempts[what])

    assert response.status_code in (200, 302, 303), response.content.decode()[:2000]
    assert state() != before


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("what", ATTEMPTS)
def test_a_change_that_cannot_be_put_on_record_is_rolled_back(client, ada, attempts, what, way):
    client.force_login(ada)
    before = state()
    break_record(way)

    response = client.post(*attempts[what])

    assert response.status_code == 503
    assert AuditUnavailable.text in response.content.decode()
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
