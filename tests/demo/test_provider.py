"""Acme Cloud as a real process, driven as a browser and as a client drive it."""

import json
import stat
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from oauthlib.oauth2 import InvalidGrantError, WebApplicationClient

from connhub.demo.api import API_KEY
from tests.demo.acme import CALLBACK, CHALLENGE, CLIENT_ID, CLIENT_SECRET, Acme, provider
from tests.servers.forms import read_form
from tests.servers.process import StartError, free_port


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Acme]:
    port = free_port()
    with provider(port, tmp_path_factory.mktemp("acme") / "state.json"):
        yield Acme(port)


@pytest.fixture(autouse=True)
def plain_http_for_oauthlib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")


def test_code_flow_gives_a_ten_minute_token_for_the_person_who_allowed_it(acme):
    session = acme.connect(scope="profile.read")

    answer = session.get(f"{acme.url}/api/me")

    assert (session.token["expires_in"], session.token["scope"]) == (600, ["profile.read"])
    assert answer.json() == {
        "id": "nora",
        "name": "Nora Lindqvist",
        "email": "nora@acme-cloud.example",
        "job": "Head of Sales",
    }


def test_deny_leads_back_with_access_denied_and_the_state(acme):
    answer = acme.answer(acme.authorization_url(**CHALLENGE), "deny")

    assert answer.headers["Location"] == f"{CALLBACK}?error=access_denied&state=st4te"


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        ({}, "invalid_request"),
        ({"code_challenge": "x" * 43, "code_challenge_method": "plain"}, "invalid_request"),
        ({**CHALLENGE, "scope": "everything"}, "invalid_scope"),
    ],
    ids=["without PKCE", "plain PKCE", "unknown scope"],
)
def test_wrong_request_leads_back_with_its_error(acme, parameters, error):
    url = acme.authorization_url(**parameters)

    answer = requests.get(url, timeout=10, allow_redirects=False)

    query = parse_qs(urlsplit(answer.headers["Location"]).query)
    assert (query["error"], query["state"]) == ([error], ["st4te"])


@pytest.mark.parametrize(
    ("known", "unknown"), [("connhub", "somebody"), ("callback%2Facme", "callback%2Fevil")]
)
def test_unknown_client_or_redirect_address_is_told_here_and_leads_nowhere(acme, known, unknown):
    url = acme.authorization_url(**CHALLENGE).replace(known, unknown)

    answer = requests.get(url, timeout=10, allow_redirects=False)

    assert (answer.status_code, answer.headers.get("Location")) == (400, None)


def test_consent_wants_the_token_of_its_form(acme):
    url = acme.authorization_url(**CHALLENGE)
    with requests.Session() as browser:
        form = read_form(browser.get(url, timeout=10).text)
        sign_in = f"{acme.url}/sign-in?{urlsplit(url).query}"
        browser.post(sign_in, {**form, "person": "nora"}, timeout=10)

        answer = browser.post(url, {"csrf": form["csrf"], "decision": "allow"}, timeout=10)

    assert answer.status_code == 403


def test_pages_allow_no_script_and_the_form_may_lead_to_the_client_alone(acme):
    url = acme.authorization_url(**CHALLENGE)
    with requests.Session() as browser:
        form = read_form(browser.get(url, timeout=10).text)
        sign_in = f"{acme.url}/sign-in?{urlsplit(url).query}"
        consent = browser.post(sign_in, {**form, "person": "nora"}, timeout=10)

    assert consent.headers["Content-Security-Policy"] == (
        "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; "
        "frame-ancestors 'none'; form-action 'self' http://127.0.0.1:8000"
    )


def test_text_of_a_request_is_escaped_on_the_page(acme):
    url = acme.authorization_url(**CHALLENGE) + '&x="><script>'

    page = requests.get(url, timeout=10).text

    assert "<script>" not in page


def test_wrong_client_secret_is_refused(acme):
    answer = requests.post(
        f"{acme.url}/token",
        {"grant_type": "refresh_token", "refresh_token": "x"},
        auth=(CLIENT_ID, "wrong"),
        timeout=10,
    )

    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_client_secret_may_come_in_the_body(acme):
    session = acme.connect()

    answer = requests.post(
        f"{acme.url}/token",
        {
            "grant_type": "refresh_token",
            "refresh_token": session.token["refresh_token"],
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
        },
        timeout=10,
    )

    assert answer.status_code == 200


def test_refresh_rotates_and_a_reused_refresh_token_ends_the_grant(acme):
    session = acme.connect()
    first = session.token["refresh_token"]
    second = acme.refresh(session, first)["refresh_token"]

    with pytest.raises(InvalidGrantError):
        acme.refresh(session, first)

    assert second != first
    with pytest.raises(InvalidGrantError):
        acme.refresh(session, second)
    assert session.get(f"{acme.url}/api/me").status_code == 401


def test_reused_code_ends_the_grant_it_gave(acme):
    client = WebApplicationClient(CLIENT_ID)
    verifier = client.create_code_verifier(64)
    challenge = client.create_code_challenge(verifier, "S256")
    url = acme.authorization_url(code_challenge=challenge, code_challenge_method="S256")
    back = acme.answer(url, "allow").headers["Location"]
    form = {
        "grant_type": "authorization_code",
        "code": parse_qs(urlsplit(back).query)["code"][0],
        "redirect_uri": CALLBACK,
        "code_verifier": verifier,
    }

    answers = [
        requests.post(f"{acme.url}/token", form, auth=(CLIENT_ID, CLIENT_SECRET), timeout=10)
        for _ in range(2)
    ]

    bearer = {"Authorization": f"Bearer {answers[0].json()['access_token']}"}
    api = requests.get(f"{acme.url}/api/me", headers=bearer, timeout=10)
    assert [answers[0].status_code, answers[1].status_code, api.status_code] == [200, 400, 401]


