"""The listing by keyboard, many rows at once, and without JavaScript."""

import pytest
from playwright.sync_api import expect

from connhub.connections.models import Connection
from tests.browser.conftest import serious_axe_findings
from tests.factories import PASSWORD, AuthMethodFactory, connect

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def three(ada):
    method = AuthMethodFactory()
    return [
        connect(ada, method=method, name=name, link_name=name.lower())
        for name in ("Alpha", "Beta", "Gamma")
    ]


def test_rows_are_walked_and_opened_by_keyboard(page, app_server, ada, three, sign_in, complaints):
    sign_in(ada)

    for key in ("ArrowDown", "ArrowDown", "ArrowDown", "ArrowUp"):
        page.keyboard.press(key)
    expect(page.locator("td.name a", has_text="Beta")).to_be_focused()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("Next and previous row")
    assert serious_axe_findings(page) == []
    page.keyboard.press("Escape")
    page.locator("td.name a", has_text="Beta").focus()
    page.keyboard.press("Enter")

    page.wait_for_url("**/connections/beta/")
    assert complaints == []


def test_all_rows_are_ticked_at_once_and_tagged(page, app_server, ada, three, sign_in, complaints):
    sign_in(ada)
    button = page.get_by_role("button", name="Add tags")

    expect(button).to_be_hidden()
    page.get_by_label("Select all on this page").check()
    assert serious_axe_findings(page) == []
    page.get_by_label("Tags to add or remove").fill("finance")
    button.click()

    expect(page.get_by_role("heading", name="Add tags: 3 of 3 done")).to_be_visible()
    assert [connection.tags for connection in Connection.objects.all()] == [["finance"]] * 3
    assert complaints == []


def test_rows_are_registered_with_an_integration(
    page, app_server, ada, three, integration, sign_in, complaints
):
    sign_in(ada)
    page.get_by_label("Select Alpha").check()
    page.get_by_label("Select Gamma").check()
    page.locator("#bulk").get_by_role("button", name="Register").click()

    expect(page.get_by_role("heading", name="Register 2 connections")).to_be_visible()
    assert serious_axe_findings(page) == []
    page.get_by_label("Integration", exact=True).select_option("order-to-cash")
    page.get_by_role("button", name="Register").click()

    expect(page.get_by_role("heading", name="Register: 2 of 2 done")).to_be_visible()
    assert [str(here) for here in integration.connections.order_by("name")] == ["Alpha", "Gamma"]
    assert complaints == []


def test_rows_are_deleted_without_javascript(browser, app_server, ada, three):
    context = browser.new_context(java_script_enabled=False, viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.goto(f"{app_server.url}/sign-in/")
    page.get_by_label("E-mail").fill(ada.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()

    for name in ("Alpha", "Gamma"):
        page.get_by_label(f"Select {name}").check()
    page.locator("#bulk").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("heading", name="Delete 2 connections?")).to_be_visible()
    page.get_by_role("button", name="Delete").click()

    expect(page.get_by_role("heading", name="Delete: 2 of 2 done")).to_be_visible()
    assert [str(left) for left in Connection.objects.live()] == ["Beta"]
    context.close()
