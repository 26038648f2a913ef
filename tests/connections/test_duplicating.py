import pytest

from connhub.accounts.models import Environment
from connhub.connections import duplicating
from connhub.connections.lifecycle import BadLinkName, LinkNameTaken
from connhub.connections.models import Connection, Settings, Status
from connhub.services.models import OAuthApp
from connhub.sharing import roles
from tests.conftest import CANARY
from tests.connections.steps import actions
from tests.factories import AuthMethodFactory, ServiceFactory, connect

pytestmark = pytest.mark.django_db


def test_everything_but_the_secret_is_copied(client, ada, bob):
    made = connect(
        ada, parameters={"shop": "acme"}, description="Invoices", tags=["money"], scopes=["read"]
    )
    Settings.objects.create(
        connection=made,
        environment=Environment.objects.get(slug="production"),
        parameters={"shop": "acme-live"},
        base_url="https://live.example.com",
    )
    roles.grant(made, bob, by=ada)
    client.force_login(bob)

    answer = client.post(
        "/connections/billing/duplicate/", {"name": "Billing EU", "link_name": "billing_eu"}
    )

    assert answer.headers["Location"] == "/connections/billing_eu/"
    copy = Connection.objects.get(link_name="billing_eu")
    kept = ("service_id", "auth_method_id", "description", "tags", "scopes", "access_mode")
    assert [getattr(copy, name) for name in kept] == [getattr(made, name) for name in kept]
    assert list(copy.settings.values("environment__slug", "parameters", "base_url")) == list(
        made.settings.values("environment__slug", "parameters", "base_url")
    )
    assert (copy.status, copy.credentials.count()) == (Status.NOT_CONNECTED, 0)
    assert (roles.is_admin(bob, copy), roles.is_admin(ada, copy)) == (True, False)
    assert actions(copy) == ["connection.duplicated"]
    assert made.settings.count() == 2


def test_own_oauth_app_comes_without_its_secret(ada):
    method = AuthMethodFactory(kind="oauth2_code", label="OAuth 2.0", config={})
    made = connect(ada, method=method, secrets={}, client_id="id", client_secret=CANARY)

    copy = duplicating.duplicate(made, name="Copy", link_name="copy", by=ada)

    assert copy.oauth_app != made.oauth_app
    assert (copy.oauth_app.client_id, bool(copy.oauth_app.client_secret)) == ("id", False)


def test_shared_oauth_app_is_shared_by_the_copy(ada):
    method = AuthMethodFactory(kind="oauth2_code", label="OAuth 2.0", config={})
    app = OAuthApp.objects.create(service=method.service, shared=True, client_id="all")
    made = connect(ada, method=method, secrets={})

    assert duplicating.duplicate(made, name="Copy", link_name="copy", by=ada).oauth_app == app


def test_copy_that_needs_no_secret_is_connected(ada):
    method = AuthMethodFactory(kind="none", label="None", config={}, service=ServiceFactory())
    made = connect(ada, method=method, secrets={})

    copy = duplicating.duplicate(made, name="Copy", link_name="copy", by=ada)

    assert copy.status == Status.CONNECTED


@pytest.mark.parametrize("link_name", ["billing", "Bad Name", "new", "deleted", ""])
def test_bad_link_name_is_named_beside_its_field(client, ada, connection, link_name):
    client.force_login(ada)

    answer = client.post(
        "/connections/billing/duplicate/", {"name": "Copy", "link_name": link_name}
    )

    assert answer.status_code == 200 and "link_name" in answer.context["form"].errors
    assert Connection.objects.count() == 1


def test_operation_refuses_bad_link_names_itself(ada, connection):
    with pytest.raises(LinkNameTaken):
        duplicating.duplicate(connection, name="Copy", link_name="billing", by=ada)
    with pytest.raises(BadLinkName):
        duplicating.duplicate(connection, name="Copy", link_name="new", by=ada)


def test_somebody_elses_connection_is_not_duplicated(client, root, eve, connection):
    for person, status in ((eve, 404), (root, 403)):
        client.force_login(person)
        answer = client.post("/connections/billing/duplicate/", {"name": "C", "link_name": "c"})
        assert answer.status_code == status
    assert Connection.objects.count() == 1
