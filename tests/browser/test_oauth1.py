"""OAuth 1.0a as a person does it: from a new service to a call that the provider verified."""

import pytest
import requests
from playwright.sync_api import Page, expect

from tests.browser.conftest import serious_axe_findings

# What htmx says of each preview that a newer one replaced while somebody typed.
REPLACED = ("htmx:afterRequest, [object HTMLDivElement]", "htmx:sendAbort, [object HTMLDivElement]")

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("signing", ["HMAC-SHA256", "RSA-SHA1"])
def test_from_the_gallery_to_a_call_that_the_provider_verified(
    page: Page, app_server, oauth1_server, root, sign_in, complaints, signing
):
    consumer = oauth1_server.register(
        f"{app_server.url}/oauth/callback/photo_box/", signing=signing
    )
    sign_in(root)

    define_service(page, app_server.url, oauth1_server, signing)
    create_connection(page, app_server.url, consumer)
    consent(page, oauth1_server)
    try_connection(page)
    assert serious_axe_findings(page) == []
    key = integration_key(page, app_server.url)
    answer = requests.post(
        f"{app_server.url}/api/v1/connections/holiday/proxy/albums?year=2026",
        data={"title": "Café au lait", "place": "Évian"},
        headers={"Authorization": f"Bearer {key}"},
        timeout=10,
    )

    assert answer.status_code == 200
    assert answer.json() | {"user": None, "body": None} == {
        "query": [["year", "2026"]],
        "form": [["title", "Café au lait"], ["place", "Évian"]],
        "realm": "Photos",
        "signing": signing,
        "user": None,
        "body": None,
    }
    assert [said for said in complaints if said not in REPLACED] == []


def define_service(page, url, oauth1_server, signing):
    page.goto(f"{url}/services/new/")
    page.get_by_role("link", name="OAuth 1.0a").click()
    page.get_by_label("Service name").press_sequentially("Photo Box")
    expect(page.get_by_label("Service link name")).to_have_value("photo_box")
    page.get_by_label("Base URL", exact=True).fill(oauth1_server.api_url)
    page.get_by_label("Request token URL").fill(oauth1_server.config["request_token_url"])
    page.get_by_label("Authorize URL").fill(oauth1_server.config["authorize_url"])
    page.get_by_label("Access token URL").fill(oauth1_server.config["access_token_url"])
    page.get_by_label("Signature method").select_option(signing)
    page.get_by_label("Realm").fill("Photos")
    page.get_by_label("Test path").fill("/me")
    expect(page.locator("#preview")).to_contain_text('realm="Photos"')
    assert serious_axe_findings(page) == []
    page.get_by_role("button", name="Create Service").click()
    page.wait_for_url("**/services/photo_box/")


def create_connection(page, url, consumer):
    page.goto(f"{url}/connections/new/")
    page.get_by_role("link", name="Custom services").click()
    page.get_by_role("link", name="Photo Box").click()
    page.get_by_label("Connection name").press_sequentially("Holiday")
    page.get_by_label("Consumer key").fill(consumer.client_id)
    secret = "Private key" if "BEGIN" in consumer.client_secret else "Consumer secret"
    page.get_by_label(secret).fill(consumer.client_secret)
    assert serious_axe_findings(page) == []
    page.get_by_role("button", name="Create and Connect").click()
    page.get_by_role("button", name="Proceed").click()


def consent(page, oauth1_server):
    page.wait_for_url(f"{oauth1_server.base_url}/**")
    page.get_by_label("User").fill(oauth1_server.user)
    page.get_by_label("Password").fill(oauth1_server.password)
    page.get_by_role("button", name="Allow").click()
    page.wait_for_url("**/connections/holiday/")
    expect(page.locator(".pagehead .pill")).to_have_text("Connected")


def try_connection(page):
    page.locator("#summary").get_by_role("link", name="Test connection").first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Test Connection").click()
    expect(dialog).to_contain_text("GET /me answered 200.")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


def integration_key(page, url):
    page.goto(f"{url}/integrations/")
    page.get_by_role("link", name="Create integration").first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Integration name").press_sequentially("Yearbook")
    dialog.get_by_label("Project name").fill("Marketing")
    dialog.get_by_role("button", name="Create").click()
    page.wait_for_url("**/connections/")
    page.get_by_role("link", name="Register connections").first.click()
    dialog.get_by_label("Holiday").check()
    dialog.get_by_role("button", name="Register", exact=True).click()
    expect(page.locator("table.cards")).to_contain_text("Holiday")
    page.get_by_role("link", name="Keys").click()
    page.get_by_role("link", name="Create key").first.click()
    dialog.get_by_label("Key name").fill("nightly")
    dialog.get_by_role("button", name="Create key").click()
    return dialog.locator("#token").inner_text().strip()
