"""Flows in a browser: saved with the reminder, kept after deregistering, attached."""

import pytest
from playwright.sync_api import expect

from connhub.usage import flows, projects
from connhub.usage.models import Flow, Registration
from tests.browser.conftest import serious_axe_findings
from tests.factories import connect

pytestmark = pytest.mark.django_db(transaction=True)


def test_flow_registers_what_it_selects_keeps_it_and_another_is_attached(
    page, app_server, ada, eve, sign_in, connection, integration, complaints
):
    projects.add_member(integration, eve, by=ada)
    ledger = connect(ada, method=connection.auth_method, name="Ledger", link_name="ledger")
    step = flows.DeclaredStep("Books", "import", "ledger")
    flows.create("alone", name="Alone", steps=[step], integration=None, by=ada)
    main, dialog = page.locator("main"), page.get_by_role("dialog")
    sign_in(ada)

    page.goto(f"{app_server.url}/integrations/order-to-cash/flows/")
    page.get_by_role("link", name="New flow").first.click()
    page.get_by_label("Flow name").press_sequentially("Nightly")
    page.get_by_label("Step", exact=True).fill("Orders")
    page.get_by_label("Search connections for").press_sequentially("bill")
    expect(main).not_to_contain_text("Ledger")
    page.get_by_label("Billing").check()
    page.get_by_role("button", name="Add step").click()
    expect(page.get_by_label("Step", exact=True).nth(1)).to_be_focused()
    page.get_by_role("button", name="Remove step").nth(1).click()
    expect(page.get_by_label("Step", exact=True)).to_have_count(1)
    assert serious_axe_findings(page) == []
    page.get_by_role("button", name="Save", exact=True).last.click()
    expect(main).to_contain_text("1 person gains access: Eve.")
    assert serious_axe_findings(page) == []
    page.get_by_role("button", name="Register and save").click()
    expect(main).to_contain_text("Nightly is saved. Registered Billing: Eve gained access.")
    assert list(integration.connections.all()) == [connection]

    page.goto(f"{app_server.url}/integrations/order-to-cash/connections/")
    page.get_by_label("More options for Billing").click()
    page.get_by_role("link", name="Deregister connection").click()
    dialog.get_by_role("button", name="Deregister").click()
    expect(main).to_contain_text("In use, not registered")

    page.get_by_role("link", name="Flows").click()
    page.get_by_role("link", name="Attach flow").click()
    dialog.get_by_role("radio", name="Alone").check()
    dialog.get_by_role("button", name="Attach").click()
    expect(dialog).to_contain_text("Ledger")
    assert serious_axe_findings(page) == []
    dialog.get_by_role("button", name="Register and attach").click()
    expect(main).to_contain_text("Alone is attached to Order to cash.")

    assert Registration.objects.get().connection == ledger
    assert Flow.objects.filter(integration=integration).count() == 2
    assert complaints == []
