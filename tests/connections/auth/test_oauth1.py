"""What is signed, how, and what a provider's answers are worth. Calls: tests/usage/test_oauth1.py."""

import hashlib
import hmac
import logging
from base64 import b64encode
from urllib.parse import unquote, urlencode

import pytest
from oauthlib.oauth1.rfc5849.utils import parse_authorization_header

from connhub.connections.auth import METHODS, is_interactive
from connhub.connections.auth.oauth1 import Client, PlaintextNeedsHTTPS, Unsignable
from connhub.connections.auth.provider import (
    ProviderMalformed,
    ProviderRefused,
    ProviderUnavailable,
)
from connhub.services.models import AuthMethod, Service
from tests.conftest import CANARY

pytestmark = pytest.mark.django_db

VALUES = {
    "client_id": "dpf43f3p2l4k3l03",
    "client_secret": "kd94hf93k423kf44",
    "oauth_token": "nnch734d00sl2jdk",
    "oauth_token_secret": "pfkkdhi9sl3r4s00",
}
FORM = [("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8")]
URL = "https://photos.example.net/photos"


def method(**config) -> AuthMethod:
    return AuthMethod(kind="oauth1", config=config, service=Service(name="Photos"))


def signer(values=VALUES, **config):
    return METHODS["oauth1"].apply(values, method(**config)).sign


def signed(verb="GET", url=URL, headers=(), body=b"", **config) -> dict[str, str]:
    """The parameters of the Authorization header that a call gets."""
    ((name, header),) = signer(**config)(verb, url, headers, body)
    assert name == "Authorization"
    return dict(parse_authorization_header(header))


# --- The examples of RFC 5849 ---------------------------------------------------------------------


@pytest.fixture
def as_in_the_rfc(monkeypatch):
    """Signs at a time of the RFC's, without the version, which is optional and not in its examples."""
    made = Client.get_oauth_params

    def without_version(client, request):
        return [pair for pair in made(client, request) if pair[0] != "oauth_version"]

    monkeypatch.setattr(Client, "get_oauth_params", without_version)

    def sign(verb, url, *, headers=(), body=b"", values=VALUES, **options):
        made = METHODS["oauth1"].apply(values, method(realm="Photos")).sign
        made.options.update(options)
        return made(verb, url, headers, body)[0][1]

    return sign


def test_example_of_section_1_2_temporary_credentials(as_in_the_rfc):
    header = as_in_the_rfc(
        "POST",
        "https://photos.example.net/initiate",
        values=VALUES | {"oauth_token": "", "oauth_token_secret": ""},
        callback_uri="http://printer.example.com/ready",
        timestamp="137131200",
        nonce="wIjqoS",
    )

    assert header.startswith('OAuth realm="Photos", ')
    assert 'oauth_callback="http%3A%2F%2Fprinter.example.com%2Fready"' in header
    assert header.endswith('oauth_signature="74KNZJeDHnMBp0EMJ9ZHt%2FXKycU%3D"')


def test_example_of_section_1_2_token(as_in_the_rfc):
    temporary = {"oauth_token": "hh5s93j4hdidpola", "oauth_token_secret": "hdhd0244k9j7ao03"}

    header = as_in_the_rfc(
        "POST",
        "https://photos.example.net/token",
        values=VALUES | temporary,
        verifier="hfdp7dh39dks9884",
        timestamp="137131201",
        nonce="walatlh",
    )

    assert header.endswith('oauth_signature="gKgrFCywp7rO0OXSjdot%2FIHF7IU%3D"')


def test_example_of_section_1_2_call(as_in_the_rfc):
    header = as_in_the_rfc(
        "GET",
        "http://photos.example.net/photos?file=vacation.jpg&size=original",
        timestamp="137131202",
        nonce="chapoH",
    )

    assert header.endswith('oauth_signature="MdpQcU8iPSUjWoN%2FUDMsK2sui9I%3D"')


