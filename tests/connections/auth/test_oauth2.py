"""What ConnHub says to token endpoints, and what it makes of their answers."""

from base64 import b64decode
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connhub.connections.auth.base import Granted
from connhub.connections.auth.oauth2 import OWN_PARAMETERS, Client
from connhub.connections.auth.provider import (
    ProviderError,
    ProviderMalformed,
    ProviderRefused,
    ProviderUnavailable,
)
from tests.conftest import CANARY

pytestmark = pytest.mark.django_db
REDIRECT_URI = "https://connhub.example/oauth/callback/acme/"
ODD_SECRET = "s&c:ret/+ %ü="


def client_of(endpoint, client_id="id", client_secret="", **config) -> Client:
    urls = {"authorize_url": "https://acme.example/authorize", "token_url": endpoint.url}
    return Client(urls | config, client_id, client_secret)


def exchange(client: Client, asked=("read",)) -> Granted:
    return client.exchange("c0de", redirect_uri=REDIRECT_URI, verifier="v" * 43, asked=list(asked))


@pytest.fixture
def client(token_endpoint):
    return client_of(token_endpoint)


# --- Who we say we are ----------------------------------------------------------------------------


def test_basic_is_form_encoded_first(token_endpoint):
    exchange(client_of(token_endpoint, "my id", ODD_SECRET, token_auth="client_secret_basic"))

    asked = token_endpoint.asked[0]
    basic = b64decode(asked.headers["Authorization"].removeprefix("Basic ")).decode()
    assert basic == "my+id:s%26c%3Aret%2F%2B+%25%C3%BC%3D"
    assert {"client_id", "client_secret"} & set(asked.form) == set()


def test_post_puts_id_and_secret_into_the_body(token_endpoint):
    exchange(client_of(token_endpoint, "my id", ODD_SECRET, token_auth="client_secret_post"))

    asked = token_endpoint.asked[0]
    assert "Authorization" not in asked.headers
    assert (asked.form["client_id"], asked.form["client_secret"]) == ("my id", ODD_SECRET)


def test_public_client_says_its_id_alone(token_endpoint):
    exchange(client_of(token_endpoint, "my id", CANARY, token_auth="none"))

    asked = token_endpoint.asked[0]
    assert "Authorization" not in asked.headers
    assert CANARY.encode() not in asked.body
    assert asked.form["client_id"] == "my id"


@pytest.mark.parametrize(
    ("style", "auth", "seen"),
    [
        ("client_secret_basic", "client_secret_basic", "client_secret_basic"),
        ("client_secret_post", "client_secret_post", "client_secret_post"),
        ("none", "public", "none"),
    ],
)
def test_a_real_server_knows_us_each_way(oauth_server, allow, style, auth, seen):
    allow(oauth_server.port)
    client_id, client_secret = oauth_server.register(REDIRECT_URI, auth=auth)
    config = {"authorize_url": oauth_server.authorize_url, "token_url": oauth_server.token_url}
    client = Client(config | {"token_auth": style}, client_id, client_secret)
    verifier = client.new_verifier()
    url = client.authorization_url(
        redirect_uri=REDIRECT_URI, scopes=["read"], state="s", verifier=verifier
    )
    back = parse_qs(urlsplit(oauth_server.authorize(url)).query)

    granted = client.exchange(
        back["code"][0], redirect_uri=REDIRECT_URI, verifier=verifier, asked=["read"]
    )
    renewed = client.refresh(granted.secrets, asked=["read"])

    assert (granted.scopes, granted.renewable) == (["read"], True)
    assert renewed.secrets["access_token"] != granted.secrets["access_token"]
    assert [r.client_auth for r in oauth_server.token_requests] == [seen, seen]


# --- What we ask ----------------------------------------------------------------------------------


def test_exchange_asks_with_the_verifier(token_endpoint, client):
    exchange(client)

    asked = token_endpoint.asked[0]
    assert asked.headers["Accept"] == "application/json"
    assert asked.form == {
        "grant_type": "authorization_code",
        "code": "c0de",
        "redirect_uri": REDIRECT_URI,
        "code_verifier": "v" * 43,
        "client_id": "id",
    }


def test_catalogue_can_ask_for_json(token_endpoint):
    exchange(client_of(token_endpoint, token_format="json"))

    asked = token_endpoint.asked[0]
    assert asked.headers["Content-Type"] == "application/json"
    assert b'"code_verifier": "vvv' in asked.body


def test_token_params_never_replace_our_own(token_endpoint):
    evil = dict.fromkeys([*OWN_PARAMETERS, "code", "grant_type", "code_verifier"], "evil")

    exchange(client_of(token_endpoint, token_params=evil | {"audience": "api"}))

    form = token_endpoint.asked[0].form
    assert [name for name, value in form.items() if value == "evil"] == []
    assert form["audience"] == "api"


