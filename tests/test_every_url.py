"""SECURITY 2.6, 7.1, 10.4: who every URL asks for, and what every answer carries."""

import re

import pytest
from django.test import Client
from django.urls import reverse

from connhub.accounts.models import User
from tests.every_url import UnknownArgument, pages, patterns

OPEN = {
    "accounts:forgotten_password", "accounts:invitation", "accounts:invitation_link",
    "accounts:new_password", "accounts:reset_link", "accounts:setup", "accounts:sign_in",
    "accounts:sign_in_code", "accounts:sso", "accounts:sso_callback", "accounts:sso_failed",
    "admin:login", "connect_link", "healthz", "oauth_callback", "open_connect_link", "readyz",
}  # fmt: skip
# These ask for an integration key instead; the page about them is for people.
PROGRAMS = {name for _, name, _ in patterns() if name.startswith("api-1:")} - {"api-1:openapi-view"}

SOMETHING = {
    "object_id": ["1"],
    "content_type_id": ["1"],
    "app_label": ["accounts"],
    "link_name": ["billing"],
    "sequence": ["1"],
    "format": ["csv"],
    "ref": ["something"],
    "token": ["something"],
    "slug": ["something"],
    "service": ["something"],
    "url": ["something"],
    "rest": ["something"],
    "name": ["something"],
    "app": ["something"],
    ".pk": ["1"],
    "pk": ["1"],
    "key": ["billing"],
    "person": ["1"],
    "link_token": ["chl_something"],
    "connect_link.pk": ["00000000-0000-0000-0000-000000000000"],
    "connections:withdraw_connect_link.pk": ["00000000-0000-0000-0000-000000000000"],
    "connections:remove_sign_in.pk": ["00000000-0000-0000-0000-000000000000"],
    "connections:one_bulk_test.pk": ["00000000-0000-0000-0000-000000000000"],
    "other_account.pk": ["00000000-0000-0000-0000-000000000000"],
    "connections:one_import.pk": ["00000000-0000-0000-0000-000000000000"],
    "usage:revoke_key.pk": ["00000000-0000-0000-0000-000000000000"],
}


@pytest.mark.parametrize("method", ["get", "post"])
def test_every_page_but_a_few_asks_for_a_signed_in_person(client, root, method):
    def leads_to_sign_in(url):
        response = getattr(client, method)(url)
        return response.status_code == 302 and response.url.split("?")[0] in (
            reverse("accounts:sign_in"),
            reverse("admin:login"),
        )

    asks_nobody = {page.name for page in pages(SOMETHING) if not leads_to_sign_in(page.url)}

    # Setup is over; Django admin's door leads to ours, and so does what nobody began.
    closed = {"accounts:setup", "accounts:sign_in_code", "admin:login"}
    closed |= {"oauth_callback"} if method == "get" else set()
    assert asks_nobody - PROGRAMS == OPEN - closed


def test_only_these_views_are_open():
    opened = {
        n for _, n, pattern in patterns() if not getattr(pattern.callback, "login_required", True)
    }

    assert opened - PROGRAMS == OPEN


def test_every_call_of_the_runtime_api_asks_for_a_key(client, root):
    unasked = {
        page.name
        for page in pages(SOMETHING)
        if page.name in PROGRAMS and client.get(page.url).status_code not in (401, 405)
    }

    # The description of the API and what is not there say nothing about the account.
    assert unasked == {"api-1:openapi-json", "api-1:nothing_here", "api-1:api-root"}


def test_a_new_argument_of_a_url_fails_with_a_hint():
    with pytest.raises(UnknownArgument, match="add a value"):
        list(pages({}))


HEADERS = {
    "Content-Security-Policy": re.compile(
        r"(?=.*default-src 'none')(?=.*object-src 'none')(?=.*base-uri 'none')"
        r"(?=.*frame-ancestors 'none')(?=.*form-action 'self')(?!.*unsafe)(?!.*\*)(?!.*https?:)"
    ),
    "Strict-Transport-Security": re.compile(r"max-age=(31536000|63072000)\b"),
    "X-Content-Type-Options": re.compile(r"nosniff$"),
    "Referrer-Policy": re.compile(r"(same-origin|no-referrer)$"),
    "Cross-Origin-Opener-Policy": re.compile(r"same-origin$"),
    "Cross-Origin-Resource-Policy": re.compile(r"same-origin$"),
    "Permissions-Policy": re.compile(r".*\bcamera=\(\)"),
}


@pytest.fixture
def https(settings):
    """A browser of an installation that is reached by https."""
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_HSTS_SECONDS = 63072000
    return Client(raise_request_exception=False, enforce_csrf_checks=True)


def lacking(response) -> list[str]:
    return [
        name for name, value in HEADERS.items() if not value.match(response.headers.get(name, ""))
    ]


@pytest.mark.parametrize(
    ("who", "method", "url", "status"),
    [
        ("nobody", "get", "/sign-in/", 200),
        ("nobody", "post", "/sign-in/", 403),
        ("nobody", "get", "/connections/", 302),
        ("nobody", "get", "/static/connhub.css", 200),
        ("nobody", "get", "/static/missing.css", 404),
        ("nobody", "get", "/missing", 404),
        ("nobody", "get", "/healthz", 200),
        ("nobody", "get", "/readyz", 200),
        ("nobody", "get", "/api/v1/connections", 401),
        ("nobody", "get", "/api/v1/missing", 404),
        ("nobody", "get", "/api/v1/openapi.json", 200),
        ("ada", "get", "/", 302),
        ("ada", "get", "/connections/", 200),
        ("ada", "get", "/connections/missing/", 404),
        ("ada", "get", "/audit/", 403),
        ("ada", "get", "/sign-out/", 405),
        ("ada", "get", "/connections/new", 301),
        ("ada", "get", "/api/v1/docs", 200),
        ("root", "get", "/admin/", 200),
        ("root", "get", "/admin/missing/", 404),
    ],
)
def test_every_answer_carries_the_security_headers(https, request, root, who, method, url, status):
    if who != "nobody":
        https.force_login(request.getfixturevalue(who))

    response = getattr(https, method)(url, secure=True)
    if response.streaming:
        response.close()

    assert response.status_code == status
    assert lacking(response) == []


def test_an_error_of_ours_carries_them_too_and_tells_nothing(https, ada, monkeypatch):
    https.force_login(ada)
    monkeypatch.setattr("connhub.accounts.views.account.Environment.objects", None)

    response = https.get("/environments/", secure=True)

    assert response.status_code == 500
    assert lacking(response) == []
    assert "NoneType" not in response.content.decode()


def test_a_request_for_another_host_carries_them_too(https, db):
    response = https.get("/sign-in/", headers={"Host": "evil.example"}, secure=True)

    assert response.status_code == 400
    assert lacking(response) == []


def test_without_https_browsers_are_sent_there(settings, db):
    settings.SECURE_SSL_REDIRECT = True

    response = Client().get("/sign-in/")

    assert (response.status_code, response.url) == (301, "https://testserver/sign-in/")


def test_a_form_without_its_token_is_refused_with_the_headers(https, ada):
    https.force_login(ada)

    response = https.post("/profile/", {"name": "Eve"}, secure=True)

    assert response.status_code == 403
    assert lacking(response) == []
    assert User.objects.get(pk=ada.pk).name == "Ada"


def test_what_a_signed_in_person_gets_is_kept_in_no_cache(client, ada, connection):
    client.force_login(ada)
    kept = {
        page.url
        for page in pages(SOMETHING)
        if client.get(page.url).headers.get("Cache-Control") != "no-store"
    }

    assert kept == set()