def test_base_string_of_section_3_4_1_1(as_in_the_rfc):
    base_string = (
        "POST&http%3A%2F%2Fexample.com%2Frequest&a2%3Dr%2520b%26a3%3D2%2520q%26a3%3Da%26b5%3D%253D"
        "%25253D%26c%2540%3D%26c2%3D%26oauth_consumer_key%3D9djdj82h48djs9d2%26oauth_nonce%3D7d8f3e"
        "4a%26oauth_signature_method%3DHMAC-SHA1%26oauth_timestamp%3D137131201%26oauth_token%3Dkkk9"
        "d7dh3k39sjv7"
    )
    mac = hmac.new(b"j49sk3j29djd&dh893hdasih9", base_string.encode(), hashlib.sha1)

    header = as_in_the_rfc(
        "POST",
        "http://EXAMPLE.COM:80/request?b5=%3D%253D&a3=a&c%40=&a2=r%20b",
        headers=FORM,
        body=b"c2&a3=2+q",
        values={
            "client_id": "9djdj82h48djs9d2",
            "client_secret": "j49sk3j29djd",
            "oauth_token": "kkk9d7dh3k39sjv7",
            "oauth_token_secret": "dh893hdasih9",
        },
        timestamp="137131201",
        nonce="7d8f3e4a",
    )

    given = dict(parse_authorization_header(header))
    assert unquote(given["oauth_signature"]) == b64encode(mac.digest()).decode()


# --- What is signed -------------------------------------------------------------------------------


def test_each_call_has_a_nonce_of_its_own():
    sign = signer()

    headers = {sign("GET", URL, (), b"")[0][1] for _ in range(20)}

    assert len({dict(parse_authorization_header(h))["oauth_nonce"] for h in headers}) == 20


@pytest.mark.parametrize("verb", ["GET", "HEAD", "DELETE", "PUT", "PATCH", "OPTIONS"])
def test_form_counts_whatever_the_verb(as_in_the_rfc, verb):
    now = {"timestamp": "1", "nonce": "n"}

    in_form = as_in_the_rfc(verb, URL, headers=FORM, body=b"a=1&b=%C3%A9", **now)
    in_query = as_in_the_rfc(verb, URL + "?b=%C3%A9&a=1", **now)

    assert in_form == in_query


@pytest.mark.parametrize("body", [b'{"a": 1}', b"a=1&b=2", b"\xff\xfe\x00", b"x" * 2_000_000])
def test_body_that_is_no_form_does_not_count(as_in_the_rfc, body):
    now = {"timestamp": "1", "nonce": "n"}
    json = [("Content-Type", "application/json")]

    assert as_in_the_rfc("PUT", URL, headers=json, body=body, **now) == as_in_the_rfc(
        "PUT", URL, **now
    )


@pytest.mark.parametrize("query", ["q={}[]|'\"<>^`", "a=1;b=2", "a=%zz", "&&a", "é=ü"])
def test_query_is_signed_however_it_is_spelt(as_in_the_rfc, query):
    now = {"timestamp": "1", "nonce": "n"}

    assert "oauth_signature=" in as_in_the_rfc("GET", f"{URL}?{query}", **now)


@pytest.mark.parametrize(
    ("query", "body"),
    [
        ("a=%FF", b""),
        ("", b"a=%FF"),
        ("", b"a=\xff"),
        ("a&" * 1001, b""),
        ("", b"a&" * 1001),
        ("oauth_token=other", b""),
        ("", b"oauth_callback=https%3A%2F%2Fevil.example"),
    ],
)
def test_what_nobody_could_verify_is_refused(query, body):
    with pytest.raises(Unsignable):
        signer()("POST", f"{URL}?{query}", FORM, body)


@pytest.mark.parametrize(
    ("signature_method", "function"), [("HMAC-SHA1", "sha1"), ("HMAC-SHA256", "sha256")]
)
@pytest.mark.parametrize("body", [b"", b'{"a": 1}', b"\xff"])
def test_body_hash_is_added_if_the_service_wants_it(signature_method, function, body):
    given = signed(body=body, signature_method=signature_method, body_hash=True)

    expected = b64encode(hashlib.new(function, body).digest()).decode()
    assert unquote(given["oauth_body_hash"]) == expected


