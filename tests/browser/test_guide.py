"""The guide: choosing environment and language, copying, and trying a call with and without JavaScript."""

import pytest
from playwright.sync_api import expect

from connhub.audit.models import Event
from connhub.usage.models import Registration
from tests.browser.conftest import serious_axe_findings
from tests.conftest import CANARY
from tests.factories import PASSWORD, AuthMethodFactory, ServiceFactory, connect

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def pets(ada, upstream, integration):
    """A connection to what echoes the request, registered."""
    test = {"method": "GET", "path": "/cats?limit=2"}
    service = ServiceFactory(name="Pets", base_url=upstream.url + "/echo", test=test)
    made = connect(
        ada,
        method=AuthMethodFactory(service=service),
        name="Pets",
        link_name="pets",
        secret=CANARY,
        access_mode="credentials",
    )
    Registration.objects.create(integration=integration, connection=made)
    return made


def test_the_guide_is_chosen_copied_and_tried(
    page, context, app_server, ada, pets, sign_in, complaints
):
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    sign_in(ada)
    page.goto(f"{app_server.url}/connections/pets/")
    page.get_by_role("link", name="Guide, and try it").click()

    page.get_by_role("link", name="Staging").click()
    expect(page.get_by_role("heading", name="In Staging", exact=True)).to_be_visible()
    calls = page.locator(".snippets").first
    expect(calls.locator("pre:visible")).to_contain_text("curl ")
    calls.get_by_text("JavaScript").click()
    expect(calls.locator("pre:visible")).to_contain_text("await fetch(")
    calls.get_by_role("button", name="Copy").click()
    expect(calls.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert f"{app_server.url}/api/v1/connections/pets/proxy/cats?limit=2" in copied
    assert serious_axe_findings(page) == []

    page.get_by_role("link", name="Development").click()
    panel = page.locator("#try")
    panel.get_by_role("button", name="Send").click()
    expect(panel.get_by_role("status")).to_contain_text("200 OK")
    answer = panel.get_by_label("Answer", exact=True)
    expect(answer).to_contain_text('"query": "limit=2"')
    expect(answer).to_contain_text("*" * len(CANARY))
    expect(panel.locator("[tabindex='-1']:focus .answer")).to_have_count(1)

    panel.get_by_label("Method").select_option("DELETE")
    panel.get_by_label("Path").fill("/cats/../7")
    panel.get_by_role("button", name="Send").click()
    expect(panel.get_by_role("alert").first).to_contain_text("does not pass on")
    panel.get_by_label("Path").fill("/cats/7")
    panel.get_by_role("button", name="Send").click()
    expect(panel).to_contain_text("This is no rehearsal.")
    assert serious_axe_findings(page) == []
    panel.get_by_role("button", name="Send DELETE to Development").click()
    expect(panel.get_by_label("Answer", exact=True)).to_contain_text('"method": "DELETE"')

    assert CANARY not in page.content()
    tried = Event.objects.filter(action="connection.call_tried").order_by("sequence")
    assert [each.detail["path"] for each in tried] == ["/cats", "/cats/7"]
    assert complaints == []


def test_a_call_is_tried_without_javascript(browser, app_server, ada, pets):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{app_server.url}/sign-in/")
    page.get_by_label("E-mail").fill(ada.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()

    page.goto(f"{app_server.url}/connections/pets/guide/?environment=production")
    page.locator("#try").get_by_role("button", name="Send").click()
    page.get_by_role("button", name="Send GET to Production").click()

    expect(page.locator("#try").get_by_role("status")).to_contain_text("200 OK")
    expect(page.get_by_role("heading", name="Try it in Production")).to_be_visible()
    context.close()
