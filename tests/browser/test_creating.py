import pytest
from playwright.sync_api import expect

from connhub.connections.models import Connection, Status
from connhub.sharing import roles
from tests.browser.conftest import serious_axe_findings
from tests.browser.steps import expect_connected
from tests.factories import AuthMethodFactory, IntegrationFactory, ServiceFactory

pytestmark = pytest.mark.django_db(transaction=True)


def test_production_has_its_own_key_from_the_start(
    page, app_server, upstream, ada, sign_in, complaints
):
    service = ServiceFactory(
        slug="parts", base_url=upstream.url, test={"method": "GET", "path": "/key"}
    )
    AuthMethodFactory(service=service)
    integration = IntegrationFactory(slug="order-to-cash")
    roles.grant(integration, ada, by=ada)
    sign_in(ada)

    page.goto(f"{app_server.url}/connections/new/parts/")
    page.get_by_label("Connection name").press_sequentially("Parts")
    expect(page.get_by_label("Project", exact=True)).to_be_hidden()
    page.get_by_text("One project").click()
    page.get_by_label("Project", exact=True).select_option(str(integration.project))
    page.locator("[name=s_key_1]").fill(upstream.api_key)
    page.get_by_text("Own for each environment").click()
    expect(page.locator("[name=own-production-s_key_1]")).to_be_hidden()
    page.get_by_label("Production has its own").check()
    page.get_by_role("button", name="Create and Connect").click()
    expect(page.get_by_role("alert")).to_be_focused()
    assert serious_axe_findings(page) == []

    page.locator("[name=s_key_1]").fill(upstream.api_key)
    page.locator("[name=own-production-s_key_1]").fill("wrong")
    page.get_by_role("button", name="Test Connection").click()
    report = page.locator("#report")
    expect(report).to_contain_text("All environments: it works.")
    expect(report).to_contain_text("Production: the test failed.")
    page.locator("[name=own-production-s_key_1]").fill(upstream.api_key)
    page.get_by_role("button", name="Create and Connect").click()

    expect_connected(page, "parts")
    made = Connection.objects.get()
    assert made.availability.project == integration.project
    assert sorted(c.environment.slug if c.environment else "" for c in made.credentials.all()) == [
        "", "production",
    ]  # fmt: skip
    assert made.status == Status.CONNECTED
    assert complaints == []