def test_body_hash_is_left_out_for_forms_and_by_default():
    assert "oauth_body_hash" not in signed("POST", headers=FORM, body=b"a=1", body_hash=True)
    assert "oauth_body_hash" not in signed("PUT", body=b"{}")


def test_plaintext_goes_over_https_alone():
    given = signed(signature_method="PLAINTEXT")

    assert given["oauth_signature"] == "kd94hf93k423kf44%26pfkkdhi9sl3r4s00"
    with pytest.raises(PlaintextNeedsHTTPS):
        signer(signature_method="PLAINTEXT")("GET", URL.replace("https", "http"), (), b"")


def test_realm_is_filled_in_and_cannot_leave_its_quotes():
    sign = signer(VALUES | {"account": 'a"\\, oauth_token="x'}, realm="{account}")

    header = sign("GET", URL, (), b"")[0][1]

    assert header.startswith(r'OAuth realm="a\"\\, oauth_token=\"x", oauth_nonce="')


def test_signing_puts_nothing_in_the_log(caplog):
    caplog.set_level(logging.DEBUG)
    secret = VALUES | {"oauth_token": CANARY, "oauth_token_secret": CANARY}

    signer(secret)("GET", URL, (), b"")

    assert CANARY not in caplog.text


# --- What is asked and handed out -----------------------------------------------------------------


def asked(**config) -> list[tuple[str, str, bool]]:
    fields = METHODS["oauth1"].fields(method(**config))
    return [(field.name, field.label, field.secret) for field in fields]


def test_without_an_address_to_ask_at_the_form_asks_for_the_token():
    assert asked(request_token_url=URL) == []
    assert is_interactive(method(request_token_url=URL))
    assert not is_interactive(method())
    assert asked() == [
        ("client_id", "Consumer key", False),
        ("client_secret", "Consumer secret", True),
        ("oauth_token", "Token", True),
        ("oauth_token_secret", "Token secret", True),
    ]


def test_rsa_asks_for_a_private_key():
    key = METHODS["oauth1"].app_fields(method(signature_method="RSA-SHA1"))[1]

    assert (key.label, key.kind, key.secret) == ("Private key", "multiline", True)


def test_flow_gets_all_that_it_takes_to_sign():
    usable = METHODS["oauth1"].usable(
        VALUES | {"account": "12"}, method(realm="{account}", signature_method="HMAC-SHA256")
    )

    assert usable == {
        "consumer_key": "dpf43f3p2l4k3l03",
        "consumer_secret": "kd94hf93k423kf44",
        "oauth_token": "nnch734d00sl2jdk",
        "oauth_token_secret": "pfkkdhi9sl3r4s00",
        "signature_method": "HMAC-SHA256",
        "realm": "12",
    }


def test_all_secrets_are_kept_from_coming_back():
    injection = METHODS["oauth1"].apply(VALUES, method())

    assert set(injection.secrets) == set(VALUES.values()) - {VALUES["client_id"]}
    assert all(secret not in repr(injection.sign) for secret in VALUES.values())


@pytest.mark.parametrize("pem", ["", "kd94hf93k423kf44", "-----BEGIN PRIVATE KEY-----\nAAAA\n"])
def test_key_that_is_none_is_not_quoted(pem):
    with pytest.raises(ProviderMalformed) as refused:
        signer(VALUES | {"client_secret": pem}, signature_method="RSA-SHA1")

    assert str(refused.value) == (
        "The private key can't be used to sign. Enter an RSA key whole, as PEM."
    )


# --- What a provider may answer -------------------------------------------------------------------

GIVEN = {"oauth_token": "t", "oauth_token_secret": "s", "oauth_callback_confirmed": "true"}


