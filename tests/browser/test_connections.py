"""Making connections of each kind in a browser, with and without JavaScript."""

import pytest
from playwright.sync_api import expect

from connhub.connections.models import Connection, Status
from tests.factories import AuthMethodFactory, ServiceFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def keyed_service(upstream):
    service = ServiceFactory(
        slug="partner-api",
        name="Partner API",
        base_url=upstream.url,
        test={"method": "GET", "path": "/key", "expect": [200]},
    )
    AuthMethodFactory(service=service)
    return service


@pytest.fixture
def database_service():
    service = ServiceFactory(slug="postgresql", name="PostgreSQL", base_url="", driver="postgresql")
    AuthMethodFactory(service=service, kind="database", label="Database", config={})
    return service


def fill_key(page, app_server, key):
    page.goto(f"{app_server.url}/connections/new/partner-api/")
    page.get_by_label("Connection name").fill("Partner")
    page.get_by_label("Connection link name").fill("partner")
    page.get_by_label("API key").first.fill(key)
    page.get_by_role("button", name="Create and Connect").click()


def test_a_wrong_key_is_told_and_nothing_is_made(page, app_server, ada, sign_in, keyed_service):
    sign_in(ada)

    fill_key(page, app_server, "wrong")

    expect(page.locator("#report")).to_contain_text("The test failed.")
    assert not Connection.objects.exists()


def test_typed_values_stay_when_the_test_fails(
    page, app_server, ada, sign_in, keyed_service, upstream
):
    sign_in(ada)
    fill_key(page, app_server, "wrong")
    expect(page.locator("#report")).to_contain_text("The test failed.")

    page.get_by_label("API key").first.fill(upstream.api_key)
    page.get_by_role("button", name="Create and Connect").click()

    page.wait_for_url("**/connections/partner/")
    assert Connection.objects.get().name == "Partner"


@pytest.mark.browser_context_args(java_script_enabled=False)
def test_an_api_key_connection_without_javascript(
    page, app_server, ada, sign_in, keyed_service, upstream
):
    sign_in(ada)

    fill_key(page, app_server, upstream.api_key)
    page.wait_for_url("**/connections/partner/")
    page.locator("#summary").get_by_role("link", name="Revoke").first.click()
    page.get_by_role("button", name="Revoke").click()

    page.wait_for_url("**/connections/partner/")
    assert Connection.objects.get().status == Status.REVOKED


def test_a_database_connection(page, app_server, ada, sign_in, database_service, postgresql_server):
    sign_in(ada)

    page.goto(f"{app_server.url}/connections/new/postgresql/")
    page.get_by_label("Connection name").fill("Warehouse")
    page.get_by_label("Host").first.fill("127.0.0.1")
    page.get_by_label("Port").first.fill(str(postgresql_server.port))
    page.get_by_label("Database").first.fill(postgresql_server.database)
    page.get_by_label("User").first.fill(postgresql_server.user)
    page.get_by_label("Password").first.fill(postgresql_server.password)
    page.get_by_label("TLS", exact=True).first.select_option("off")
    page.get_by_role("button", name="Create and Connect").click()

    page.wait_for_url("**/connections/warehouse/")
    expect(page.locator(".pagehead .pill")).to_have_text("Connected")
