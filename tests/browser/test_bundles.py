"""Export with secrets, lose the connection, import it, and it works; with and without JavaScript."""

import sys

import pytest
from playwright.sync_api import expect

from connhub.connections import lifecycle
from connhub.connections.models import Connection, Status
from tests.browser.conftest import serious_axe_findings
from tests.conftest import CANARY
from tests.factories import PASSWORD, AuthMethodFactory, ServiceFactory, connect
from tests.servers.app import database_url
from tests.servers.process import running, temporary_folder

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def worker(app_server, upstream):
    """The process that does what takes long, with the settings of the one that serves."""
    folder = temporary_folder("worker")
    env = {
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "DATABASE_URL": database_url(),
        "CONNHUB_EGRESS_ALLOW": f"127.0.0.1:{upstream.port}",
    }
    command = [sys.executable, "manage.py", "run_huey", "--quiet"]
    with running(command, folder=folder, env=env, ready=lambda: True):
        yield


@pytest.fixture
def partner(upstream, ada):
    """A connection that works against the upstream, and one more."""
    service = ServiceFactory(
        slug="partner-api", name="Partner API", base_url=upstream.url, origin="default",
        test={"method": "GET", "path": "/key", "expect": [200]},
    )  # fmt: skip
    method = AuthMethodFactory(service=service)
    connect(ada, method=method, name="Other", link_name="other", secret=CANARY)
    return connect(ada, method=method, name="Partner", link_name="partner", secret=upstream.api_key)


def fill_export(page, app_server):
    """Fill in the form; the passphrase that the page has made."""
    page.goto(f"{app_server.url}/connections/")
    page.get_by_role("link", name="Export", exact=True).click()
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Continue").click()
    page.get_by_label("With secrets").check()
    return page.get_by_label("Passphrase made by ConnHub").input_value()


def export(page, app_server, folder):
    passphrase = fill_export(page, app_server)
    with page.expect_download() as download:
        page.get_by_role("button", name="Export").click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path, passphrase


def upload(page, app_server, path, passphrase):
    page.goto(f"{app_server.url}/connections/import/")
    page.get_by_label("File").set_input_files(path)
    page.get_by_label("Passphrase").fill(passphrase)
    page.get_by_role("button", name="Preview").click()


def test_from_export_over_deletion_to_a_connection_that_works(
    page, app_server, worker, ada, sign_in, partner, tmp_path, complaints
):
    sign_in(ada)
    path, passphrase = export(page, app_server, tmp_path)
    lifecycle.delete(partner, by=ada)

    upload(page, app_server, path, passphrase)
    expect(page.get_by_text("1 link name taken")).to_be_visible()
    expect(page.get_by_text("1 changed")).to_be_visible()
    assert serious_axe_findings(page) == []
    page.get_by_label("For Partner").select_option("add")
    page.get_by_role("button", name="Update preview").click()
    expect(page.get_by_text("Added as partner_2")).to_be_visible()
    page.get_by_role("button", name="Import 1 connection").click()
    expect(page.get_by_text("1 added, 0 replaced, 1 left out.")).to_be_visible(timeout=20_000)

    page.goto(f"{app_server.url}/connections/partner_2/test/")
    page.get_by_role("button", name="Test Connection").click()
    expect(page.get_by_text("It works.")).to_be_visible()
    assert Connection.objects.get(link_name="partner_2").status == Status.CONNECTED
    assert complaints == []


@pytest.mark.browser_context_args(java_script_enabled=False)
def test_the_same_without_javascript(page, app_server, worker, ada, sign_in, partner, tmp_path):
    sign_in(ada)
    path, passphrase = export(page, app_server, tmp_path)

    upload(page, app_server, path, passphrase)
    page.get_by_label("Add the file's too").check(force=True)
    page.get_by_role("button", name="Update preview").click()
    page.get_by_role("button", name="Import 2 connections").click()
    expect(page.locator("#progress")).to_be_visible()
    while page.get_by_role("link", name="Look again").count():
        page.wait_for_timeout(300)
        with page.expect_navigation():
            page.get_by_role("link", name="Look again").click()
        expect(page.locator("#progress")).to_be_visible()

    expect(page.get_by_text("2 added, 0 replaced, 0 left out.")).to_be_visible()


def test_a_wrong_passphrase_is_told_next_to_the_field(
    page, app_server, ada, sign_in, partner, tmp_path
):
    sign_in(ada)
    path, _ = export(page, app_server, tmp_path)

    upload(page, app_server, path, "another passphrase")

    expect(page.locator(".field .error")).to_have_text(
        "It doesn't open: the passphrase is another one, or the file was changed."
    )


def test_the_made_passphrase_stays_when_something_else_is_wrong(
    page, app_server, ada, sign_in, partner, complaints
):
    sign_in(ada)
    made = fill_export(page, app_server)

    page.get_by_text("These alone", exact=True).click()
    page.get_by_label("Link names").fill("NONE")
    page.get_by_role("button", name="Export").click()

    expect(page.get_by_text("One of these is no link name.").first).to_be_visible()
    assert page.get_by_label("Passphrase made by ConnHub").input_value() == made
    assert serious_axe_findings(page) == []