def test_code_wants_its_verifier(acme):
    url = acme.authorization_url(**CHALLENGE)
    back = acme.answer(url, "allow").headers["Location"]
    form = {
        "grant_type": "authorization_code",
        "code": parse_qs(urlsplit(back).query)["code"][0],
        "redirect_uri": CALLBACK,
        "code_verifier": "y" * 43,
    }

    answer = requests.post(f"{acme.url}/token", form, auth=(CLIENT_ID, CLIENT_SECRET), timeout=10)

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


def test_revoked_refresh_token_takes_the_grant_with_it(acme):
    session = acme.connect()

    answer = requests.post(
        f"{acme.url}/revoke",
        {"token": session.token["refresh_token"]},
        auth=(CLIENT_ID, CLIENT_SECRET),
        timeout=10,
    )

    assert answer.status_code == 200
    assert session.get(f"{acme.url}/api/me").status_code == 401


def test_revoked_access_token_leaves_the_refresh_token(acme):
    session = acme.connect()

    requests.post(
        f"{acme.url}/revoke",
        {"token": session.token["access_token"]},
        auth=(CLIENT_ID, CLIENT_SECRET),
        timeout=10,
    )

    assert session.get(f"{acme.url}/api/me").status_code == 401
    assert acme.refresh(session, session.token["refresh_token"])["token_type"] == "Bearer"


def test_contacts_come_in_pages(acme):
    session = acme.connect()

    page = session.get(f"{acme.url}/api/contacts?page=2&per_page=40")

    content = page.json()
    assert (content["page"], content["items"][0]["id"]) == (2, 41)
    assert len(content["items"]) == content["total"] - 40


@pytest.mark.parametrize("query", ["page=0", "page=x", "per_page=101"])
def test_page_that_cannot_be_is_refused(acme, query):
    answer = acme.connect().get(f"{acme.url}/api/orders?{query}")

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_page")


def test_added_contact_is_listed_last(acme):
    session = acme.connect()
    contact = {"name": "Ada Berg", "email": "ada@berg.example", "company": "Berg"}

    added = session.post(f"{acme.url}/api/contacts", json=contact)

    listed = session.get(f"{acme.url}/api/contacts?per_page=100").json()["items"]
    assert (added.status_code, listed[-1]) == (201, {"id": added.json()["id"], **contact})


@pytest.mark.parametrize(
    ("body", "status"),
    [("{", 400), ("[]", 422), ('{"name": "Ada"}', 422), ('{"name": "Ada", "email": 1}', 422)],
)
def test_contact_that_is_none_is_refused(acme, body, status):
    answer = acme.connect().post(f"{acme.url}/api/contacts", data=body)

    assert answer.status_code == status


def test_token_without_the_scope_is_refused(acme):
    answer = acme.connect(scope="profile.read").get(f"{acme.url}/api/orders")

    assert (answer.status_code, answer.json()["error"]) == (403, "insufficient_scope")


def test_token_in_the_query_counts_for_nothing(acme):
    token = acme.connect().token["access_token"]

    answer = requests.get(f"{acme.url}/api/me?access_token={token}", timeout=10)

    assert answer.status_code == 401


@pytest.mark.parametrize(("key", "status"), [(API_KEY, 200), ("wrong", 401), ("", 401)])
def test_keyed_orders_want_the_api_key(acme, key, status):
    answer = requests.get(f"{acme.url}/keyed/orders", headers={"X-Api-Key": key}, timeout=10)

    assert answer.status_code == status


def test_another_name_for_this_host_is_refused(acme):
    answer = requests.get(acme.url, headers={"Host": "evil.example"}, timeout=10)

    assert answer.status_code == 421


def test_body_over_the_limit_is_refused(acme):
    answer = requests.post(f"{acme.url}/token", data=b"x" * 65_537, timeout=10)

    assert answer.status_code == 413


def test_tokens_survive_a_restart_and_are_kept_as_hashes_in_a_private_file(tmp_path):
    port, state = free_port(), tmp_path / "state.json"
    acme = Acme(port)
    with provider(port, state):
        session = acme.connect()

    with provider(port, state):
        answer = session.get(f"{acme.url}/api/me")

    assert answer.status_code == 200
    assert stat.S_IMODE(state.stat().st_mode) == 0o600
    saved = state.read_text()
    assert [session.token[kind] in saved for kind in ("access_token", "refresh_token")] == [
        False,
        False,
    ]
    assert len(json.loads(saved)["grants"]) == 1


def test_token_past_its_ten_minutes_is_refused(tmp_path):
    port, state = free_port(), tmp_path / "state.json"
    acme = Acme(port)
    with provider(port, state):
        session = acme.connect()
    saved = json.loads(state.read_text())
    for token in saved["tokens"].values():
        token["expires_at"] = token["expires_at"] and "2026-01-01T00:00:00+00:00"
    state.write_text(json.dumps(saved))

    with provider(port, state):
        answer = session.get(f"{acme.url}/api/me")

    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")


def test_state_file_of_something_else_is_left_alone(tmp_path):
    state = tmp_path / "state.json"
    state.write_text("[]")

    refused = pytest.raises(StartError, match="The state file is not one of Acme Cloud")
    with refused, provider(free_port(), state):
        pass

    assert state.read_text() == "[]"
