"""From an invitation to the first connection, the second factor, and single sign-on, in a browser."""

import re
import time
from pathlib import Path

import pyotp
import pytest
from django.utils import timezone
from playwright.sync_api import expect

from connhub.accounts import account
from connhub.accounts.models import SecondFactor, User
from tests.browser.conftest import serious_axe_findings
from tests.browser.steps import pick_from_gallery
from tests.factories import PASSWORD, AuthMethodFactory, ServiceFactory, UserFactory
from tests.servers.app import running_app
from tests.servers.process import free_port

pytestmark = pytest.mark.django_db(transaction=True)


def code(seed: str, step: int = 0) -> str:
    """What an authenticator app shows now, or so many steps later."""
    return pyotp.TOTP(seed.replace(" ", "")).generate_otp(int(time.time()) // 30 + step)


def enter_password(page, url, person):
    page.goto(f"{url}/sign-in/")
    page.get_by_label("E-mail").fill(person.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


def sign_out(page):
    page.get_by_label(re.compile("^Account of")).click()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/sign-in/")


def test_from_an_invitation_to_the_first_connection(
    page, app_server, root, sign_in, mailbox, complaints
):
    AuthMethodFactory(service=ServiceFactory(slug="partner-api", name="Partner API connector"))
    sign_in(root)
    page.goto(f"{app_server.url}/people/")
    page.get_by_role("link", name="Invite").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("E-mail").fill("grace@acme.example")
    dialog.get_by_label("Role").select_option("admin")
    dialog.get_by_role("button", name="Invite").click()
    expect(page.locator("#invitations")).to_contain_text("grace@acme.example")
    findings = serious_axe_findings(page)
    (letter,) = mailbox.collect()
    sign_out(page)

    page.goto(re.search(r"http\S+", letter.get_content())[0])
    page.get_by_label("Your name").fill("Grace Hopper")
    page.get_by_label("Password").fill(PASSWORD)
    findings += serious_axe_findings(page)
    page.get_by_role("button", name="Join").click()

    expect(page.get_by_text("Welcome to ConnHub.")).to_be_visible()
    pick_from_gallery(page, app_server.url, "Partner API connector")
    assert User.objects.get(email="grace@acme.example").role == "admin"
    assert (findings, complaints) == ([], [])


def test_from_switching_the_second_factor_on_to_signing_in_with_it(
    page, app_server, ada, sign_in, complaints
):
    sign_in(ada)
    page.goto(f"{app_server.url}/profile/")
    page.get_by_role("link", name="Second factor").click()
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_alt_text("QR code of the key below")).to_be_visible()
    drawn = page.locator(".qr").evaluate("image => image.complete && image.naturalWidth > 0")
    findings = serious_axe_findings(page)
    seed = page.locator(".copyline code").inner_text()
    page.get_by_label("Code").fill(code(seed, -1))
    page.get_by_role("button", name="Switch on").click()
    codes = page.locator(".codes li").all_inner_texts()
    findings += serious_axe_findings(page)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    kept = Path(download.value.path()).read_text().split()
    page.get_by_role("link", name="I have kept them").click()
    page.wait_for_url("**/connections/")
    sign_out(page)

    enter_password(page, app_server.url, ada)
    expect(page.get_by_role("heading", name="Second step")).to_be_visible()
    findings += serious_axe_findings(page)
    page.get_by_label("Code").fill(code(seed))
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/connections/")
    sign_out(page)

    enter_password(page, app_server.url, ada)
    page.get_by_label("Code").fill(codes[0])
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/connections/")

    assert drawn
    assert (len(codes), kept) == (10, codes)
    assert (findings, complaints) == ([], [])


def test_who_must_have_one_is_led_to_it(page, app_server, root, ada):
    SecondFactor.objects.create(user=root, confirmed_at=timezone.now())
    account.require_second_factor(True, by=root)

    enter_password(page, app_server.url, ada)

    expect(page.get_by_role("heading", name="Set up your second factor")).to_be_visible()
    expect(page.get_by_role("navigation")).to_have_count(0)
    assert serious_axe_findings(page) == []
    page.goto(f"{app_server.url}/connections/")
    expect(page.get_by_role("heading", name="Set up your second factor")).to_be_visible()


def test_single_sign_on_at_a_real_provider(page, transactional_db, oauth_server, complaints):
    UserFactory(name="Grace", email="grace@acme.example")
    port = free_port()
    redirect_uri = f"http://127.0.0.1:{port}/sign-in/sso/callback/"
    client = oauth_server.register(redirect_uri, algorithm="RS256")
    with running_app(
        port=port,
        CONNHUB_EGRESS_ALLOW=f"127.0.0.1:{oauth_server.port}",
        CONNHUB_OIDC_ISSUER=f"{oauth_server.base_url}/o",
        CONNHUB_OIDC_CLIENT_ID=client.client_id,
        CONNHUB_OIDC_CLIENT_SECRET=client.client_secret,
        CONNHUB_OIDC_LABEL="Sign in with Acme",
        CONNHUB_PASSWORD_SIGN_IN="false",
    ) as server:
        page.goto(f"{server.url}/profile/")
        findings = serious_axe_findings(page)
        page.get_by_role("link", name="Sign in with Acme").click()
        page.get_by_label("Username").fill(oauth_server.user)
        page.get_by_label("Password").fill(oauth_server.password)
        page.locator("[type=submit]").click()
        page.get_by_role("button", name="Authorize").click()
        page.wait_for_url("**/profile/")
        expect(page.get_by_role("heading", name="My profile")).to_be_visible()
        findings += serious_axe_findings(page)

    assert (findings, complaints) == ([], [])


def test_sessions_are_ended_from_the_profile(page, app_server, ada, sign_in, browser):
    elsewhere = browser.new_page()
    enter_password(elsewhere, app_server.url, ada)
    elsewhere.wait_for_url("**/connections/")
    sign_in(ada)
    page.goto(f"{app_server.url}/profile/")
    expect(page.get_by_text("this one")).to_have_count(1)

    page.get_by_role("button", name="End all others").click()

    expect(page.get_by_role("button", name="End all others")).to_have_count(0)
    elsewhere.goto(f"{app_server.url}/profile/")
    expect(elsewhere.get_by_role("heading", name="Sign in")).to_be_visible()
