"""A service of one's own with two parameters, from its definition to a proxied call."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import serious_axe_findings
from tests.browser.steps import call, expect_connected, integration_key, pick_from_gallery

pytestmark = pytest.mark.django_db(transaction=True)


def test_from_create_new_service_to_a_proxied_call_with_both_parameters(
    page, app_server, ada, sign_in, upstream, complaints
):
    sign_in(ada)

    define(page, app_server.url, upstream)
    connect(page, app_server.url, upstream)
    retest(page)
    key = integration_key(page, app_server.url, "Partner orders")
    echoed = call(app_server.url, key, "partner_orders", "/echo/orders?page=2").json()

    assert echoed["path"] == "/echo/orders"
    assert echoed["query"] == "page=2&account=acme"
    # That it comes back overwritten says that the service saw it.
    sent = dict(map(tuple, echoed["headers"]))
    assert sent["X-Api-Key"] == "*" * len(upstream.api_key)
    assert call(app_server.url, key, "partner_orders", "/key").json() == {"ok": True}
    assert complaints == []


def define(page, url, upstream):
    page.goto(f"{url}/services/")
    page.get_by_role("link", name="Create New Service").click()
    page.get_by_role("link", name="API key").click()
    page.get_by_label("Service name").press_sequentially("Partner API")
    expect(page.get_by_label("Service link name")).to_have_value("partner_api")
    page.get_by_label("Base URL", exact=True).fill(upstream.url)
    page.get_by_label("Test path").fill("/key")
    parameter(page, 1, "X-Api-Key", "API key", "header")
    page.get_by_role("button", name="Add parameter").click()
    parameter(page, 2, "account", "Workspace", "query")
    page.locator("#id_key_2_secret").uncheck()
    expect(page.locator("#preview")).to_contain_text("X-Api-Key: ‹API key›")
    assert serious_axe_findings(page) == []
    page.get_by_role("button", name="Create Service").click()
    expect(page.get_by_role("heading", name="Partner API")).to_be_visible()


def parameter(page, number, name, label, place):
    page.locator(f"#id_key_{number}_name").fill(name)
    page.locator(f"#id_key_{number}_label").fill(label)
    page.locator(f"#id_key_{number}_in").select_option(place)


def connect(page, url, upstream):
    pick_from_gallery(page, url, "Partner API")
    page.get_by_label("Connection name").press_sequentially("Partner orders")
    page.get_by_label("API key").first.fill("wrong")
    page.get_by_label("Workspace").first.fill("acme")
    page.get_by_role("button", name="Test Connection").click()
    expect(page.locator("#report")).to_contain_text("The test failed.")
    page.get_by_label("API key").first.fill(upstream.api_key)
    page.get_by_role("button", name="Create and Connect").click()
    expect_connected(page, "partner_orders")


def retest(page):
    page.get_by_role("link", name="Test connection").first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Test Connection").click()
    expect(dialog).to_contain_text("It works.")
