"""SECURITY 2.6, 7.1, 10.3, 10.4: who every URL asks for, and what every answer carries."""

import asyncio
import re
from itertools import cycle

import pytest
from django.test import Client
from django.urls import reverse

from connhub.accounts.models import User
from connhub.asgi import application
from connhub.middleware import StaleForm, headers_of_every_answer
from connhub.usage import problems, refusing
from tests.every_url import UnknownArgument, pages, patterns
from tests.factories import PASSWORD

OPEN = {
    "accounts:forgotten_password", "accounts:invitation", "accounts:invitation_link",
    "accounts:new_password", "accounts:reset_link", "accounts:setup", "accounts:sign_in",
    "accounts:sign_in_code", "accounts:sso", "accounts:sso_callback", "accounts:sso_failed",
    "admin:login", "connect_link", "healthz", "oauth_callback", "open_connect_link", "problem",
    "problems", "readyz",
}  # fmt: skip
# These ask for an integration key or an admin token instead; the pages about them are for people.
PROGRAMS = {
    name
    for _, name, _ in patterns()
    if name.startswith(("api-1:", "admin-api:")) and not name.endswith(":openapi-view")
}

NONE = "00000000-0000-0000-0000-000000000000"
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
    "code": ["unauthorized"],
    "person": [NONE],
    "public_id": [NONE],
    "link_token": ["chl_something"],
    "connect_link.pk": [NONE],
    "connections:withdraw_connect_link.pk": [NONE],
    "connections:remove_sign_in.pk": [NONE],
    "connections:one_bulk_test.pk": [NONE],
    "accounts:revoke_admin_token.pk": [NONE],
    "api/v1/admin/.pk": [NONE],
    "other_account.pk": [NONE],
    "connections:one_import.pk": [NONE],
    "usage:revoke_key.pk": [NONE],
    "usage:rotate_key.pk": [NONE],
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


def test_no_url_names_a_row_by_a_number_that_counts_up():
    """SECURITY 7.7. Operations come from a public document; events are numbered without gaps."""
    counted = {name for route, name, _ in patterns() if re.search("<(int|sequence):", route)}

    assert counted == {"connections:try_operation", "audit:event"}


def test_only_these_views_are_open():
    opened = {
        n for _, n, pattern in patterns() if not getattr(pattern.callback, "login_required", True)
    }

    assert opened - PROGRAMS == OPEN


def test_every_call_of_an_api_asks_for_a_key_or_token(client, root):
    unasked = {
        page.name
        for page in pages(SOMETHING)
        if page.name in PROGRAMS and client.get(page.url).status_code not in (401, 405)
    }

    # The descriptions of the APIs and what is not there say nothing about the account.
    open_to_all = ("openapi-json", "nothing_here", "api-root")
    assert unasked == {f"{api}:{name}" for api in ("api-1", "admin-api") for name in open_to_all}


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
        ("nobody", "get", "/api/v1/admin/connections", 401),
        ("ada", "get", "/api/v1/admin/docs", 200),
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


@pytest.fixture
def answers_of_no_view(https):
    """What ConnHub answers without Django: a refusal of the gateway's, and a time-out."""
    headers_of_every_answer.cache_clear()
    sent = []

    async def send(message):
        sent.append(message)

    async def stop():
        raise TimeoutError

    def answers():
        asyncio.run(refusing.answer(send, problems.Unauthorized(), request_id="0"))
        scope = {"type": "http", "raw_path": b"/sign-in/", "headers": []}
        asyncio.run(application(scope, stop, send))
        starts = [message["headers"] for message in sent if message["type"].endswith(".start")]
        return [{name.decode().title(): value.decode() for name, value in raw} for raw in starts]

    yield answers
    headers_of_every_answer.cache_clear()


def test_what_django_does_not_answer_carries_what_its_answers_do(https, answers_of_no_view, db):
    of_django = https.get("/sign-in/", secure=True).headers

    answers = answers_of_no_view()

    assert len(answers) == 2
    for headers in answers:
        assert {name: headers.get(name.title()) for name in HEADERS} == {
            name: of_django[name] for name in HEADERS
        }


def test_without_https_nothing_says_that_there_is(settings, answers_of_no_view):
    settings.SECURE_HSTS_SECONDS = 0

    answers = answers_of_no_view()

    assert not any("Strict-Transport-Security" in headers for headers in answers)


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


# --- CSRF and cookies (SECURITY 10.3) -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("who", "methods", "token"),
    [
        ("nobody", ["post"], ""),
        ("root", ["post"], ""),
        ("root", ["put", "patch", "delete", "post"], "x" * 64),
    ],
)
def test_nothing_unsafe_gets_past_without_its_csrf_token(root, who, methods, token):
    browser = Client(enforce_csrf_checks=True, raise_request_exception=False)
    browser.get("/sign-in/")  # where the cookie comes from
    if who == "root":
        browser.force_login(root)
    # As a pop-up asks, for whom the refusal is no whole page.
    headers = {"HX-Request": "true"} | ({"X-CSRFToken": token} if token else {})

    forms = [page for page in pages(SOMETHING) if page.name not in PROGRAMS]
    passed = [
        f"{method} {page.url}"
        for page, method in zip(forms, cycle(methods), strict=False)
        if StaleForm.text not in getattr(browser, method)(page.url, headers=headers).text
    ]

    assert passed == []


def test_with_the_token_of_the_page_a_form_gets_past(ada):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(ada)
    page = browser.get("/profile/").text
    (token,) = set(re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', page))

    browser.post("/profile/", {"name": "Ada Lovelace", "csrfmiddlewaretoken": token})

    assert User.objects.get(pk=ada.pk).name == "Ada Lovelace"


@pytest.mark.parametrize(("is_https", "prefix"), [(True, "__Host-"), (False, "connhub_")])
def test_cookies_are_for_this_host_alone_and_for_no_script(ada, settings, is_https, prefix):
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = is_https
    settings.SESSION_COOKIE_NAME = f"{prefix}session"
    settings.CSRF_COOKIE_NAME = f"{prefix}csrf"
    browser = Client()
    browser.get("/sign-in/", secure=is_https)

    browser.post("/sign-in/", {"username": ada.email, "password": PASSWORD}, secure=is_https)

    assert set(browser.cookies) == {f"{prefix}session", f"{prefix}csrf"}
    for cookie in browser.cookies.values():
        flags = (cookie["secure"], cookie["httponly"], cookie["samesite"], cookie["path"])
        assert flags == (is_https or "", True, "Lax", "/")
        assert cookie["domain"] == ""
