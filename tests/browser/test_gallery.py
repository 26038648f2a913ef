"""Picking a service among many, with and without JavaScript."""

import pytest
from playwright.sync_api import expect

from connhub.services.models import Origin
from tests.factories import ServiceFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def many():
    for number in range(121):
        ServiceFactory(name=f"Service {number:03}", origin=Origin.DEFAULT, aliases=[f"no{number}"])


def test_more_services_come_below_and_the_first_of_them_has_the_focus(
    page, app_server, ada, sign_in, many, complaints
):
    sign_in(ada)
    page.goto(f"{app_server.url}/connections/new/")

    page.get_by_role("link", name="Show more").press("Enter")

    expect(page.locator("a.tile")).to_have_count(121)
    expect(page.locator("a.tile").last).to_be_focused()
    expect(page.get_by_role("link", name="Show more")).to_have_count(0)
    assert complaints == []


@pytest.mark.browser_context_args(java_script_enabled=False)
def test_without_javascript_more_services_are_a_page_and_search_is_a_form(
    page, app_server, ada, sign_in, many
):
    sign_in(ada)
    page.goto(f"{app_server.url}/connections/new/")

    page.get_by_role("link", name="Show more").click()
    expect(page.locator("a.tile b")).to_have_text(["Service 120"])
    page.get_by_role("link", name="Previous").click()
    expect(page.locator("a.tile")).to_have_count(120)
    page.get_by_label("Search services").fill("no77 connector")
    page.get_by_role("button", name="Search").click()

    expect(page.locator("a.tile b")).to_have_text(["Service 077"])
