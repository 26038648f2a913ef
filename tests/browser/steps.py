"""What people do again and again in a browser."""

import re

import requests
from playwright.sync_api import Page, expect


def pick_from_gallery(page: Page, url: str, service: str) -> None:
    """From the listing to the form of a custom service, found by a part of its name."""
    page.goto(f"{url}/connections/")
    page.get_by_role("link", name="Create Connection").first.click()
    page.get_by_role("link", name="Custom services").click()
    page.get_by_label("Search services").press_sequentially(f"{service[:4]} connector")
    page.locator("a.tile").get_by_text(service).click()
    expect(page.get_by_role("heading", name=f"Connect {service}")).to_be_visible()


def integration_key(page: Page, url: str, connection: str) -> str:
    """A key of a new integration that the connection is registered with."""
    page.goto(f"{url}/integrations/")
    page.get_by_role("link", name="Create integration").first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Integration name").press_sequentially("Order to cash")
    dialog.get_by_label("Project name").fill("Finance")
    dialog.get_by_role("button", name="Create").click()
    page.wait_for_url("**/connections/")
    page.get_by_role("link", name="Register connections").first.click()
    dialog.get_by_label(connection).check()
    dialog.get_by_role("button", name="Register", exact=True).click()
    expect(page.locator("table.cards")).to_contain_text(connection)
    page.get_by_role("link", name="Keys").click()
    page.get_by_role("link", name="Create key").first.click()
    dialog.get_by_label("Key name").fill("nightly")
    dialog.get_by_role("button", name="Create key").click()
    return dialog.locator("#token").inner_text().strip()


def call(url: str, key: str, link_name: str, path: str, method: str = "GET", **options):
    """What a flow gets of a proxied call."""
    return requests.request(
        method,
        f"{url}/api/v1/connections/{link_name}/proxy{path}",
        headers={"Authorization": f"Bearer {key}"},
        timeout=10,
        **options,
    )


def expect_connected(page: Page, link_name: str) -> None:
    page.wait_for_url(re.compile(f"/connections/{link_name}/$"))
    expect(page.locator(".pagehead .pill")).to_have_text("Connected")
