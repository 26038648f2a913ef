"""A connect link, from an admin who makes it to somebody without an account who uses it."""

import re

import pytest
from playwright.sync_api import expect

from connhub.connections.models import Connection
from tests.browser.conftest import serious_axe_findings
from tests.browser.test_first_run_to_revoke import service_at
from tests.connections.connect_links.conftest import send
from tests.factories import AuthMethodFactory, ServiceFactory, connect

pytestmark = pytest.mark.django_db(transaction=True)
PHONE = {"width": 390, "height": 844}


@pytest.fixture
def phone(browser, app_server):
    """Somebody else's browser, the width of a phone."""
    with browser.new_context(viewport=PHONE) as context:
        yield context.new_page()


def seen(page) -> tuple:
    """Serious axe findings, and whether the page is wider than its window."""
    overflow = page.evaluate("document.documentElement.scrollWidth > innerWidth")
    return serious_axe_findings(page), overflow


FINE = ([], False)


def test_from_the_link_to_connected_in_another_browser(
    page, phone, app_server, oauth_server, ada, sign_in, complaints
):
    registered = oauth_server.register(f"{app_server.url}/oauth/callback/acme-cloud/")
    method = service_at(oauth_server).auth_methods.get()
    client = {"client_id": registered.client_id, "client_secret": registered.client_secret}
    connect(ada, method=method, name="CRM", link_name="crm", secrets={}, scopes=["read"], **client)
    sign_in(ada)

    page.goto(f"{app_server.url}/connections/crm/")
    page.get_by_role("link", name="Connect", exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("link", name="Send connect link").click()
    dialog.get_by_label("Note").fill("For the nightly sync")
    found = [seen(page)]
    dialog.get_by_role("button", name="Make link").click()
    address = dialog.locator("#connect-link").inner_text().strip()
    found.append(seen(page))
    dialog.get_by_role("button", name="Done").click()
    expect(page.locator("#summary")).to_contain_text("not opened yet")

    phone.goto(address)
    expect(phone).to_have_url(re.compile(r"/connect/[0-9a-f-]{36}/$"))
    expect(phone.get_by_role("heading", name="Connect Acme Cloud")).to_be_visible()
    expect(phone.locator("main")).to_contain_text("For the nightly sync")
    expect(phone.locator("nav")).to_have_count(0)
    found.append(seen(phone))
    phone.get_by_label("Your name").fill("Grace")
    phone.get_by_role("button", name="Proceed").click()
    phone.wait_for_url(f"{oauth_server.base_url}/**")
    phone.locator("[name=username]").fill(oauth_server.user)
    phone.locator("[name=password]").fill(oauth_server.password)
    phone.locator("[type=submit]").click()
    phone.locator("[name=allow]").click()
    expect(phone.get_by_role("heading", name="Connected")).to_be_visible()
    found.append(seen(phone))
    phone.goto(address)
    expect(phone.get_by_role("heading", name="This link is over")).to_be_visible()
    found.append(seen(phone))
    phone.goto(f"{app_server.url}/connections/crm/")
    expect(phone.get_by_role("heading", name="Sign in")).to_be_visible()

    page.reload()
    expect(page.locator(".pagehead .pill")).to_have_text("Connected")
    expect(page.locator("#summary")).to_contain_text(
        "Connect link of Ada connected CRM (all, Grace)"
    )
    assert found == [FINE] * 5
    assert address.rpartition("chl_")[2].strip("/") not in app_server.log
    assert complaints == []


def test_a_key_is_typed_wrongly_then_rightly_on_a_phone(phone, app_server, upstream, ada):
    service = ServiceFactory(
        name="Parcels", base_url=upstream.url, test={"method": "GET", "path": "/key"}
    )
    parcels = connect(ada, method=AuthMethodFactory(service=service), name="Parcels")
    sent = send(parcels, ada)

    phone.goto(app_server.url + sent.url)
    phone.get_by_label("API key").fill("mistyped")
    phone.get_by_role("button", name="Connect").click()
    expect(phone.get_by_role("alert")).to_contain_text("Nothing was saved")
    findings = seen(phone)
    phone.get_by_label("API key").fill(upstream.api_key)
    phone.get_by_role("button", name="Connect").click()
    expect(phone.get_by_role("heading", name="Connected")).to_be_visible()

    assert findings == FINE
    assert Connection.objects.get().credentials.get().tested_at


def test_an_open_link_is_withdrawn_on_the_summary(page, app_server, ada, sign_in, complaints):
    made = connect(ada)
    link = send(made, ada).link
    sign_in(ada)

    page.set_viewport_size(PHONE)
    page.goto(f"{app_server.url}/connections/billing/")
    findings = seen(page)
    page.get_by_role("button", name="Withdraw the connect link of Ada").click()
    expect(page.locator("#toasts")).to_contain_text("The link is withdrawn.")
    expect(page.get_by_role("button", name="Withdraw the connect link of Ada")).to_have_count(0)

    link.refresh_from_db()
    assert link.withdrawn_at
    assert findings == FINE
    assert complaints == []
