"""One canonical form of path and query: what could be read in two ways is refused."""

import re
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connhub.connections.calling.paths import Base, require_canonical, require_query
from connhub.connections.calling.refusals import BadPath
from connhub.egress.guard import BadAddress

BASE = Base("https://api.example.com", "/v1")

HOSTILE = [
    "..",
    ".",
    "../admin",
    "a/../b",
    "a/..",
    "a/./b",
    "a/.",
    "..;/admin",
    "a/..;x=1/b",
    "a/.;/b",
    "/absolute",
    "//evil.example.com/x",
    "a//b",
    "https://evil.example.com/x",
    "%2e%2e/admin",
    "a/%2E%2e/b",
    "a%2fb",
    "a%2Fb",
    "a%5cb",
    "a%5Cb",
    "a%252fb",
    "a%25252e%25252e/b",
    "a%00b",
    "a%0d%0aX-Evil: 1",
    "a%0ab",
    "a%1fb",
    "a%7fb",
    "a%c0%ae%c0%ae/b",
    "a%C1%9Cb",
    "a\\b",
    "..\\admin",
    "a b",
    "a\tb",
    "a\r\nb",
    "a\x00b",
    "a#b",
    "a?b",
    "a%",
    "a%2",
    "a%zz",
    "a%u002e",
    "a<b>",
    'a"b',
    "a[1]",
    "ä",
    "a\uff0e\uff0e/b",
]
FINE = [
    "",
    "a",
    "a/b/",
    "contacts/42",
    "a.b/..c/c../...",
    "crm/v3/objects:search",
    "users/me@example.com",
    "a;x=1/b,c",
    "report%20of%20May",
    "caf%C3%A9",
    "100%25",
    "~ada/(x)*'!$&+=_-",
]


@pytest.mark.parametrize("path", HOSTILE)
def test_path_that_could_mean_another_is_refused(path):
    with pytest.raises(BadPath):
        require_canonical(path.encode())


@pytest.mark.parametrize("path", FINE)
def test_plain_path_is_sent_byte_for_byte(path):
    require_canonical(path.encode())

    assert str(BASE.url(path, "")) == f"https://api.example.com/v1/{path}"


@given(st.text(alphabet="ab./\\%;:@?#25eEfFcC0dD \r\n\x00ä", max_size=24))
def test_whatever_passes_stays_below_the_prefix_however_often_it_is_decoded(path):
    try:
        require_canonical(path.encode())
    except BadPath:
        return
    url = str(BASE.url(path, ""))

    decoded = url
    for _ in range(5):
        parts = urlsplit(decoded)
        assert (parts.scheme, parts.netloc) == ("https", "api.example.com")
        assert parts.path.startswith("/v1/")
        assert not re.search(r"[\x00-\x1f\x7f\\]|/\.{1,2}([/;]|$)|//", parts.path)
        decoded = decoded.partition("#")[0].partition("?")[0]
        decoded = unquote(decoded)


@pytest.mark.parametrize("query", ["", "a=1&b=2", "q=%20x&q=", "f[]=1&a|b", "u=https://x/?y"])
def test_query_is_sent_byte_for_byte(query):
    require_query(query.encode())

    assert str(BASE.url("x", query)) == "https://api.example.com/v1/x" + (query and "?" + query)


@pytest.mark.parametrize("query", ["a b", "a\r\nX: 1", "a\x00", "a#b", "ä", 'a"b', "a<b", "a>b"])
def test_query_with_characters_that_must_be_encoded_is_refused(query):
    with pytest.raises(BadPath):
        require_query(query.encode())


@pytest.mark.parametrize(
    ("base_url", "called"),
    [
        ("https://api.example.com", "https://api.example.com/x"),
        ("https://API.example.com:443/v1/", "https://api.example.com/v1/x"),
        ("https://api.example.com:8443/a/b", "https://api.example.com:8443/a/b/x"),
        ("https://[2606:4700::1111]/", "https://[2606:4700::1111]/x"),
    ],
)
def test_calls_go_below_the_base_url(settings, base_url, called):
    settings.CONNHUB_EGRESS_ALLOW = []

    assert str(Base.parse(base_url).url("x", "")) == called


def test_base_url_itself_can_be_called():
    assert str(Base("https://api.example.com", "/graphql").url(None, "")) == (
        "https://api.example.com/graphql"
    )
    assert str(Base("https://api.example.com", "").url(None, "a=1")) == (
        "https://api.example.com/?a=1"
    )


@pytest.mark.parametrize(
    "base_url",
    [
        "http://api.example.com",
        "ftp://api.example.com",
        "https://user:password@api.example.com",
        "https://api.example.com/v1?key=1",
        "https://api.example.com/v1#x",
        "https://api.example.com/a/../b",
        "https://api.example.com/a%2fb",
        "https://api.example.com//b",
        "https://2130706433/",
        "",
    ],
)
def test_base_url_that_could_lead_elsewhere_is_refused(settings, base_url):
    settings.CONNHUB_EGRESS_ALLOW = []

    with pytest.raises(BadAddress):
        Base.parse(base_url)


def test_plain_http_passes_where_the_service_is_defined_so(settings):
    settings.CONNHUB_EGRESS_ALLOW = []

    assert Base.parse("http://api.example.com", plain_http=True).origin == "http://api.example.com"
