"""The account's environments, as a super admin changes them in a browser."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import serious_axe_findings

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_environment_is_added_moved_renamed_and_removed(
    page, app_server, root, sign_in, complaints
):
    sign_in(root)
    page.goto(f"{app_server.url}/environments/")
    names, dialog = page.locator("tbody .name"), page.get_by_role("dialog")
    expect(names).to_have_text(["Development", "Staging", "Production"])

    page.get_by_role("link", name="Add environment").click()
    dialog.get_by_label("Name").fill("Acceptance")
    dialog.get_by_label("Short form").fill("acc")
    assert serious_axe_findings(page) == []
    dialog.get_by_role("button", name="Add").click()
    expect(names).to_have_text(["Development", "Staging", "Production", "Acceptance"])

    page.get_by_role("button", name="Move Acceptance up").click()
    expect(names).to_have_text(["Development", "Staging", "Acceptance", "Production"])

    row = page.get_by_role("row").filter(has_text="Acceptance")
    row.get_by_role("link", name="Rename").click()
    dialog.get_by_label("Name").fill("Production")
    dialog.get_by_role("button", name="Rename").click()
    expect(dialog.locator(".error")).to_be_visible()
    dialog.get_by_label("Name").fill("Preproduction")
    dialog.get_by_role("button", name="Rename").click()
    expect(names).to_have_text(["Development", "Staging", "Preproduction", "Production"])

    row = page.get_by_role("row").filter(has_text="Preproduction")
    row.get_by_role("link", name="Remove").click()
    dialog.get_by_role("button", name="Remove").click()
    expect(names).to_have_text(["Development", "Staging", "Production"])
    assert complaints == []
