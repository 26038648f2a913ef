"""Sharing a connection, clicked through by two people at once, and by a super admin."""

import pytest
from playwright.sync_api import expect

from connhub.accounts.models import User
from connhub.sharing import roles
from tests.browser.conftest import serious_axe_findings
from tests.factories import PASSWORD, UserFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def second(browser, app_server, browser_context_args):
    """A function: the page of somebody else, in a browser of their own."""
    contexts = []

    def second(person):
        contexts.append(browser.new_context(**browser_context_args))
        page = contexts[-1].new_page()
        page.goto(f"{app_server.url}/sign-in/")
        page.get_by_label("E-mail").fill(person.email)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/connections/")
        return page

    yield second
    for context in contexts:
        context.close()


def test_share_be_shared_with_and_remove(
    page, app_server, connection, ada, eve, sign_in, second, complaints
):
    url = f"{app_server.url}/connections/billing/"
    UserFactory(name="Evelyn", email="evelyn@acme.example")
    theirs = second(eve)
    sign_in(ada)

    page.goto(url)
    page.get_by_role("link", name="Share", exact=True).last.click()
    expect(page.get_by_role("heading", name="Share connections")).to_be_visible()
    page.get_by_role("link", name="+ Add admin").click()
    dialog = page.get_by_role("dialog", name="Add users")
    dialog.get_by_label("Search people").fill("eve")
    expect(dialog.get_by_role("checkbox")).to_have_count(2)
    findings = serious_axe_findings(page)
    dialog.get_by_label("Eve eve@").check()
    dialog.get_by_role("searchbox").fill("nobody at all")
    expect(dialog.get_by_role("checkbox")).to_have_count(1)
    dialog.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator("table.cards")).to_contain_text("eve@acme.example")
    theirs.goto(url)
    expect(theirs.get_by_role("heading", name="Billing")).to_be_visible()
    findings += serious_axe_findings(page)

    page.get_by_label("More options for Eve").click()
    page.get_by_role("link", name="Remove access").last.click()
    expect(page.get_by_role("dialog")).to_contain_text("Eve will no longer see Billing")
    findings += serious_axe_findings(page)
    page.get_by_role("button", name="Remove access").click()
    expect(page.locator("table.cards")).not_to_contain_text("eve@acme.example")
    gone = theirs.reload()

    assert gone.status == 404
    assert findings == []
    assert complaints == []


def test_a_super_admin_shares_to_themself_and_undoes_it(
    page, app_server, connection, ada, root, sign_in, second, complaints
):
    url = f"{app_server.url}/connections/billing/"
    theirs = second(ada)
    sign_in(root)

    page.goto(url)
    page.get_by_role("link", name="Share to myself").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Ada, Bob will see it.")
    dialog.get_by_role("button", name="Share to myself").click()
    expect(page.get_by_role("button", name="Undo share to myself")).to_be_visible()
    expect(page.get_by_role("link", name="Edit", exact=True).first).to_be_visible()
    findings = serious_axe_findings(page)
    theirs.goto(f"{url}share/")
    expect(theirs.locator("table.cards")).to_contain_text("Shared to themself")
    page.get_by_role("button", name="Undo share to myself").click()
    expect(page.get_by_role("link", name="Share to myself")).to_be_visible()
    theirs.reload()

    expect(theirs.locator("table.cards")).not_to_contain_text("Root")
    assert findings == []
    assert complaints == []


def test_a_super_admin_shares_an_integration_to_themself_and_adds_an_admin(
    page, app_server, integration, eve, root, sign_in, complaints
):
    sign_in(root)

    page.goto(f"{app_server.url}/integrations/order-to-cash/connections/")
    page.get_by_role("link", name="Share", exact=True).click()
    page.get_by_role("link", name="Share to myself").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Ada will see it.")
    dialog.get_by_role("button", name="Share to myself").click()
    expect(page.get_by_role("link", name="Share to myself")).to_have_count(0)
    page.get_by_role("link", name="+ Add admin").click()
    dialog.get_by_label("Eve eve@").check()
    dialog.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator("table.cards")).to_contain_text("eve@acme.example")
    findings = serious_axe_findings(page)
    page.get_by_role("button", name="Undo share to myself").click()
    expect(page.get_by_role("link", name="Share to myself")).to_be_visible()

    assert set(roles.admins(integration)) == {User.objects.get(name="Ada"), eve}
    assert (findings, complaints) == ([], [])


def test_sharing_without_javascript(
    browser, app_server, browser_context_args, connection, ada, eve
):
    context = browser.new_context(**browser_context_args, java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{app_server.url}/sign-in/")
    page.get_by_label("E-mail").fill(ada.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.goto(f"{app_server.url}/connections/billing/share/")

    page.get_by_role("link", name="+ Add admin").click()
    page.get_by_role("searchbox", name="Search people").fill("eve")
    page.get_by_role("button", name="Search", exact=True).click()
    page.get_by_label("Eve eve@").check()
    page.get_by_role("button", name="Add", exact=True).click()

    expect(page.locator("table.cards")).to_contain_text("eve@acme.example")
    context.close()
