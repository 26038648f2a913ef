import shutil

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.factories import PASSWORD
from tests.servers.app import running_app

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args):
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip("There is no Chromium or Chrome here.")
    return {**browser_type_launch_args, "executable_path": found, "args": ARGUMENTS}


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args):
    return {**browser_context_args, "viewport": {"width": 1440, "height": 900}}


@pytest.fixture
def app_server(transactional_db, oauth_server, oauth1_server, upstream, postgresql_server):
    """ConnHub in a process of its own, allowed to reach the tests' servers."""
    servers = (oauth_server, oauth1_server, upstream, postgresql_server)
    allow = ",".join(f"127.0.0.1:{server.port}" for server in servers)
    with running_app(CONNHUB_EGRESS_ALLOW=allow) as server:
        yield server


@pytest.fixture
def complaints(page):
    """What the browser complains of: script errors, refused resources, CSP violations."""
    said = []

    def note(message):
        # htmx says so when it gives up a request for a newer one; a failed one says htmx:sendError.
        is_abort = message.text.startswith(("htmx:afterRequest", "htmx:sendAbort"))
        if message.type == "error" and not is_abort:
            said.append(message.text)

    page.on("console", note)
    page.on("pageerror", lambda error: said.append(str(error)))
    return said


@pytest.fixture
def sign_in(page, app_server):
    """A function: sign somebody in, as they would themself."""

    def sign_in(person):
        page.goto(f"{app_server.url}/sign-in/")
        page.get_by_label("E-mail").fill(person.email)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/connections/")

    return sign_in


def serious_axe_findings(page):
    """The serious and critical accessibility findings of the page as it stands."""
    violations = Axe().run(page).response["violations"]
    return [
        f"{violation['id']}: {violation['nodes'][0]['html'][:120]}"
        for violation in violations
        if violation["impact"] in ("serious", "critical")
    ]
