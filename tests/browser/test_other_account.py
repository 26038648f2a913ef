"""Reconnecting as somebody else, clicked through at a real provider."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import serious_axe_findings
from tests.browser.steps import expect_connected
from tests.browser.test_first_run_to_revoke import service_at
from tests.factories import connect

pytestmark = pytest.mark.django_db(transaction=True)


def test_somebody_else_is_asked_about_and_taken_on_a_yes(
    page, app_server, oauth_server, ada, sign_in, complaints
):
    registered = oauth_server.register(f"{app_server.url}/oauth/callback/acme-cloud/")
    method = service_at(oauth_server).auth_methods.get()
    method.config |= {"identity": {"path": "/me", "field": "user"}}
    method.save()
    client = {"client_id": registered.client_id, "client_secret": registered.client_secret}
    crm = connect(
        ada, method=method, name="CRM", link_name="crm", secrets={}, scopes=["read"], **client
    )
    sign_in(ada)

    reconnect_as(page, app_server.url, oauth_server, oauth_server.user)
    expect_connected(page, "crm")
    page.context.clear_cookies(name="oauth_server_session")
    reconnect_as(page, app_server.url, oauth_server, oauth_server.other_user)
    expect(page.get_by_role("heading", name="Another account than before")).to_be_visible()
    findings = serious_axe_findings(page)
    before = crm.credentials.get().account
    page.set_viewport_size({"width": 390, "height": 844})
    overflow = page.evaluate("document.documentElement.scrollWidth > innerWidth")
    page.get_by_role("button", name=f"Use {oauth_server.other_user}").click()
    expect_connected(page, "crm")

    assert (before, crm.credentials.get().account) == ("grace", "linus")
    assert (findings, overflow) == ([], False)
    assert complaints == []


def reconnect_as(page, url, oauth_server, user):
    page.goto(f"{url}/connections/crm/authorize/")
    page.get_by_role("button", name="Proceed").click()
    page.wait_for_url(f"{oauth_server.base_url}/**")
    page.locator("[name=username]").fill(user)
    page.locator("[name=password]").fill(oauth_server.password)
    page.locator("[type=submit]").click()
    page.locator("[name=allow]").click()
