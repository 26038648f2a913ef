"""Making a service of one's own: every type's form, and the test before it is saved."""

import pytest
from playwright.sync_api import expect

from connhub.services.models import Service
from connhub.services.views import FORMS
from tests.browser.conftest import serious_axe_findings

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    ("scheme", "width", "height"), [("light", 1440, 900), ("dark", 390, 844)], ids=["wide", "phone"]
)
def test_every_types_form_is_whole_and_accessible(
    page, app_server, ada, sign_in, complaints, scheme, width, height
):
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": height})
    sign_in(ada)
    found = {}

    for kind in ("", *FORMS):
        page.goto(f"{app_server.url}/services/new/" + (f"?type={kind}" if kind else ""))
        problems = serious_axe_findings(page)
        if page.evaluate(
            "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        ):
            problems.append("wider than the screen")
        if problems:
            found[kind] = problems

    assert found == {}
    assert complaints == []


def but_aborted(complaints):
    """Without what htmx says of previews that a newer one took the place of."""
    aborted = ("htmx:afterRequest", "htmx:sendAbort")
    return [text for text in complaints if not text.startswith(aborted)]


def fill_in(page, upstream):
    page.get_by_label("Service name").fill("Acme")
    page.get_by_label("Service link name").fill("acme")
    page.get_by_label("Base URL", exact=True).fill(upstream.url)
    page.get_by_label("Test path").fill("/key")
    page.get_by_label("Parameter name").fill("X-Api-Key")


def test_service_is_tested_in_a_pop_up_and_then_made(
    page, app_server, ada, sign_in, upstream, complaints
):
    sign_in(ada)
    page.goto(f"{app_server.url}/services/new/?type=api_key")
    fill_in(page, upstream)
    page.get_by_role("button", name="Test", exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("X-Api-Key").fill("wrong")
    expect(page.locator(".htmx-added, .htmx-settling")).to_have_count(0)
    page.keyboard.press("Enter")
    expect(dialog.get_by_role("status")).to_contain_text("The test failed.")
    expect(dialog.get_by_label("X-Api-Key")).to_have_value("")
    dialog.get_by_label("X-Api-Key").fill(upstream.api_key)
    dialog.get_by_role("button", name="Test again").click()

    expect(dialog.get_by_role("status")).to_contain_text("It works.")
    assert not Service.objects.filter(slug="acme").exists()
    dialog.get_by_role("button", name="Close").last.click()
    page.get_by_role("button", name="Create Service").click()
    page.wait_for_url("**/services/acme/")
    assert serious_axe_findings(page) == []
    assert but_aborted(complaints) == []


def test_what_is_wrong_is_shown_beside_its_field_and_nothing_is_lost(
    page, app_server, ada, sign_in, upstream, complaints
):
    sign_in(ada)
    page.goto(f"{app_server.url}/services/new/?type=api_key")
    fill_in(page, upstream)
    page.get_by_label("Base URL", exact=True).fill("nonsense")
    page.get_by_role("button", name="Test", exact=True).click()

    expect(page.get_by_label("Base URL", exact=True)).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Parameter name")).to_have_value("X-Api-Key")
    page.get_by_label("Base URL", exact=True).fill(upstream.url)
    page.get_by_role("button", name="Test", exact=True).click()
    expect(page.get_by_role("dialog").get_by_label("X-Api-Key")).to_be_visible()
    assert but_aborted(complaints) == []


def test_without_javascript_the_test_is_a_page_from_which_one_goes_back(
    browser, app_server, ada, upstream
):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{app_server.url}/sign-in/")
    page.get_by_label("E-mail").fill(ada.email)
    page.get_by_label("Password").fill("correct horse battery staple")
    page.get_by_role("button", name="Sign in").click()
    page.goto(f"{app_server.url}/services/new/?type=api_key")
    fill_in(page, upstream)
    page.get_by_role("button", name="Test", exact=True).click()
    page.get_by_label("X-Api-Key").fill(upstream.api_key)
    page.get_by_role("button", name="Test", exact=True).click()
    expect(page.locator(".banner.ok")).to_contain_text("It works.")
    page.get_by_role("button", name="Back to the form").click()

    expect(page.get_by_label("Service name")).to_have_value("Acme")
    expect(page.get_by_label("Parameter name")).to_have_value("X-Api-Key")
    page.get_by_role("button", name="Create Service").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Acme")
    context.close()
