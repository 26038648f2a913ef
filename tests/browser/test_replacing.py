"""A connection that flows depend on: not deleted, replaced as previewed, and then deleted, in a browser."""

import pytest
from playwright.sync_api import expect

from connhub.connections.models import Connection
from connhub.usage.models import Flow, Registration, Step
from tests.browser.conftest import serious_axe_findings
from tests.factories import connect

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def used(connection, integration):
    """The connection, registered and used by one step of a flow."""
    Registration.objects.create(integration=integration, connection=connection)
    nightly = Flow.objects.create(slug="nightly", name="Nightly", integration=integration)
    Step.objects.create(flow=nightly, kind="export", name="read", connection=connection)
    return connection


def test_what_is_in_use_is_replaced_and_then_deleted(
    page, app_server, ada, sign_in, used, integration, complaints
):
    connect(ada, method=used.auth_method, name="Successor", link_name="successor")
    sign_in(ada)
    summary = f"{app_server.url}/connections/{used.link_name}/"
    page.goto(summary)
    dialog = page.get_by_role("dialog")

    page.get_by_role("link", name="Delete", exact=True).first.click()
    expect(dialog).to_contain_text("Nightly")
    expect(dialog.get_by_role("button", name="Delete", exact=True)).to_have_count(0)

    dialog.get_by_role("link", name="Replace it everywhere").click()
    page.get_by_label("Replace it by").select_option("successor")
    page.get_by_role("button", name="Preview").click()
    expect(page.locator("main")).to_contain_text(
        "1 step, 0 data objects and 0 functions move to Successor"
    )
    assert serious_axe_findings(page) == []
    page.get_by_role("button", name="Replace", exact=True).click()
    page.wait_for_url("**/connections/successor/**")

    assert Step.objects.get().connection.link_name == "successor"
    page.goto(f"{summary}delete/")
    page.get_by_role("button", name="Delete", exact=True).click()
    page.wait_for_url("**/connections/")
    assert not Connection.objects.live().filter(pk=used.pk).exists()
    assert complaints == []
