"""Who can use this, and what a person reaches, looked at in a browser, wide and narrow."""

import pytest
from playwright.sync_api import expect

from connhub.accounts import environments
from connhub.accounts.models import Team, User
from connhub.sharing import roles
from connhub.usage import keys, projects, registration
from connhub.usage.models import Membership
from tests.browser.conftest import serious_axe_findings
from tests.factories import IntegrationFactory, UserFactory, connect

IS_WHOLE = "document.documentElement.scrollWidth <= innerWidth"
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def shared(ada):
    """Shared with a team, registered with an integration of 40 members and one key."""
    made = connect(ada)
    integration = IntegrationFactory(name="Order to cash", slug="order-to-cash")
    roles.grant(integration, ada, by=ada)
    roles.grant(made, Team.objects.create(name="Data"), by=ada)
    registration.register(integration, [made], by=ada)
    projects.add_member(integration, UserFactory(name="Zoe"), by=ada)
    others = User.objects.bulk_create(
        User(name=f"Person {n:02}", email=f"many{n}@acme.example", password="!") for n in range(39)
    )
    Membership.objects.bulk_create(Membership(integration=integration, user=u) for u in others)
    keys.issue(integration, environments.lowest(), name="nightly", by=ada)
    return made


@pytest.mark.parametrize(
    ("scheme", "width", "height"),
    [("light", 1440, 900), ("dark", 1440, 900), ("light", 390, 844), ("dark", 390, 844)],
)
def test_who_can_use_this(
    page, app_server, shared, ada, sign_in, complaints, scheme, width, height
):
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": height})
    sign_in(ada)

    page.goto(f"{app_server.url}/connections/billing/")
    page.get_by_role("link", name="Who can use this?").click()
    expect(page.locator("svg.graph")).to_contain_text("and 39 more")
    assert page.evaluate(IS_WHOLE)
    found = serious_axe_findings(page)
    page.get_by_label("Filter by name").fill("zoe")
    expect(page.locator("#access tbody tr")).to_have_count(1)
    expect(page.locator("#access")).to_contain_text("Member of Order to cash")
    page.get_by_label("Filter by name").fill("")
    page.get_by_text("Keys 1", exact=True).click()
    expect(page.locator("#access tbody tr")).to_contain_text("nightly")

    page.goto(f"{app_server.url}/profile/access/")
    expect(page.locator("svg.graph")).to_contain_text("Order to cash")
    assert page.evaluate(IS_WHOLE)
    found += serious_axe_findings(page)

    assert found == []
    assert complaints == []