def test_refresh_goes_to_its_own_address_if_there_is_one(token_endpoint):
    client = client_of(token_endpoint, token_url="https://acme.example/token")
    client.config["refresh_url"] = token_endpoint.url

    client.refresh({"refresh_token": "r"}, asked=[])

    assert token_endpoint.asked[0].form["refresh_token"] == "r"


def test_redirects_of_a_token_endpoint_are_not_followed(token_endpoint, client):
    token_endpoint.status = 307
    token_endpoint.headers = {"Location": token_endpoint.url}

    with pytest.raises(ProviderRefused):
        exchange(client)
    assert len(token_endpoint.asked) == 1


def test_no_cookie_is_sent_back(token_endpoint, client):
    token_endpoint.headers = {"Set-Cookie": f"session={CANARY}"}

    exchange(client)
    exchange(client)

    assert "Cookie" not in token_endpoint.asked[1].headers


@pytest.mark.parametrize(
    "url", ["http://acme.example/token", "https://169.254.169.254/", "nonsense"]
)
def test_forbidden_token_endpoint_counts_as_unreachable(token_endpoint, url):
    client = client_of(token_endpoint, client_secret=CANARY, token_url=url)

    with pytest.raises(ProviderUnavailable) as error:
        exchange(client)

    assert str(error.value).endswith("could not be reached.")


# --- What we make of the answer -------------------------------------------------------------------


def test_whole_answer(token_endpoint, client):
    token_endpoint.body = {
        "access_token": "a",
        "refresh_token": "r",
        "token_type": "BEARER",
        "expires_in": "3600",
        "scope": "write read",
    }

    granted = exchange(client)

    assert granted.secrets == {"access_token": "a", "refresh_token": "r"}
    assert (granted.renewable, granted.scopes) == (True, ["read", "write"])
    assert timedelta(minutes=59) < granted.expires_at - timezone.now() <= timedelta(hours=1)


def test_bare_answer(token_endpoint, client):
    token_endpoint.body = {"access_token": "a"}

    granted = exchange(client, asked=["read", "write"])

    assert granted == Granted({"access_token": "a"}, None, False, ["read", "write"])


def test_catalogue_may_say_how_long_tokens_last(token_endpoint):
    granted = exchange(client_of(token_endpoint, expires_in_s=7200))

    assert timedelta(minutes=119) < granted.expires_at - timezone.now() <= timedelta(hours=2)


@pytest.mark.parametrize("delimiter", [" ", ",", ";"])
def test_scopes_are_read_however_they_are_joined(token_endpoint, delimiter):
    token_endpoint.body |= {"scope": delimiter.join(["b", "a", "b"])}

    assert exchange(client_of(token_endpoint, scope_delimiter=delimiter)).scopes == ["a", "b"]


@pytest.mark.parametrize(
    "token", [None, "", 7, ["a"], {"a": 1}, True, "a\nb", "a\n", "tökèn", "a\x00", "x" * 16385]
)
def test_unusable_access_token_is_refused(token_endpoint, client, token):
    token_endpoint.body |= {"access_token": token}

    with pytest.raises(ProviderMalformed):
        exchange(client)


@pytest.mark.parametrize("token", [7, ["a"], "a\nb", "a\n", "x" * 16385, None, ""])
def test_unusable_refresh_token_does_not_replace_a_usable_one(token_endpoint, client, token):
    token_endpoint.body |= {"refresh_token": token}

    granted = client.refresh({"access_token": "a", "refresh_token": "r1"}, asked=[])

    assert (granted.secrets["refresh_token"], granted.renewable) == ("r1", True)


