"""Every page, as people have it before them: wide and narrow, light and dark, without a mouse."""

import pytest
from playwright.sync_api import expect

from connhub.accounts import environments
from connhub.sharing import roles
from connhub.usage import data_objects, declaring, flows, functions, keys
from tests.browser.conftest import serious_axe_findings
from tests.factories import PASSWORD, IntegrationFactory, connect
from tests.usage.calls import called

pytestmark = pytest.mark.django_db(transaction=True)

PATHS = (
    "/connections/",
    "/connections/new/",
    "/connections/new/SERVICE/",
    "/connections/billing/",
    "/connections/billing/edit/",
    "/connections/billing/revoke/",
    "/connections/billing/share/",
    "/connections/billing/share/add/",
    "/connections/billing/usage/",
    "/connections/billing/usage/?view=table",
    "/connections/unused/",
    "/connections/billing/calls/",
    "/connections/billing/access/",
    "/connections/billing/guide/",
    "/connections/billing/activity/",
    "/connections/billing/reconnect/",
    "/connections/billing/duplicate/",
    "/connections/billing/disable/",
    "/connections/billing/delete/",
    "/connections/billing/replace/",
    "/connections/billing/availability/",
    "/connections/billing/environments/production/",
    "/connections/billing/rename/",
    "/connections/billing/test/",
    "/connections/deleted/",
    "/connections/export/",
    "/connections/import/",
    "/connections/saved-views/",
    "/connections/saved-views/?status=1",
    "/connections/shown-columns/",
    "/connections/listing-keys/",
    "/connections/?q=nothing-like-it",
    "/readiness/?gaps=1",
    "/readiness/",
    "/services/",
    "/services/SERVICE/",
    "/integrations/",
    "/integrations/order-to-cash/connections/",
    "/integrations/order-to-cash/keys/",
    "/integrations/order-to-cash/flows/",
    "/integrations/order-to-cash/flows/new/",
    "/integrations/order-to-cash/flows/attach/",
    "/integrations/order-to-cash/flows/nightly/",
    "/integrations/order-to-cash/flows/nightly/edit/",
    "/integrations/order-to-cash/flows/nightly/detach/",
    "/integrations/order-to-cash/flows/nightly/delete/",
    "/flows/",
    "/flows/alone/",
    "/integrations/order-to-cash/calls/",
    "/settings/",
    "/profile/",
    "/profile/connections/",
    "/profile/second-factor/",
    "/profile/letters/",
    "/people/",
    "/people/invite/",
    "/people/PERSON/",
    "/people/PERSON/role/",
    "/settings/sign-in/",
    "/settings/keys/",
    "/profile/access/",
    "/teams/",
    "/teams/new/",
    "/environments/",
    "/audit/",
    "/integrations/order-to-cash/apps/",
    "/integrations/order-to-cash/apps/nightly/",
    "/integrations/order-to-cash/apps/nightly/edit/",
    "/integrations/order-to-cash/functions/",
    "/integrations/order-to-cash/functions/nightly/",
    "/integrations/order-to-cash/functions/new/",
    "/integrations/order-to-cash/edit/",
    "/integrations/order-to-cash/delete/",
    "/apps/",
    "/functions/",
    "/functions/alone/",
    "/projects/",
    "/api/v1/docs",
    "/api/v1/problems/",
    "/api/v1/problems/connection-revoked",
)
MOST_BYTES = 60 * 1024


@pytest.fixture
def account(root):
    """A super admin who has a connection and an integration."""
    connection = connect(root)
    integration = IntegrationFactory(name="Order to cash", slug="order-to-cash")
    roles.grant(integration, root, by=root)
    steps = [flows.DeclaredStep("Orders", "export", "billing")]
    for slug, where in (("nightly", integration), ("alone", None)):
        flows.create(slug, name=slug.title(), steps=steps, integration=where, by=root)
        for sort, use in (
            (data_objects.SORT, data_objects.DeclaredObject("Orders", "billing")),
            (functions.SORT, functions.DeclaredUse("billing")),
        ):
            declaring.create(sort, slug, name=slug, uses=[use], integration=where, by=root)
    key, _ = keys.issue(integration, environments.lowest(), name="nightly", by=root)
    called(connection, key, path="/people/42", flow="nightly", step="Read people")
    called(connection, key, path="/people", status=502, problem="upstream-failed")
    return root, connection


@pytest.mark.parametrize(
    ("scheme", "width", "height"), [("light", 1440, 900), ("dark", 390, 844)], ids=["wide", "phone"]
)
def test_pages_are_whole_and_accessible(
    page, app_server, account, sign_in, complaints, scheme, width, height
):
    person, connection = account
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": height})
    sign_in(person)
    page.goto(f"{app_server.url}/connections/export/")
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Continue").click()
    found = {}

    for path in PATHS:
        page.goto(
            app_server.url
            + path.replace("SERVICE", connection.service.slug).replace(
                "PERSON", str(person.public_id)
            )
        )
        problems = serious_axe_findings(page)
        if page.evaluate(
            "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        ):
            problems.append("wider than the screen")
        if problems:
            found[path] = problems

    assert found == {}
    assert complaints == []


POP_UPS = (
    "rename",
    "reconnect",
    "connect-link",
    "duplicate",
    "availability",
    "replace",
    "disable",
    "revoke",
    "delete",
)


@pytest.mark.parametrize(
    ("scheme", "width", "height"), [("light", 1440, 900), ("dark", 390, 844)], ids=["wide", "phone"]
)
def test_pop_ups_are_whole_and_accessible(
    page, app_server, account, sign_in, complaints, scheme, width, height
):
    person, _ = account
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": height})
    sign_in(person)
    dialog = page.get_by_role("dialog")
    found = {}

    for name in POP_UPS:
        page.goto(f"{app_server.url}/connections/billing/")
        page.get_by_label("More options for Billing").click()
        page.locator(f".menu[open] a[href='/connections/billing/{name}/']").click()
        expect(dialog).to_be_visible()
        problems = serious_axe_findings(page)
        if dialog.evaluate("dialog => dialog.scrollWidth > dialog.clientWidth"):
            problems.append("wider than the pop-up")
        if problems:
            found[name] = problems

    assert found == {}
    assert complaints == []


def test_listing_is_light_and_asks_nobody_else(page, app_server, account, sign_in):
    person, _ = account
    sign_in(person)
    sizes, elsewhere = [], []

    def weigh(response):
        if not response.url.startswith(app_server.url):
            elsewhere.append(response.url)
        if response.request.resource_type in ("document", "stylesheet", "script"):
            sizes.append(response.request.sizes()["responseBodySize"])

    page.on("response", weigh)
    page.goto(f"{app_server.url}/connections/")
    page.wait_for_load_state("networkidle")

    assert elsewhere == []
    assert len(sizes) >= 3
    assert sum(sizes) <= MOST_BYTES


def test_revoke_from_the_listing_by_keyboard_alone(page, app_server, account, sign_in):
    person, _ = account
    sign_in(person)

    revoke = page.locator("tbody").get_by_role("link", name="Revoke Billing")
    revoke.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    button = page.get_by_role("dialog").get_by_role("button", name="Revoke")
    while not button.evaluate("button => button === document.activeElement"):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")

    expect(page.locator("tbody .pill")).to_have_text("Revoked")
    expect(page.get_by_role("dialog")).to_be_hidden()
