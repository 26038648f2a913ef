"""Find Usage, from the grid to the picture and the table."""

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from connhub.sharing import roles
from connhub.usage import registration
from connhub.usage.models import CallStep, Flow, Step
from tests.browser.conftest import serious_axe_findings
from tests.factories import IntegrationFactory, connect

IS_WHOLE = "document.documentElement.scrollWidth <= innerWidth"
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def used(ada):
    """Registered with an integration of 12 flows, each with a step; one call was observed."""
    made = connect(ada)
    integration = IntegrationFactory(name="Order to cash", slug="order-to-cash")
    roles.grant(integration, ada, by=ada)
    registration.register(integration, [made], by=ada)
    for number in range(12):
        flow = Flow.objects.create(
            slug=f"flow-{number}", name=f"Flow {number:02}", integration=integration
        )
        Step.objects.create(flow=flow, kind="export", name="Orders", connection=made)
    CallStep.objects.create(
        connection=made, integration=integration, flow="flow-0", step="Guests",
        ok=1, last_at=timezone.now(),
    )  # fmt: skip
    return made


def test_find_usage_from_the_grid(page, app_server, used, ada, sign_in, complaints):
    sign_in(ada)

    page.get_by_label("More options for Billing").click()
    page.get_by_role("link", name="Find usage").click()
    expect(page.locator("svg.graph")).to_contain_text("used, not declared")
    expect(page.locator("svg.graph .dashed")).to_have_count(7)
    found = serious_axe_findings(page)
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate(IS_WHOLE)
    page.set_viewport_size({"width": 1440, "height": 900})
    page.get_by_role("link", name="Table", exact=True).focus()
    page.keyboard.press("Enter")
    expect(page.locator("tbody tr")).to_have_count(13)
    expect(page.get_by_role("link", name="Table", exact=True)).to_be_focused()
    found += serious_axe_findings(page)
    page.get_by_role("link", name="Picture", exact=True).click()
    page.get_by_role("link", name="and 5 more: flows").click()
    page.wait_for_url("**/usage/?view=table&in=order-to-cash")
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate(IS_WHOLE)

    assert found == []
    assert complaints == []
