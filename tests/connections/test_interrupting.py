"""Disabling, reconnecting and revoking one environment alone."""

import pytest

from connhub.accounts.models import Environment
from connhub.audit.models import Event
from connhub.connections.access import ConnectionDisabled, ConnectionRevoked, prepare
from connhub.connections.auth.base import Granted
from connhub.connections.keeping import keep
from connhub.connections.models import Connection, Status
from tests.conftest import CANARY
from tests.connections.steps import actions
from tests.factories import AuthMethodFactory, ServiceFactory, connect

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture
def production():
    return Environment.objects.get(slug="production")


@pytest.fixture
def signed_in(client, ada):
    client.force_login(ada)
    return client


def fresh(connection) -> Connection:
    return Connection.objects.get(pk=connection.pk)


def test_disabled_connection_refuses_calls_until_it_is_enabled(signed_in, connection, production):
    signed_in.post("/connections/billing/disable/")
    with pytest.raises(ConnectionDisabled):
        prepare(fresh(connection), production)
    assert "Every call over it fails" in signed_in.get("/connections/billing/").content.decode()

    signed_in.post("/connections/billing/enable/")
    assert prepare(fresh(connection), production).values == {"key_1": CANARY}
    assert actions(connection)[-2:] == ["connection.disabled", "connection.enabled"]


def test_disabling_twice_is_one_change(signed_in, connection):
    signed_in.post("/connections/billing/disable/")
    since = fresh(connection).disabled_at
    signed_in.post("/connections/billing/disable/")

    assert fresh(connection).disabled_at == since
    assert actions(connection).count("connection.disabled") == 1


def test_reconnect_replaces_the_secret_and_nothing_else(signed_in, connection):
    before = Connection.objects.values("name", "service", "scopes", "description").get()

    page = signed_in.get("/connections/billing/reconnect/", headers=HTMX).content.decode()
    assert CANARY not in page and "New" not in page.split("<form")[0]
    answer = signed_in.post("/connections/billing/reconnect/", {"key_1": "next-secret"})

    assert answer.status_code == 303
    credential = connection.credentials.get()
    assert credential.payload.open().reveal() == {"key_1": "next-secret"}
    assert Connection.objects.values("name", "service", "scopes", "description").get() == before
    event = Event.objects.about(connection).get(action="connection.reconnected")
    assert (event.fields, event.detail) == (["key_1"], {"environment": "all"})


def test_reconnect_without_the_secret_says_so_beside_the_field(signed_in, connection):
    answer = signed_in.post("/connections/billing/reconnect/", {"key_1": ""})

    assert answer.context["form"].errors == {"key_1": ["This field is required."]}
    assert connection.credentials.get().payload.open().reveal() == {"key_1": CANARY}


def test_reconnect_brings_a_revoked_connection_back(signed_in, connection):
    signed_in.post("/connections/billing/revoke/")

    signed_in.post("/connections/billing/reconnect/", {"key_1": "again"})

    assert fresh(connection).status == Status.CONNECTED


def test_environment_gets_credentials_of_its_own(signed_in, connection, production):
    url = "/connections/billing/reconnect/?environment=production"
    assert signed_in.post(url, {"key_1": "for-production"}).status_code == 303

    development = Environment.objects.get(slug="development")
    assert prepare(fresh(connection), production).values == {"key_1": "for-production"}
    assert prepare(fresh(connection), development).values == {"key_1": CANARY}


def test_member_gives_no_credentials_for_higher_environments(client, eve):
    made = connect(eve, environment=Environment.objects.get(slug="development"))
    client.force_login(eve)

    for query, status in (("?environment=production", 403), ("", 303)):
        answer = client.post(f"/connections/billing/reconnect/{query}", {"key_1": "x"})
        assert answer.status_code == status
    assert [c.environment.slug for c in made.credentials.all()] == ["development"]


def test_revoking_one_environment_leaves_the_others(signed_in, connection, production):
    keep(connection, Granted({"key_1": "own"}), environment=production)

    answer = signed_in.post("/connections/billing/revoke/?environment=production")

    assert answer.status_code == 303
    with pytest.raises(ConnectionRevoked):
        prepare(fresh(connection), production)
    assert prepare(fresh(connection), Environment.objects.get(slug="staging"))
    event = Event.objects.about(connection).get(action="connection.revoked")
    assert event.detail == {"environment": "production"}


def test_revoking_an_environment_without_own_credentials_is_refused(signed_in, connection):
    answer = signed_in.post("/connections/billing/revoke/?environment=production")

    assert answer.status_code == 409
    assert fresh(connection).status == Status.CONNECTED


def test_reconnect_of_an_oauth_connection_leads_to_the_provider(signed_in, ada):
    method = AuthMethodFactory(
        kind="oauth2_code",
        label="OAuth 2.0",
        config={
            "authorize_url": "https://acme.example/authorize",
            "token_url": "https://acme.example/token",
        },
    )
    connect(ada, method=method, secrets={}, client_id="id", client_secret="s")

    page = signed_in.get("/connections/billing/reconnect/", headers=HTMX).content.decode()

    assert "You'll go to <b>acme.example</b>" in page


def test_reconnect_asks_for_what_was_once_stored_as_secret(signed_in, connection):
    method = connection.auth_method
    method.config["keys"][0]["secret"] = False
    method.save()

    signed_in.post("/connections/billing/reconnect/", {"key_1": "next-secret"})

    assert connection.credentials.get().payload.open().reveal() == {"key_1": "next-secret"}


def test_reconnect_names_what_the_method_can_do_nothing_with(signed_in, ada):
    service = ServiceFactory(driver="sftp", base_url="")
    method = AuthMethodFactory(kind="database", label="Sign-in", config={}, service=service)
    parameters = {"host": "files.example", "port": "22", "user": "u"}
    parameters["host_key"] = f"SHA256:{'A' * 43}"
    made = connect(
        ada, method=method, link_name="files", parameters=parameters, secrets={"password": CANARY}
    )

    answer = signed_in.post("/connections/files/reconnect/", {})

    assert answer.status_code == 200 and answer.context["form"].errors
    assert made.credentials.get().payload.open().reveal() == {"password": CANARY}
