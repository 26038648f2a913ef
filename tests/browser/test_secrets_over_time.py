"""A secret's way through time, in a browser: rotated, rolled back, and on the expiry page."""

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from connhub.connections.models import Connection
from tests.browser.conftest import serious_axe_findings
from tests.factories import AuthMethodFactory, ServiceFactory, connect

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def partner(upstream, ada) -> Connection:
    """Its stored key is about to end; the upstream knows another one already."""
    service = ServiceFactory(
        slug="partner-api", name="Partner API", base_url=upstream.url,
        test={"method": "GET", "path": "/key", "expect": [200]},
    )  # fmt: skip
    method = AuthMethodFactory(service=service)
    made = connect(ada, method=method, name="Partner", link_name="partner", secret="old-key")
    made.credentials.update(ends_at=timezone.now() + timedelta(days=5))
    return made


def test_from_the_next_value_to_rolling_back(
    page, app_server, ada, sign_in, partner, upstream, complaints
):
    sign_in(ada)
    page.goto(f"{app_server.url}/connections/partner/")
    page.locator(".pagehead details.menu summary").click()
    page.locator(".pagehead .menu .panel").get_by_role("link", name="Rotate secret").click()
    dialog = page.get_by_role("dialog")

    dialog.get_by_label("API key").fill(upstream.api_key)
    dialog.get_by_label("Ends on").fill("2099-03-31")
    assert serious_axe_findings(page) == []
    dialog.get_by_role("button", name="Give next value").click()
    dialog.get_by_role("button", name="Test next value").click()
    expect(dialog.get_by_text("It works.")).to_be_visible()
    assert serious_axe_findings(page) == []
    dialog.get_by_text("1 hour").click()
    dialog.get_by_role("button", name="Switch").click()

    row = page.get_by_role("row").filter(has_text="Production")
    expect(row).to_contain_text("31 Mar 2099")
    expect(page.get_by_text("The secret was rotated.")).to_be_visible()
    page.get_by_role("button", name="Roll back").click()
    expect(page.get_by_text("A next value waits.")).to_be_visible()
    expect(row).not_to_contain_text("31 Mar 2099")

    page.get_by_role("link", name="Go on").click()
    dialog.get_by_role("button", name="Discard").click()
    expect(page.get_by_text("A next value waits.")).to_have_count(0)
    assert complaints == []


def test_expiry_as_a_list_and_as_a_calendar(page, app_server, ada, sign_in, partner, complaints):
    sign_in(ada)
    expect(page.get_by_text("1 thing ends within 14 days")).to_be_visible()
    page.get_by_role("link", name="Show it").click()
    row = page.get_by_role("row").filter(has_text="Partner")
    expect(row).to_contain_text("in 4 days")
    assert serious_axe_findings(page) == []

    page.get_by_label("Ends within").select_option("")
    page.get_by_text("Calendar", exact=True).click()
    day = page.locator("table.calendar").get_by_role("link")
    expect(day).to_have_count(1)
    assert serious_axe_findings(page) == []
    day.click()
    page.wait_for_url("**/expiry/?*day=*")
    expect(row).to_contain_text("in 4 days")
    row.get_by_role("link", name="Rotate secret").click()
    expect(page.get_by_role("heading", name="Rotate secret of Partner")).to_be_visible()
    assert complaints == []


@pytest.mark.browser_context_args(java_script_enabled=False)
def test_without_javascript_the_same_pages_do_it(page, app_server, ada, sign_in, partner, upstream):
    sign_in(ada)
    page.goto(f"{app_server.url}/connections/partner/rotate/")
    page.get_by_label("API key").fill(upstream.api_key)
    page.get_by_role("button", name="Give next value").click()
    page.get_by_role("button", name="Switch").click()
    expect(page.get_by_text("The secret was rotated.")).to_be_visible()
    page.get_by_role("button", name="Roll back").click()
    expect(page.get_by_text("A next value waits.")).to_be_visible()
    page.goto(f"{app_server.url}/expiry/?view=calendar")
    page.locator("table.calendar").get_by_role("link").click()
    expect(page.get_by_role("row").filter(has_text="Partner")).to_be_visible()
