"""Calls over OAuth 1.0a, of which the provider verifies every signature (Authlib does)."""

import json

import pytest

from connhub.connections import lifecycle
from connhub.connections.auth.base import Granted
from connhub.services import oauth_apps
from connhub.usage import registration
from tests.conftest import CANARY
from tests.factories import AuthMethodFactory, ServiceFactory, connect
from tests.servers.app import running_app
from tests.usage.conftest import Flow, problem, replace_secret

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("app")]

SIGNING = ["HMAC-SHA1", "HMAC-SHA256", "RSA-SHA1"]
CALLBACK = "https://connhub.example/oauth/callback/photos/"


@pytest.fixture(scope="module")
def calling_app(django_db_setup, oauth1_server_process):
    """ConnHub in one process, which may reach the provider."""
    allow = f"127.0.0.1:{oauth1_server_process.port}"
    with running_app(CONNHUB_EGRESS_ALLOW=allow) as server:
        yield server


@pytest.fixture
def calling(flow, calling_app):
    """A flow, at a ConnHub that may reach the provider."""
    return Flow(calling_app, flow.key, flow.token)


@pytest.fixture
def album(ada, integration, oauth1_server):
    """Makes a connection that was signed in, registered with the integration."""

    def album(*, shared=None, secret="", **config):
        service = ServiceFactory(slug="photos", name="Photos", base_url=oauth1_server.api_url)
        method = AuthMethodFactory(
            service=service, kind="oauth1", label="OAuth", config=oauth1_server.config | config
        )
        consumer = oauth1_server.register(
            CALLBACK,
            signing=config.get("signature_method", "HMAC-SHA1"),
            hashes_bodies=config.get("body_hash", False),
        )
        app = {"client_id": consumer.client_id, "client_secret": secret or consumer.client_secret}
        if shared:
            oauth_apps.put(service, environment=None, by=shared, **app)
        made = connect(
            ada,
            method=method,
            link_name="photos",
            secrets={},
            access_mode="credentials",
            **({} if shared else app),
        )
        replace_secret(made, Granted(oauth1_server.issue(consumer.client_id)))
        registration.register(integration, [made], by=ada)
        return made

    return album


# --- Every way to bring parameters ----------------------------------------------------------------


@pytest.mark.parametrize("signing", SIGNING)
def test_get_with_a_query_is_verified(album, calling, signing):
    album(signature_method=signing, realm="Photos")

    answer = calling("GET", "photos", "/list?b=2&a=x%20y&a=1+2&c=%C3%A9&d&sort=~~-_.*")

    assert answer.status_code == 200
    assert answer.json() | {"user": "", "body": ""} == {
        "query": [
            *(["b", "2"], ["a", "x y"], ["a", "1 2"], ["c", "é"], ["d", ""]),
            ["sort", "~~-_.*"],
        ],
        "form": [],
        "realm": "Photos",
        "signing": signing,
        "user": "",
        "body": "",
    }


@pytest.mark.parametrize("signing", SIGNING)
def test_post_with_a_form_is_verified(album, calling, signing):
    album(signature_method=signing)

    answer = calling(
        "POST",
        "photos",
        "/upload?a=1",
        data="title=Caf%C3%A9+au+lait&a=2&empty=&b5=%3D%253D",
        headers={"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"},
    )

    assert answer.status_code == 200
    assert answer.json()["form"] == [
        *(["title", "Café au lait"], ["a", "2"], ["empty", ""], ["b5", "=%3D"]),
    ]


@pytest.mark.parametrize("hashes", [False, True])
@pytest.mark.parametrize("signing", SIGNING)
def test_put_with_json_is_verified(album, calling, signing, hashes):
    album(signature_method=signing, body_hash=hashes)
    sent = {"title": "Café", "n": list(range(20_000))}

    answer = calling("PUT", "photos", "/items/1?v=2", json=sent)

    assert answer.status_code == 200
    assert json.loads(answer.json()["body"]) == sent


