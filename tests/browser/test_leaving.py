"""Off-boarding somebody, from the list of people until nothing is left, in a browser."""

import pytest
from playwright.sync_api import expect

from connhub.accounts import environments
from connhub.sharing import roles
from connhub.usage import keys
from tests.browser.conftest import serious_axe_findings
from tests.factories import connect

pytestmark = pytest.mark.django_db(transaction=True)


ABOUT = {
    "With others": "These have other admins.",
    "Integrations": "Integrations whose members",
    "Connected by them": "These go on working",
    "Keys issued": "Keys that still work",
}


def back(page):
    page.get_by_role("link", name="Back to off-boarding").click()
    expect(page.get_by_role("heading", name="Off-boarding Ada")).to_be_visible()


def show(page, kind):
    page.locator(".chip", has_text=kind).click()
    expect(page.locator("#leaving")).to_contain_text(ABOUT[kind])


def test_from_the_people_page_until_somebody_is_deactivated(
    page, app_server, connection, integration, ada, bob, eve, root, sign_in, complaints
):
    ledger = connect(ada, name="Ledger", link_name="ledger")
    key, _ = keys.issue(integration, environments.lowest(), name="nightly", by=ada)
    sign_in(root)
    page.goto(f"{app_server.url}/people/")
    page.get_by_role("link", name="Ada").click()
    page.get_by_role("link", name="Off-boarding").click()
    expect(page.get_by_role("heading", name="Off-boarding Ada")).to_be_visible()
    findings = serious_axe_findings(page)

    page.get_by_role("link", name="Deactivate").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("1 connection that they alone administer")
    expect(dialog.get_by_role("button", name="Deactivate anyway")).to_have_count(0)
    findings += serious_axe_findings(page)
    dialog.get_by_role("link", name="Transfer", exact=True).click()

    page.get_by_role("button", name="Transfer Ledger").click()
    page.get_by_label("Search people").fill("eve")
    expect(page.get_by_role("checkbox")).to_have_count(1)
    page.get_by_label("Eve eve@").check()
    findings += serious_axe_findings(page)
    page.get_by_role("button", name="Transfer", exact=True).click()
    expect(page.locator("table.cards")).to_contain_text("Transferred to Eve.")
    findings += serious_axe_findings(page)
    back(page)

    for kind in ("With others", "Integrations"):
        show(page, kind)
        page.get_by_role("button", name="Transfer: all 1").click()
        page.get_by_label("Bob bob@").check()
        page.get_by_role("button", name="Transfer", exact=True).click()
        back(page)

    show(page, "Connected by them")
    page.get_by_label("More options for Billing").click()
    page.get_by_role("link", name="Share to myself").click()
    dialog.get_by_role("button", name="Share to myself").click()
    expect(page.locator(".toast")).to_contain_text("You administer Billing now.")
    page.get_by_role("button", name="Ask to re-authorize Ledger").click()
    expect(page.locator("table.cards")).to_contain_text("Its admins are asked.")
    back(page)
    show(page, "Connected by them")
    expect(page.locator("table.cards")).to_contain_text("Asked just now")
    page.get_by_role("button", name="Revoke: all 2").click()
    findings += serious_axe_findings(page)
    page.get_by_role("button", name="Revoke", exact=True).click()
    expect(page.locator("table.cards")).to_contain_text("Share it to yourself first")
    back(page)

    show(page, "Keys issued")
    page.get_by_role("button", name="Revoke nightly").click()
    page.get_by_role("button", name="Revoke", exact=True).click()
    expect(page.locator("table.cards")).to_contain_text("Revoked.")
    back(page)
    page.get_by_role("link", name="Deactivate").click()
    expect(dialog).to_contain_text("1 credential that they authorized or typed in")
    dialog.get_by_role("button", name="Deactivate anyway").click()
    expect(page.get_by_text("Ada is deactivated.")).to_be_visible()

    ada.refresh_from_db()
    key.refresh_from_db()
    assert not ada.is_active
    assert not key.is_usable
    assert list(roles.admins(ledger)) == [eve]
    assert set(roles.admins(connection)) == {bob, root}
    assert not connection.credentials.get().payload
    assert (findings, complaints) == ([], [])
