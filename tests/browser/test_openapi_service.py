"""A service registered from its OpenAPI document, from the upload to a proxied call."""

import json

import pytest
from playwright.sync_api import expect

from connhub.audit.models import Event
from tests.browser.conftest import serious_axe_findings
from tests.browser.steps import call, expect_connected, integration_key, pick_from_gallery

pytestmark = pytest.mark.django_db(transaction=True)

RESPONSES = {"200": {"description": "Fine"}}
PET = {"name": "pet", "in": "path", "required": True, "schema": {"type": "string"}}
LOUD = {"name": "loud", "in": "query", "description": "How loud", "schema": {"type": "string"}}
DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "Petz", "version": "4.2", "summary": "All about pets"},
    "servers": [{"url": "https://old.pets.example/v1"}],
    "security": [{"key": []}],
    "paths": {
        "/key": {"get": {"summary": "Check the key", "responses": RESPONSES}},
        "/echo/{pet}/calls": {
            "parameters": [PET],
            "post": {
                "operationId": "callPet",
                "summary": "Call a pet",
                "parameters": [{"$ref": "#/components/parameters/Loud"}],
                "requestBody": {"content": {"application/json": {}}},
                "responses": RESPONSES,
            },
        },
    },
    "components": {
        "parameters": {"Loud": LOUD},
        "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-Api-Key"}},
    },
}


def test_from_an_openapi_document_to_an_operation_and_a_proxied_call(
    page, app_server, ada, sign_in, upstream, complaints
):
    sign_in(ada)

    register(page, app_server.url, upstream)
    connect(page, app_server.url, upstream)
    try_operation(page, upstream)
    key = integration_key(page, app_server.url, "Our pets")
    answer = call(app_server.url, key, "our_pets", "/echo/rex/calls", "POST", json={"say": "sit"})

    assert (answer.status_code, answer.json()["path"]) == (200, "/echo/rex/calls")
    tried = Event.objects.get(action="connection.operation_tried")
    assert (tried.detail["method"], tried.detail["path"]) == ("POST", "/echo/{pet}/calls")
    assert complaints == []


def register(page, url, upstream):
    page.goto(f"{url}/services/")
    page.get_by_role("link", name="Register from OpenAPI").click()
    file = {"name": "pets.json", "mimeType": "application/json", "buffer": as_json()}
    page.get_by_label("Service Definition").set_input_files(file)
    page.get_by_role("button", name="Define Endpoints").click()
    expect(page.get_by_label("Service name")).to_have_value("Petz")
    page.get_by_label("Service name").fill("Pets")
    page.get_by_label("Service link name").fill("pets")
    page.get_by_label("Base URL", exact=True).fill(upstream.url)
    page.get_by_label("Test path").fill("/key")
    page.get_by_role("button", name="Register").click()
    expect(page.get_by_role("heading", name="Pets", exact=True)).to_be_visible()
    expect(page.locator("#operations")).to_contain_text("POST /echo/{pet}/calls")
    assert serious_axe_findings(page) == []


def as_json() -> bytes:
    return json.dumps(DOCUMENT).encode()


def connect(page, url, upstream):
    pick_from_gallery(page, url, "Pets")
    page.get_by_label("Connection name").press_sequentially("Our pets")
    page.get_by_label("X-Api-Key").first.fill(upstream.api_key)
    page.get_by_role("button", name="Create and Connect").click()
    expect_connected(page, "our_pets")


def try_operation(page, upstream):
    page.get_by_role("link", name="Try an operation").click()
    page.get_by_role("link", name="Try POST /echo/{pet}/calls").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("This is no rehearsal.")
    dialog.get_by_label("pet", exact=False).first.fill("a/b")
    dialog.get_by_label("loud").fill("very")
    dialog.get_by_label("Body").fill('{"say": "sit"}')
    dialog.get_by_role("button", name="Send").click()
    expect(dialog.get_by_role("alert")).to_contain_text("This can't stand in an address.")
    dialog.locator("#id_p0").fill("rex")
    dialog.get_by_role("button", name="Send").click()
    expect(dialog.get_by_role("status")).to_contain_text("200 OK")
    answer = dialog.get_by_label("Answer")
    expect(answer).to_contain_text('"path": "/echo/rex/calls"')
    expect(answer).to_contain_text("*" * len(upstream.api_key))
    expect(answer).not_to_contain_text(upstream.api_key)
    assert serious_axe_findings(page) == []
    dialog.get_by_role("button", name="Close").first.click()