@pytest.mark.parametrize("path", ["", "/", "/a%20b/c%2Cd", "/a,b;c=1/(x)!", "/~me/@you"])
def test_path_is_signed_as_it_is_sent(album, calling, path):
    album()

    assert calling("DELETE", "photos", path).status_code == 200


def test_streamed_body_of_no_known_length_is_verified(album, calling):
    album(body_hash=True)

    answer = calling("POST", "photos", "/items", data=iter([b"x" * 70_000] * 3))

    assert (answer.status_code, len(answer.json()["body"])) == (200, 210_000)


# --- What is not verified -------------------------------------------------------------------------


def test_wrong_consumer_secret_is_refused_by_the_provider(album, calling):
    album(secret=CANARY)

    answer = calling("GET", "photos", "/me")

    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_signature")
    assert CANARY not in answer.text


def test_each_call_brings_a_nonce_that_counts_once(album, calling, oauth1_server):
    album()

    statuses = [calling("GET", "photos", "/me").status_code for _ in range(5)]

    assert statuses == [200] * 5
    assert len({request["nonce"] for request in oauth1_server.requests}) == 5


def test_signature_of_the_callers_own_is_not_passed_on(album, calling):
    album()

    smuggled = calling("GET", "photos", "/me?oauth_token=other&oauth_signature=x")
    too_many = calling("GET", "photos", "/me?" + "a&" * 1001)

    assert problem(smuggled) == problem(too_many) == (400, "cannot-be-signed")


def test_key_that_is_none_is_said(album, calling):
    album(secret="nonsense", signature_method="RSA-SHA1")

    answer = calling("GET", "photos", "/me")

    assert problem(answer) == (409, "credential-incomplete")
    assert "private key" in answer.json()["detail"]


def test_plaintext_is_not_sent_without_https(album, calling):
    album(signature_method="PLAINTEXT")

    assert problem(calling("GET", "photos", "/me")) == (409, "plaintext-needs-https")


def test_secrets_that_a_service_repeats_do_not_come_back(album, calling):
    made = album()
    token = made.credentials.get().payload.open().reveal()["oauth_token_secret"]

    answer = calling("GET", "photos", f"/me?say={token}")

    assert answer.status_code == 200
    assert answer.json()["query"] == [["say", "*" * len(token)]]


def test_revoked_connection_fails_at_once(ada, album, calling):
    made = album()
    before = calling("GET", "photos", "/me").status_code

    lifecycle.revoke(made, by=ada)

    assert before == 200
    assert problem(calling("GET", "photos", "/me")) == (409, "connection-revoked")


# --- The consumer ---------------------------------------------------------------------------------


def test_flow_may_fetch_what_it_takes_to_sign(album, calling):
    made = album()

    handed = calling.credentials("photos").json()["credentials"]

    assert handed == {
        "consumer_key": made.oauth_app.client_id,
        "consumer_secret": made.oauth_app.client_secret.open().reveal(),
        **made.credentials.get().payload.open().reveal(),
        "signature_method": "HMAC-SHA1",
    }


def test_secret_of_a_shared_consumer_signs_calls_but_is_never_handed_out(root, album, calling):
    made = album(shared=root)

    handed = calling.credentials("photos")

    assert calling("GET", "photos", "/me").status_code == 200
    assert "consumer_secret" not in handed.json()["credentials"]
    assert made.oauth_app.client_secret.open().reveal() not in handed.text


def test_new_secret_of_a_shared_consumer_holds_for_the_next_call(root, album, calling):
    made = album(shared=root)
    before = calling("GET", "photos", "/me").status_code

    oauth_apps.put(
        made.service,
        client_id=made.oauth_app.client_id,
        client_secret=CANARY,
        environment=None,
        by=root,
    )

    assert before == 200
    assert calling("GET", "photos", "/me").status_code == 401