def test_token_of_another_type_is_refused_unless_the_catalogue_knows_it(token_endpoint, client):
    token_endpoint.body |= {"token_type": "MAC"}

    with pytest.raises(ProviderMalformed):
        exchange(client)
    assert exchange(client_of(token_endpoint, token_type="mac")).secrets == {
        "access_token": "t0ken"
    }


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_passing_trouble_is_told_from_a_no(token_endpoint, client, status):
    token_endpoint.status, token_endpoint.body = status, {"error": "invalid_grant"}

    with pytest.raises(ProviderUnavailable):
        exchange(client)


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (400, {"error": "invalid_grant"}, "invalid_grant"),
        (401, {"error": "invalid_client"}, "invalid_client"),
        (200, {"error": "bad_verification_code"}, "bad_verification_code"),
        (400, {"error": {"code": 7}}, "http_400"),
        (400, {"error": "invalid_grant\n"}, "http_400"),
        (403, {"error": f"<b>{CANARY}</b>"}, "http_403"),
        (400, {}, "http_400"),
    ],
)
def test_no_comes_with_its_code_and_nothing_else(token_endpoint, client, status, body, code):
    token_endpoint.status = status
    token_endpoint.body = body | {"error_description": CANARY}

    with pytest.raises(ProviderRefused) as refusal:
        exchange(client)

    assert refusal.value.code == code
    assert CANARY not in str(refusal.value)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html></html>",
        b"[]",
        b"null",
        b'"token"',
        b'{"access_token": "a"',
        b"\xff\xfe\x00",
        b"[" * 20000,
        b'{"expires_in": ' + b"9" * 5000 + b"}",
        b"access_token=a&token_type=bearer",
        b"x" * 70_000,
    ],
)
def test_what_is_no_token_answer_is_refused(token_endpoint, client, body):
    token_endpoint.body = body

    with pytest.raises(ProviderMalformed):
        exchange(client)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=50),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=5,
)
answers = json_values | st.fixed_dictionaries(
    {},
    optional={
        "access_token": json_values | st.just("a"),
        "refresh_token": json_values,
        "token_type": json_values | st.just("bearer"),
        "expires_in": json_values,
        "scope": json_values,
        "error": json_values,
    },
)


@given(answer=answers)
@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_whatever_comes_is_a_valid_grant_or_a_provider_error(token_endpoint, client, answer):
    token_endpoint.body = answer

    try:
        granted = exchange(client)
    except ProviderError:
        return

    texts = [*granted.secrets.values(), *granted.scopes]
    assert all(isinstance(text, str) and text.isascii() and text.isprintable() for text in texts)
    assert set(granted.secrets) <= {"access_token", "refresh_token"}
    assert granted.secrets["access_token"]
    assert granted.renewable == ("refresh_token" in granted.secrets)
    assert granted.expires_at is None or granted.expires_at > timezone.now()


# --- Where a person is sent -----------------------------------------------------------------------


def test_address_of_the_provider_keeps_its_own_query(token_endpoint):
    client = client_of(token_endpoint, authorize_url="https://acme.example/auth?tenant=1")

    url = client.authorization_url(
        redirect_uri=REDIRECT_URI, scopes=["a b", "c&d"], state="s", verifier="v" * 43
    )

    assert url.startswith("https://acme.example/auth?tenant=1&")
    assert parse_qs(urlsplit(url).query)["scope"] == ["a b c&d"]


def test_scopes_are_joined_as_the_service_wants(token_endpoint):
    client = client_of(token_endpoint, scope_delimiter=",")

    url = client.authorization_url(
        redirect_uri=REDIRECT_URI, scopes=["a", "b"], state="s", verifier="v" * 43
    )

    assert parse_qs(urlsplit(url).query)["scope"] == ["a,b"]


@pytest.mark.parametrize("url", ["http://acme.example/", "https://user@acme.example/", "ftp://x/"])
def test_only_https_or_what_the_operator_allows(token_endpoint, url):
    with pytest.raises(ProviderMalformed):
        client_of(token_endpoint, authorize_url=url).authorization_host()


# --- Revocation -----------------------------------------------------------------------------------


def test_revocation_names_the_refresh_token(token_endpoint):
    client = client_of(token_endpoint, client_secret="s", revoke_url=token_endpoint.url)

    said = client.revoke({"access_token": "a", "refresh_token": "r"})

    assert said == "revoked"
    assert token_endpoint.asked[0].form == {"token": "r", "token_type_hint": "refresh_token"}


def test_revocation_without_refresh_token_names_the_access_token(token_endpoint):
    client = client_of(token_endpoint, revoke_url=token_endpoint.url)

    client.revoke({"access_token": "a"})

    assert token_endpoint.asked[0].form == {
        "token": "a",
        "token_type_hint": "access_token",
        "client_id": "id",
    }


@pytest.mark.parametrize(
    ("config", "secrets", "said"),
    [
        ({}, {"access_token": "a"}, "no revocation endpoint"),
        ({"revoke_url": "https://acme.example/revoke"}, {}, "nothing to revoke"),
        ({"revoke_url": "http://169.254.169.254/"}, {"access_token": "a"}, "did not answer"),
    ],
)
def test_revocation_says_why_it_was_not_made(token_endpoint, config, secrets, said):
    assert client_of(token_endpoint, **config).revoke(secrets) == said


def test_client_credentials_may_have_a_grant_type_of_their_own(token_endpoint):
    client = client_of(
        token_endpoint,
        "id",
        "secret",
        grant_type="account_credentials",
        token_params={"account_id": "7", "grant_type": "password"},
    )

    client.client_credentials(asked=[])

    asked = token_endpoint.asked[0].form
    assert asked == {"grant_type": "account_credentials", "account_id": "7"}
