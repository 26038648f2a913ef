from datetime import timedelta

import pytest
from django.core.exceptions import PermissionDenied

from connhub.connections import lifecycle, restoring
from connhub.connections.models import Connection, Status
from tests.connections.steps import actions

pytestmark = pytest.mark.django_db


@pytest.fixture
def deleted(ada, connection):
    lifecycle.delete(connection, by=ada)
    connection.refresh_from_db()
    return connection


def test_comes_back_under_its_link_name_without_its_secret(client, ada, deleted):
    client.force_login(ada)

    answer = client.post("/connections/billing/restore/")

    assert (answer.status_code, answer.headers["Location"]) == (303, "/connections/billing/")
    restored = Connection.objects.live().get(link_name="billing")
    assert restored.status == Status.REVOKED
    assert not restored.credentials.live().exists()
    assert actions(restored)[-1] == "connection.restored"


def test_the_other_admin_may_restore_it_too(client, bob, deleted):
    client.force_login(bob)

    assert "Billing" in client.get("/connections/deleted/").content.decode()
    assert client.post("/connections/billing/restore/").status_code == 303


def test_nobody_else_sees_or_restores_it(client, eve, root, deleted):
    for person in (eve, root):
        client.force_login(person)
        assert "Billing" not in client.get("/connections/deleted/").content.decode()
        assert client.post("/connections/billing/restore/").status_code == 404
        with pytest.raises(PermissionDenied):
            restoring.restore(deleted, by=person)


def test_after_thirty_days_it_is_gone_for_good(client, ada, deleted):
    Connection.objects.update(deleted_at=deleted.deleted_at - timedelta(days=30, minutes=1))
    client.force_login(ada)

    assert client.post("/connections/billing/restore/").status_code == 404
    with pytest.raises(restoring.GoneForGood):
        restoring.restore(deleted, by=ada)


def test_restoring_what_is_there_changes_nothing(ada, connection):
    restoring.restore(connection, by=ada)

    assert "connection.restored" not in actions(connection)
