"""The whole life of a connection, in a browser: interrupted, given to one environment, ended, back."""

import pytest
from playwright.sync_api import expect

from connhub.connections.models import Connection
from tests.browser.conftest import serious_axe_findings
from tests.factories import AuthMethodFactory, ServiceFactory, connect

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def partner(upstream, ada):
    """A connection that works against the upstream."""
    service = ServiceFactory(
        slug="partner-api", name="Partner API", base_url=upstream.url,
        test={"method": "GET", "path": "/key", "expect": [200]},
    )  # fmt: skip
    method = AuthMethodFactory(service=service)
    return connect(ada, method=method, name="Partner", link_name="partner", secret=upstream.api_key)


@pytest.fixture
def open_menu(page):
    """A function: choose something under More options of the page's connection."""

    def choose(name, role="link"):
        page.locator(".pagehead details.menu summary").click()
        page.locator(".pagehead .menu .panel").get_by_role(role, name=name, exact=True).click()
        return page.get_by_role("dialog")

    return choose


def test_disable_and_enable(page, app_server, ada, sign_in, partner, open_menu, complaints):
    sign_in(ada)
    page.goto(f"{app_server.url}/connections/partner/")

    open_menu("Disable").get_by_role("button", name="Disable").click()
    expect(page.get_by_text("Every call over it fails until it is enabled.")).to_be_visible()
    page.get_by_role("button", name="Enable").first.click()
    expect(page.get_by_text("Every call over it fails until it is enabled.")).to_have_count(0)
    assert complaints == []


def test_copy_is_connected_with_credentials_of_its_own(
    page, app_server, ada, sign_in, partner, open_menu, upstream, complaints
):
    sign_in(ada)
    page.goto(f"{app_server.url}/connections/partner/")
    dialog = open_menu("Duplicate")
    dialog.get_by_label("Connection name").fill("Partner EU")
    dialog.get_by_label("Connection link name").fill("partner_eu")
    dialog.get_by_role("button", name="Duplicate").click()
    page.wait_for_url("**/connections/partner_eu/")

    page.get_by_role("link", name="Enter credentials").click()
    dialog.get_by_label("API key").fill(upstream.api_key)
    assert serious_axe_findings(page) == []
    dialog.get_by_role("button", name="Reconnect").click()
    expect(page.locator(".pagehead .pill")).to_have_text("Connected")

    page.get_by_role("link", name="Test connection").first.click()
    dialog.get_by_role("button", name="Test Connection").click()
    expect(dialog.get_by_text("It works.")).to_be_visible()
    assert complaints == []


def test_environment_gets_its_own_credentials_and_gives_them_up(
    page, app_server, ada, sign_in, partner, upstream, complaints
):
    sign_in(ada)
    page.goto(f"{app_server.url}/connections/partner/")
    row = page.get_by_role("row").filter(has_text="Production")
    dialog = page.get_by_role("dialog")

    row.locator("details.menu summary").click()
    row.get_by_role("link", name="Own settings").click()
    dialog.get_by_label("API key").fill(upstream.api_key)
    dialog.get_by_role("button", name="Save").click()
    expect(row.get_by_text("Own", exact=True)).to_be_visible()

    row.locator("details.menu summary").click()
    row.get_by_role("link", name="Revoke").click()
    dialog.get_by_role("button", name="Revoke").click()
    expect(row.get_by_text("Revoked")).to_be_visible()
    page.goto(f"{app_server.url}/readiness/?gaps=1")
    expect(page.get_by_role("row").filter(has_text="Partner")).to_contain_text("Revoked")

    page.goto(f"{app_server.url}/connections/partner/")
    row.locator("details.menu summary").click()
    row.get_by_role("link", name="Use the same for all").click()
    dialog.get_by_role("button", name="Use the same for all").click()
    expect(row.get_by_text("Same for all")).to_be_visible()
    assert complaints == []


def test_deleted_connection_comes_back_without_its_secret(
    page, app_server, ada, sign_in, partner, complaints
):
    sign_in(ada)
    page.goto(f"{app_server.url}/connections/partner/")
    page.get_by_role("link", name="Delete", exact=True).first.click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    page.wait_for_url("**/connections/")

    page.get_by_role("link", name="Deleted connections").click()
    page.get_by_role("button", name="Restore Partner").click()
    page.wait_for_url("**/connections/partner/")
    expect(page.locator(".pagehead .pill")).to_have_text("Revoked")
    assert Connection.objects.live().filter(link_name="partner").exists()
    assert complaints == []


@pytest.mark.browser_context_args(java_script_enabled=False)
def test_without_javascript_the_same_pages_do_it(page, app_server, ada, sign_in, partner):
    sign_in(ada)
    page.goto(f"{app_server.url}/connections/partner/disable/")
    page.get_by_role("button", name="Disable").click()
    expect(page.get_by_text("Every call over it fails until it is enabled.")).to_be_visible()
    page.get_by_role("button", name="Enable").last.click()

    page.goto(f"{app_server.url}/connections/partner/revoke/")
    page.get_by_role("button", name="Revoke").click()
    expect(page.locator(".pagehead .pill")).to_have_text("Revoked")
    page.goto(f"{app_server.url}/connections/partner/reconnect/")
    page.get_by_label("API key").fill("next")
    page.get_by_role("button", name="Reconnect").click()
    expect(page.locator(".pagehead .pill")).to_have_text("Connected")
