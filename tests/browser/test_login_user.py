"""From the gallery to a call in a person's name, over a connection that uses login users' credentials."""

import pytest
import requests
from playwright.sync_api import expect

from connhub.accounts import environments
from connhub.usage import keys, projects
from tests.browser.conftest import serious_axe_findings
from tests.browser.test_first_run_to_revoke import service_at
from tests.factories import AuthMethodFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def key(ada, eve, integration):
    """Of an integration that eve is a member of."""
    projects.add_member(integration, eve, by=ada)
    return keys.issue(integration, environments.lowest(), name="nightly", by=ada)[1]


def test_flow_acts_for_the_member_who_signed_in(
    page, app_server, oauth_server, ada, eve, key, sign_in, complaints
):
    service_at(oauth_server)
    client = oauth_server.register(f"{app_server.url}/oauth/callback/acme-cloud/")

    sign_in(ada)
    create_for_login_users(page, client)
    register_with_integration(page, app_server.url)
    before = call(app_server.url, key, eve)
    sign_out(page)
    sign_in(eve)
    page.goto(before.json()["authorize_url"])
    page.get_by_role("button", name="Proceed").click()
    consent_as(page, oauth_server, oauth_server.other_user)
    expect(page.locator("table.cards .pill")).to_have_text("Connected")
    findings = serious_axe_findings(page)
    after = call(app_server.url, key, eve)
    remove(page)
    removed = call(app_server.url, key, eve)

    assert (before.status_code, problem_of(before)) == (409, "authorize-as-user")
    assert (after.status_code, after.json()) == (200, {"user": oauth_server.other_user})
    assert (removed.status_code, problem_of(removed)) == (409, "authorize-as-user")
    assert findings == []
    assert complaints == []


def create_for_login_users(page, client):
    page.get_by_role("link", name="Create Connection").first.click()
    page.get_by_role("link", name="Custom services").click()
    page.get_by_role("link", name="Acme Cloud").click()
    page.get_by_label("Connection name").press_sequentially("Sales CRM")
    page.get_by_label("Client id").fill(client.client_id)
    page.get_by_label("Client secret", exact=True).fill(client.client_secret)
    page.get_by_role("switch", name="Use Credentials of Login User").check()
    page.get_by_role("button", name="Create and Connect").click()
    page.wait_for_url("**/connections/sales_crm/")
    expect(page.locator(".pagehead .pill")).to_have_text("Connected")
    assert serious_axe_findings(page) == []


def register_with_integration(page, url):
    page.goto(f"{url}/integrations/order-to-cash/connections/")
    page.get_by_role("link", name="Register connections").first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Sales CRM").check()
    dialog.get_by_role("button", name="Register", exact=True).click()
    expect(page.locator("table.cards")).to_contain_text("Sales CRM")


def sign_out(page):
    page.locator("summary[aria-label^=Account]").click()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/sign-in/**")


def consent_as(page, oauth_server, user):
    page.wait_for_url(f"{oauth_server.base_url}/**")
    page.locator("[name=username]").fill(user)
    page.locator("[name=password]").fill(oauth_server.password)
    page.locator("[type=submit]").click()
    page.locator("[name=allow]").click()
    page.wait_for_url("**/profile/sign-ins/")


def remove(page):
    page.get_by_role("link", name="Remove").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(page.locator("table.cards .pill")).to_have_text("Not connected")


def call(url, key, person):
    return requests.get(
        f"{url}/api/v1/connections/sales_crm/proxy/me",
        headers={"Authorization": f"Bearer {key}", "X-ConnHub-User": person.email},
        timeout=10,
    )


def problem_of(answer):
    return answer.json()["type"].rpartition("/")[2]


def test_secrets_are_asked_only_while_the_switch_is_off(page, app_server, ada, sign_in):
    service = AuthMethodFactory().service
    sign_in(ada)

    page.goto(f"{app_server.url}/connections/new/{service.slug}/")
    switch = page.get_by_role("switch", name="Use Credentials of Login User")
    expect(page.get_by_label("API key").first).to_be_visible()
    switch.check()
    expect(page.get_by_label("API key").first).to_be_hidden()
    switch.uncheck()

    expect(page.get_by_label("API key").first).to_be_visible()
