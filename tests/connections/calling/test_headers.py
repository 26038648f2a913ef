"""Which headers go through a proxied call, in either direction."""

import pytest

from connhub.connections.auth.base import Injection
from connhub.connections.calling.headers import for_caller, for_service, require_few
from connhub.connections.calling.injection import Injector
from connhub.connections.calling.refusals import BadHeader, HeadersTooLarge


def sent(*headers, **options):
    raw = [(name.lower().encode(), value.encode()) for name, value in headers]
    return [pair for pair in for_service(raw, **options).items() if pair[0] != "accept-encoding"]


def returned(*headers):
    passed = for_caller([(name.encode(), value.encode()) for name, value in headers])
    return {name.decode(): value.decode() for name, value in passed}


SAFETY = {
    "x-content-type-options": "nosniff",
    "content-security-policy": "sandbox; default-src 'none'",
    "cache-control": "no-store",
}


def test_a_caller_s_own_headers_pass_in_order_and_repeated():
    headers = [("accept", "a/b"), ("x-one", "1"), ("if-none-match", '"x"'), ("x-one", "ü")]

    assert sent(*headers) == headers


@pytest.mark.parametrize(
    "name",
    [
        "Connection",
        "Keep-Alive",
        "Proxy-Connection",
        "TE",
        "Trailer",
        "Transfer-Encoding",
        "Upgrade",
        "Host",
        "Cookie",
        "Authorization",
        "Proxy-Authorization",
        "Proxy-Anything",
        "Forwarded",
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "X-Forwarded",
        "X-Real-IP",
        "X-HTTP-Method-Override",
        "X-HTTP-Method",
        "X-Method-Override",
        "X-Original-URL",
        "X-Rewrite-URL",
        "X_Api_Key",
        "Content_Length",
        "X-ConnHub-Flow",
        "X-ConnHub-User",
        "Expect",
        "Content-Length",
        "Accept-Encoding",
    ],
)
def test_header_that_a_proxy_must_keep_is_not_sent(name):
    assert sent((name, "x"), ("x-other", "y")) == [("x-other", "y")]


def test_identity_is_asked_for_whatever_the_caller_takes():
    assert for_service([(b"accept-encoding", b"br")]).getall("accept-encoding") == ["identity"]


def test_headers_named_in_connection_are_not_sent():
    assert sent(("connection", "close, X-Hop"), ("x-hop", "1"), ("x-end", "2")) == [("x-end", "2")]


def test_header_that_is_no_utf_8_is_refused():
    with pytest.raises(BadHeader):
        for_service([(b"x-one", b"\xff")])


def test_credential_replaces_what_the_caller_put_in_its_place():
    injector = Injector(Injection(headers=(("X-Api-Key", "secret"),)))

    headers = injector.headers([(b"x-api-key", b"mine"), (b"connection", b"x-api-key")])

    assert headers.getall("X-Api-Key") == ["secret"]


@pytest.mark.parametrize(
    ("given", "called"),
    [
        ("", "api_key=s%26crt"),
        ("a=1&b=%20", "a=1&b=%20&api_key=s%26crt"),
        ("api_key=mine&a=1", "a=1&api_key=s%26crt"),
        ("API_KEY=mine", "api_key=s%26crt"),
        ("api%5Fkey=mine&a=1", "a=1&api_key=s%26crt"),
        ("a=1;api_key=mine&b=2", "b=2&api_key=s%26crt"),
    ],
)
def test_key_in_the_query_comes_last_and_alone(given, called):
    injector = Injector(Injection(query=(("api_key", "s&crt"),)))

    assert injector.query(given) == called


@pytest.mark.parametrize(
    ("given", "sent"),
    [(b"", b"key=s%26crt"), (b"a=1&key=mine&b=%C3%A4", b"a=1&b=%C3%A4&key=s%26crt")],
)
def test_key_in_the_form_comes_last_and_alone(given, sent):
    injector = Injector(Injection(form=(("key", "s&crt"),)))

    assert injector.form(given) == sent


@pytest.mark.parametrize(
    "headers", [[(b"x", b"")] * 101, [(b"x", b"y" * 65_536)]], ids=["many", "large"]
)
def test_too_many_or_too_large_headers_are_refused(headers):
    with pytest.raises(HeadersTooLarge):
        require_few(headers)


def test_safe_headers_of_an_answer_pass():
    headers = {
        "retry-after": "7",
        "etag": '"v1"',
        "link": '<x>; rel="next"',
        "content-type": "application/json",
        "content-language": "de",
        "x-ratelimit-remaining": "3",
        "www-authenticate": "Bearer",
        "location": "/elsewhere",
    }

    assert returned(*headers.items()) == headers | SAFETY


@pytest.mark.parametrize(
    "name",
    [
        "Set-Cookie",
        "Set-Cookie2",
        "Clear-Site-Data",
        "Access-Control-Allow-Origin",
        "Access-Control-Anything",
        "Content-Security-Policy",
        "Content-Security-Policy-Report-Only",
        "Strict-Transport-Security",
        "Refresh",
        "Alt-Svc",
        "Server-Timing",
        "Connection",
        "Transfer-Encoding",
        "Upgrade",
        "Proxy-Authenticate",
        "X-Accel-Redirect",
        "X-Sendfile",
        "X-ConnHub-Problem",
        "Cache-Control",
        "Service-Worker-Allowed",
    ],
)
def test_header_that_would_act_on_connhub_s_origin_is_stripped(name):
    assert returned((name, "x")) == SAFETY


def test_headers_named_in_an_answer_s_connection_are_stripped():
    assert returned(("Connection", "X-Hop"), ("X-Hop", "1")) == SAFETY


@pytest.mark.parametrize("value", ["a\x00b", "a\nb", "a\x7f"])
def test_header_with_control_characters_is_stripped(value):
    assert returned(("X-One", value)) == SAFETY


@pytest.mark.parametrize(
    "content_type",
    [
        "text/html; charset=utf-8",
        "TEXT/HTML",
        "application/xhtml+xml",
        "image/svg+xml",
        "application/xml",
        "text/xml",
        "application/javascript",
        "text/javascript",
        "application/pdf",
    ],
)
def test_active_types_become_attachments(content_type):
    headers = returned(("Content-Type", content_type), ("Content-Disposition", "inline"))

    assert headers["content-disposition"] == "attachment"


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "image/png"])
def test_other_types_keep_their_disposition(content_type):
    headers = returned(("Content-Type", content_type), ("Content-Disposition", "inline"))

    assert headers["content-disposition"] == "inline"
