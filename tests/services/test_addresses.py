"""What a connection says can fill a hole in a service's URL, and can't change what is around it."""

from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from connhub.services.addresses import Unfilled, fill, fill_config, templates

HOST = "https://{shop}.example.com/v1"
PATH = "https://api.example.com/{version}/items"
BOTH = "https://{shop}-{region}.example.com:8443/{version}/x?a={version}"

anything = st.text(max_size=30)
nasty = st.text(st.sampled_from("abc019.-_~/\\@:?#%[]{}|^ \t\r\n\0＠／。．ß"), max_size=12)
plain = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9-]{0,20}[A-Za-z0-9])?", fullmatch=True)


def structure(url):
    """All of a URL but the text between its delimiters."""
    parts = urlsplit(url)
    return (
        parts.scheme, parts.username, parts.password, parts.port, parts.fragment,
        parts.path.count("/"), parts.query.count("&"), parts.query.count("="), len(parts.path.split("/..")),
    )  # fmt: skip


@example("abc\n")
@example("a..b")
@example("a.")
@example("..")
@example("%2e%2e")
@example("")
@given(anything | nasty)
def test_no_value_changes_the_host_around_the_hole(value):
    try:
        url = fill(HOST, {"shop": value})
    except Unfilled:
        return

    assert url == f"https://{value}.example.com/v1"
    assert structure(url) == structure(HOST.replace("{shop}", "shop"))
    assert urlsplit(url).hostname == f"{value.lower()}.example.com"
    assert all(urlsplit(url).hostname.split("."))


@example("abc\n")
@example("a/..")
@given(anything | nasty)
def test_no_value_changes_the_path_around_the_hole(value):
    try:
        url = fill(PATH, {"version": value})
    except Unfilled:
        return

    assert structure(url) == structure(PATH.replace("{version}", "version"))
    assert urlsplit(url).hostname == "api.example.com"
    assert urlsplit(url).path.split("/") == ["", value, "items"]
    assert value not in (".", "..")


@given(st.dictionaries(st.sampled_from(["shop", "region", "version"]), anything | nasty | plain))
def test_no_values_together_change_the_address(values):
    try:
        url = fill(BOTH, values)
    except Unfilled:
        return

    plain = BOTH.replace("{shop}", "shop").replace("{region}", "region").replace("{version}", "v1")
    assert structure(url) == structure(plain)
    assert "{" not in url


@given(plain)
def test_plain_values_are_filled_in(value):
    assert fill(HOST, {"shop": value}) == f"https://{value}.example.com/v1"


@pytest.mark.parametrize(
    "value", ["acme", "acme-eu", "eu.acme", "v1.2", "2024_01", "A", "a~b", "a" * 200]
)
def test_these_values_fit(value):
    assert fill("{x}", {"x": value}) == value


@pytest.mark.parametrize(
    "value",
    ["", " ", "a b", "a/b", "a@b", "a:80", "a?b", "a#b", "a%2fb", ".a", "-a", "a.", "a..b", "a\n", "a" * 201, "é"],
)  # fmt: skip
def test_these_values_do_not_fit_and_are_not_echoed(value):
    with pytest.raises(Unfilled) as refused:
        fill("https://{shop}.example.com", {"shop": value})

    assert (
        str(refused.value) == "shop is missing or has characters that an address can't have there."
    )


def test_a_missing_value_is_unfilled():
    with pytest.raises(Unfilled):
        fill(HOST, {"other": "x"})


def test_what_is_filled_in_is_not_filled_again():
    with pytest.raises(Unfilled):
        fill("{a}", {"a": "{b}", "b": "x"})


def test_only_the_urls_of_a_configuration_are_filled():
    config = {"token_url": HOST, "authorize_url": "", "label": "{shop}", "pkce": True}

    filled = fill_config(config, {"shop": "acme"})

    assert filled == config | {"token_url": "https://acme.example.com/v1"}


def test_texts_of_a_configuration_take_any_value_but_not_none():
    config = {"token_params": {"audience": "{api}", "kind": "{{}}"}, "region": "{region}"}
    values = {"api": "https://acme.example/api?x", "region": "{api}"}

    assert fill_config(config, values) == {
        "token_params": {"audience": "https://acme.example/api?x", "kind": "{{}}"},
        "region": "{api}",
    }
    with pytest.raises(Unfilled):
        fill_config(config, {"region": "eu"})


def test_sign_in_request_s_address_is_filled_and_its_body_left_alone():
    login = {"url": HOST, "body": {"password": "{password}"}}

    filled = fill_config({"login": login}, {"shop": "acme"})

    assert filled == {"login": login | {"url": "https://acme.example.com/v1"}}


def test_headers_are_left_to_each_call():
    config = {"headers": {"Client": "{client_id}"}}

    assert fill_config(config, {}) == config


def test_templates_are_everything_that_is_filled():
    config = {"token_url": HOST, "claims": {"a": "{b}"}, "region": "{c}", "headers": {"X": "{d}"}}
    login = {"url": "https://acme.example/{e}", "body": {"f": "{f}"}}

    assert templates(config | {"login": login}) == [HOST, "{c}", "{b}", login["url"]]
