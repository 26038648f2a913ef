"""The audit log and Django admin as a super admin uses them."""

import csv
import json

import pytest
from playwright.sync_api import expect

from connhub.audit.log import record_each
from connhub.connections import lifecycle
from connhub.connections.models import Connection
from tests.browser.conftest import serious_axe_findings
from tests.factories import connect

pytestmark = pytest.mark.django_db(transaction=True)

ADMIN_PAGES = (
    "", "connections/connection/", "connections/credential/", "audit/event/", "accounts/user/",
    "usage/integrationkey/", "services/service/", "accounts/session/", "accounts/invitation/",
    "connections/connection/?owner=ada",
)  # fmt: skip


@pytest.fixture
def history(ada, bob, root):
    """What Ada and Bob did, on more than a page."""
    made = connect(ada, name="Billing", link_name="billing")
    record_each("connection.edited", [(made, ["name"], {}) for _ in range(40)], by=ada)
    lifecycle.revoke(made, by=ada)


def test_the_log_is_filtered_paged_and_exported(
    page, app_server, root, history, sign_in, complaints
):
    sign_in(root)
    page.goto(f"{app_server.url}/audit/")
    expect(page.get_by_text("Ada revoked Billing")).to_be_visible()

    page.get_by_label("Connection", exact=True).fill("billing")
    page.get_by_label("Kind").select_option("connection.edited")
    expect(page.locator("#events tbody tr")).to_have_count(25)
    expect(page.get_by_text("Ada revoked Billing")).to_have_count(0)
    page.get_by_role("link", name="Older").click()
    expect(page.locator("#events tbody tr")).to_have_count(15)
    assert "kind=connection.edited" in page.url
    with page.expect_download() as csv_file:
        page.get_by_role("link", name="CSV").click()
    with page.expect_download() as lines_file:
        page.get_by_role("link", name="JSON lines").click()

    rows = list(csv.DictReader(csv_file.value.path().read_text().splitlines()))
    lines = [json.loads(line) for line in lines_file.value.path().read_text().splitlines()]
    assert [row["sentence"] for row in rows] == ["Ada edited Billing"] * 40
    assert [line["sequence"] for line in lines] == [int(row["sequence"]) for row in rows]
    page.locator("#events tbody tr a", has_text="ago").or_(
        page.locator("#events tbody tr td[data-label=When] a")
    ).first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Event")
    assert complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_audit_and_admin_pages_are_accessible_and_fit(
    page, app_server, root, history, sign_in, complaints, scheme, width
):
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 900})
    sign_in(root)
    row = Connection.objects.get()
    paths = ["/audit/", "/audit/?person=nobody", "/audit/1/"]
    paths += [f"/admin/{path}" for path in ADMIN_PAGES]
    paths += [f"/admin/connections/connection/{row.pk}/change/"]

    findings = {}
    for path in paths:
        page.goto(app_server.url + path)
        found = serious_axe_findings(page)
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            found.append("wider than the window")
        if found:
            findings[path] = found

    assert findings == {}
    assert complaints == []