@pytest.fixture
def begin(token_endpoint):
    def begin(body, status=200, **config):
        token_endpoint.body = urlencode(body).encode() if isinstance(body, dict | list) else body
        token_endpoint.status = status
        addresses = {"request_token_url": token_endpoint.url, "authorize_url": URL}
        values = {"client_id": "k", "client_secret": CANARY}
        return METHODS["oauth1"].begin(
            values, method(**addresses | config), redirect_uri="https://c.example/", scopes=[]
        )

    return begin


def test_temporary_credentials_are_asked_for_by_an_empty_signed_post(begin, token_endpoint):
    begun = begin(GIVEN, authorize_params={"perms": "read", "oauth_token": "evil"}, body_hash=True)

    asked = token_endpoint.asked[0]
    header = dict(parse_authorization_header(asked.headers["Authorization"]))
    assert (begun.url, begun.state, begun.verifier) == (f"{URL}?oauth_token=t&perms=read", "t", "s")
    assert (asked.body, asked.headers["Content-Length"]) == (b"", "0")
    assert header["oauth_callback"] == "https%3A%2F%2Fc.example%2F"
    assert {"oauth_token", "oauth_body_hash"} & header.keys() == set()


@pytest.mark.parametrize("confirmed", ["True", "TRUE"])
def test_confirmation_is_taken_in_any_case(begin, confirmed):
    assert begin(GIVEN | {"oauth_callback_confirmed": confirmed}).state == "t"


def test_with_a_key_of_its_own_a_provider_may_leave_the_secret_empty(begin):
    assert begin(GIVEN | {"oauth_token_secret": ""}).verifier == ""


@pytest.mark.parametrize(
    ("body", "status", "error", "text"),
    [
        (GIVEN | {"oauth_callback_confirmed": "false"}, 200, ProviderMalformed, "did not confirm"),
        (
            {"oauth_token": "t", "oauth_token_secret": "s"},
            200,
            ProviderMalformed,
            "did not confirm",
        ),
        ({"oauth_token": "t"}, 200, ProviderMalformed, "not a token"),
        (GIVEN | {"oauth_token": "a\nb"}, 200, ProviderMalformed, "not a token"),
        (GIVEN | {"oauth_token": ""}, 200, ProviderMalformed, "not a token"),
        (GIVEN | {"oauth_token_secret": "x" * 20000}, 200, ProviderMalformed, "not a token"),
        ([*GIVEN.items(), ("oauth_token", "u")], 200, ProviderMalformed, "not a token"),
        (b"<html>", 200, ProviderMalformed, "not a token"),
        (b"\xff\xfe", 200, ProviderMalformed, "not a token"),
        (b"a&" * 2000, 200, ProviderMalformed, "not a token"),
        (b"x" * 70000, 200, ProviderMalformed, "far too much"),
        (b"", 500, ProviderUnavailable, "unavailable"),
        (b"", 429, ProviderUnavailable, "unavailable"),
        (b"", 401, ProviderRefused, "did not accept the consumer key"),
        (b"", 400, ProviderRefused, "did not accept the consumer key"),
        (b"", 302, ProviderRefused, "refused (http_302)"),
        ({"oauth_problem": "signature_invalid"}, 401, ProviderRefused, "the consumer key"),
        ({"oauth_problem": "timestamp_refused"}, 401, ProviderRefused, "clock"),
        ({"oauth_problem": "user_refused"}, 401, ProviderRefused, "refused (user_refused)"),
        ({"oauth_problem": "<script>"}, 401, ProviderRefused, "the consumer key"),
    ],
)
def test_answer_that_is_of_no_use_is_said(begin, body, status, error, text):
    with pytest.raises(error) as said:
        begin(body, status)

    assert text in str(said.value)
    assert CANARY not in str(said.value)


def test_plaintext_is_not_begun_without_https(begin, token_endpoint):
    with pytest.raises(PlaintextNeedsHTTPS):
        begin(GIVEN, signature_method="PLAINTEXT")

    assert token_endpoint.asked == []
