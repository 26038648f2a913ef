"""From the first start to a proxied call and to its failure after Revoke, as a person does it."""

import pytest
from playwright.sync_api import Page, expect

from connhub.accounts import setup
from tests.browser.conftest import serious_axe_findings
from tests.browser.steps import call, integration_key
from tests.factories import PASSWORD, AuthMethodFactory, ServiceFactory

pytestmark = pytest.mark.django_db(transaction=True)


def service_at(oauth_server):
    """The OAuth 2.0 server as a service of ConnHub's catalogue."""
    service = ServiceFactory(
        slug="acme-cloud",
        name="Acme Cloud",
        base_url=oauth_server.api_url,
        test={"method": "GET", "path": "/me", "expect": [200]},
    )
    AuthMethodFactory(
        service=service,
        kind="oauth2_code",
        label="OAuth 2.0",
        config={
            "authorize_url": oauth_server.authorize_url,
            "token_url": oauth_server.token_url,
            "revoke_url": oauth_server.revoke_url,
            "token_auth": "client_secret_basic",
        },
        scopes=[
            {"name": "read", "label": "Read", "default": True},
            {"name": "write", "label": "Write"},
        ],
    )
    return service


def test_from_setup_to_a_proxied_call_and_its_failure_after_revoke(
    page: Page, app_server, oauth_server, complaints
):
    service_at(oauth_server)
    callback = f"{app_server.url}/oauth/callback/acme-cloud/"
    client_id, client_secret = oauth_server.register(callback)
    code = setup.issue_code()

    set_up(page, app_server.url, code)
    create_connection(page, client_id, client_secret)
    consent(page, oauth_server)
    expect(page.locator(".pagehead .pill")).to_have_text("Connected")
    assert serious_axe_findings(page) == []
    key = integration_key(page, app_server.url, "Sales CRM")
    before = call(app_server.url, key, "sales_crm", "/me")
    revoke(page, app_server.url)
    after = call(app_server.url, key, "sales_crm", "/me")

    assert before.status_code == 200
    assert (after.status_code, after.json()["type"].rsplit("/", 1)[-1]) == (
        409,
        "connection-revoked",
    )
    assert complaints == []


def set_up(page, url, code):
    page.goto(url)
    page.get_by_label("Setup code").fill(code)
    page.get_by_label("Your name").fill("Ana")
    page.get_by_label("E-mail").fill("ana@acme.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Set up").click()
    expect(page.get_by_role("heading", name="No connections yet")).to_be_visible()


def create_connection(page, client_id, client_secret):
    page.get_by_role("link", name="Create Connection").first.click()
    page.get_by_role("link", name="Custom services").click()
    page.get_by_role("link", name="Acme Cloud").click()
    page.get_by_label("Connection name").press_sequentially("Sales CRM")
    expect(page.get_by_label("Connection link name")).to_have_value("sales_crm")
    page.get_by_label("Client id").fill(client_id)
    page.get_by_label("Client secret", exact=True).fill(client_secret)
    page.get_by_role("button", name="Create and Connect").click()
    page.get_by_role("button", name="Proceed").click()


def consent(page, oauth_server):
    page.wait_for_url(f"{oauth_server.base_url}/**")
    page.locator("[name=username]").fill(oauth_server.user)
    page.locator("[name=password]").fill(oauth_server.password)
    page.locator("[type=submit]").click()
    page.locator("[name=allow]").click()
    page.wait_for_url("**/connections/sales_crm/")


def revoke(page, url):
    page.goto(f"{url}/connections/sales_crm/")
    page.locator("#summary").get_by_role("link", name="Revoke").first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Revoke").click()
    expect(page.locator(".pagehead .pill")).to_have_text("Revoked")
