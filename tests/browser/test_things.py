"""Projects, integrations, apps and functions in a browser: made, changed, registered, deleted."""

import pytest
from playwright.sync_api import expect

from connhub.usage import projects
from connhub.usage.models import App, Integration, Project
from tests.browser.conftest import serious_axe_findings
from tests.factories import connect

pytestmark = pytest.mark.django_db(transaction=True)


def test_app_and_function_are_saved_with_who_gains_and_keep_the_integration(
    page, app_server, ada, eve, sign_in, connection, integration, complaints
):
    projects.add_member(integration, eve, by=ada)
    connect(ada, method=connection.auth_method, name="Ledger", link_name="ledger")
    main, dialog = page.locator("main"), page.get_by_role("dialog")
    sign_in(ada)

    page.goto(f"{app_server.url}/integrations/order-to-cash/flows/")
    page.get_by_role("link", name="Apps", exact=True).click()
    page.get_by_role("link", name="New app").click()
    page.get_by_label("App name").press_sequentially("Desk")
    page.get_by_label("Data object", exact=True).fill("Orders")
    page.get_by_label("Search connections for").press_sequentially("bill")
    expect(main).not_to_contain_text("Ledger")
    page.get_by_label("Billing").check()
    page.get_by_role("button", name="Add data object").click()
    expect(page.get_by_label("Data object", exact=True).nth(1)).to_be_focused()
    page.get_by_role("button", name="Remove data object").nth(1).click()
    expect(page.get_by_label("Data object", exact=True)).to_have_count(1)
    assert serious_axe_findings(page) == []
    page.get_by_role("button", name="Save", exact=True).last.click()
    expect(main).to_contain_text("1 person gains access: Eve.")
    page.get_by_role("button", name="Register and save").click()
    expect(main).to_contain_text("Desk is saved. Registered Billing: Eve gained access.")

    page.goto(f"{app_server.url}/integrations/order-to-cash/functions/new/")
    page.get_by_label("Function name").fill("sync")
    page.get_by_label("Billing").check()
    page.get_by_role("button", name="Save", exact=True).last.click()
    expect(main).to_contain_text("sync is saved.")
    assert serious_axe_findings(page) == []

    page.goto(f"{app_server.url}/integrations/order-to-cash/connections/")
    page.get_by_role("link", name="Register connections").first.click()
    expect(dialog).to_contain_text("1 person gains access to one or more of these: Eve.")
    dialog.get_by_role("checkbox", name="Ledger").check()
    expect(dialog).to_contain_text("1 person gains access to what you ticked: Eve.")
    assert serious_axe_findings(page) == []
    dialog.get_by_role("button", name="Register").last.click()
    expect(main).to_contain_text("Ledger")

    page.get_by_label("More options for Order to cash").click()
    page.get_by_role("link", name="Delete integration").click()
    expect(dialog).to_contain_text("It still has 1 app (Desk) and 1 function (sync).")
    dialog.get_by_role("link", name="Apps of Order to cash").click()
    page.get_by_role("link", name="Desk").click()
    page.get_by_label("More options for Desk").click()
    page.get_by_role("link", name="Delete app").click()
    dialog.get_by_role("button", name="Delete").click()
    expect(main).to_contain_text("Desk is deleted.")

    assert not App.objects.exists()
    assert complaints == []


def test_project_is_made_filled_emptied_and_deleted(page, app_server, ada, sign_in, complaints):
    main, dialog = page.locator("main"), page.get_by_role("dialog")
    sign_in(ada)

    page.goto(f"{app_server.url}/projects/")
    page.get_by_role("link", name="Create project").first.click()
    page.get_by_label("Project name").fill("Sales")
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_role("heading", name="Sales")).to_be_visible()
    assert serious_axe_findings(page) == []

    page.get_by_role("link", name="Create integration").click()
    dialog.get_by_label("Integration name").press_sequentially("Lead sync")
    expect(dialog.get_by_role("combobox", name="Project")).to_have_value(Project.objects.get().slug)
    dialog.get_by_text("Integration app", exact=True).click()
    assert serious_axe_findings(page) == []
    dialog.get_by_role("button", name="Create").click()
    expect(page.get_by_role("heading", name="Lead sync")).to_be_visible()
    assert Integration.objects.get().kind == "app"

    page.get_by_label("More options for Lead sync").click()
    page.get_by_role("link", name="Edit integration").click()
    dialog.get_by_label("Integration name").fill("Leads")
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="Leads")).to_be_visible()
    page.get_by_label("More options for Leads").click()
    page.get_by_role("link", name="Delete integration").click()
    dialog.get_by_role("button", name="Delete").click()
    expect(main).to_contain_text("Leads is deleted.")

    page.get_by_role("link", name="Projects").click()
    page.get_by_role("link", name="Sales").click()
    page.get_by_label("More options for Sales").click()
    page.get_by_role("link", name="Delete project").click()
    dialog.get_by_role("button", name="Delete").click()
    expect(main).to_contain_text("Sales is deleted.")

    assert not Project.objects.exists()
    assert complaints == []
