"""SECURITY 8.2, 8.4: files that are well sealed and badly made, each refused without a word of it."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connhub.connections.bundles import document
from connhub.connections.bundles.document import BadFile, Bundle, Grant, Item, Place
from tests.conftest import CANARY

EMPTY = {"services": [], "other_services": {}, "connections": []}


def plain(**more) -> dict:
    """A connection as a file holds it."""
    item = Item("crm", "CRM", "acme", "api_key", "API key", settings=[Place(None)],
                credentials=[Grant(None, {"key_1": CANARY})])  # fmt: skip
    return Bundle({}, [item]).plain()["connections"][0] | more


def file(*connections, **more) -> bytes:
    return json.dumps(EMPTY | {"connections": list(connections)} | more).encode()


def service(**more) -> dict:
    words = dict.fromkeys(("version", "summary", "docs_url"), "")
    method = {"kind": "bearer", "label": "Token", "config": {}, "scopes": []}
    made = {"slug": "acme", "name": "Acme", "category": "CRM", "base_url": "https://acme.example",
            "test": {}, "endpoints": {}, "methods": [method]}  # fmt: skip
    return made | words | more


def with_config(kind, config) -> dict:
    return service(methods=[{"kind": kind, "label": "x", "config": config, "scopes": []}])


def said(data: bytes) -> str:
    with pytest.raises(BadFile) as refusal:
        document.read(data)
    return refusal.value.text


def test_the_smallest_file_is_read():
    assert document.read(file()).items == []


def test_a_good_file_is_read():
    found = document.read(file(plain(), services=[service()]))

    assert (found.items[0].credentials[0].secrets, list(found.services)) == (
        {"key_1": CANARY}, ["acme"],
    )  # fmt: skip


words = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30)
secrets = st.dictionaries(words, words, max_size=3)
places = st.builds(Place, st.none() | words, secrets, words)
moments = st.datetimes(datetime(2001, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
grants = st.builds(
    Grant, st.none() | words, secrets, words, st.lists(words, max_size=3), st.none() | moments,
    st.booleans(),
)  # fmt: skip
items = st.builds(
    Item, words, words, words, words, words, words, st.lists(words, max_size=3),
    st.lists(words, max_size=3), st.sampled_from(["proxy", "credentials"]), st.booleans(),
    st.lists(places, max_size=2, unique_by=lambda place: place.environment), words,
    st.none() | words, st.lists(grants, max_size=2, unique_by=lambda grant: grant.environment),
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(found=st.lists(items, max_size=4, unique_by=lambda item: item.link_name))
def test_what_is_written_is_read_again(found):
    bundle = Bundle({}, found)

    assert document.read(bundle.as_json()).plain() == bundle.plain()


BAD = {
    "nothing": b"",
    "no JSON": b"{",
    "a list": b"[]",
    "null": b"null",
    "YAML": b"services: []\nconnections: []\n",
    "a pickle": b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00\x8c\x02os\x94\x8c\x06system\x94\x93.",
    "XML": b"<?xml version='1.0'?><!DOCTYPE x [<!ENTITY a 'b'>]><x>&a;</x>",
    "an archive": b"PK\x03\x04" + b"\0" * 40,
    "UTF-16": json.dumps(EMPTY).encode("utf-16"),
    "Latin-1": '{"services": "é"}'.encode("latin-1"),
    "a byte-order mark": b"\xef\xbb\xbf" + json.dumps(EMPTY).encode(),
    "a key twice": b'{"services": [], "services": [], "connections": [], "other_services": {}}',
    "a key twice, deep": file(plain()).replace(b'"key_1"', b'"key_1": "a", "key_1"'),
    "NaN": file(plain(login_user=1)).replace(b'"login_user": 1', b'"login_user": NaN'),
    "infinity": file(plain(login_user=1)).replace(b'"login_user": 1', b'"login_user": -Infinity'),
    "a long number": file(plain(login_user=1)).replace(b'": 1', b'": ' + b"9" * 5000),
    "a half surrogate": file(plain(name="\ud800")),
    "a half surrogate as a key": file(plain(settings=[{"environment": None, "base_url": "",
                                                       "parameters": {"\udfff": "x"}}])),
    "NUL": file(plain(name="a\0b")),
    "NUL in a secret": file(plain(credentials=[plain()["credentials"][0] | {"secrets": {"a": "\0"}}])),
    "a line end in a name": file(plain(name="a\nb")),
    "a text too long": file(plain(description="x" * 2**16 + "x")),
    "deeper than 32": file(services=[with_config("none", {"help": json.loads("[" * 40 + "]" * 40)})]),
    "very deep": b"[" * 100_000 + b"]" * 100_000,
    "an unknown key": json.dumps(EMPTY | {"owner": 1}).encode(),
    "an owner": file(plain(owner="eve@acme.example")),
    "a status": file(plain(status=1)),
    "admins": file(plain(admins=["eve"])),
    "a missing key": file({k: v for k, v in plain().items() if k != "settings"}),
    "a number for a name": file(plain(name=7)),
    "a text for a switch": file(plain(login_user="yes")),
    "another access mode": file(plain(access_mode="everything")),
    "no connections": json.dumps({"services": [], "other_services": {}}).encode(),
    "connections as an object": json.dumps(EMPTY | {"connections": {}}).encode(),
    "a link name twice": file(plain(), plain()),
    "a service twice": file(services=[service(), service()]),
    "an environment twice": file(plain(settings=plain()["settings"] * 2)),
    "a day for a moment": file(plain(credentials=[plain()["credentials"][0] | {"expires_at": "2026-01-01"}])),
    "a moment that is none": file(plain(credentials=[plain()["credentials"][0] | {"expires_at": "2026-99-01T00:00:00Z"}])),
    "a moment without a zone": file(plain(credentials=[plain()["credentials"][0] | {"expires_at": "2026-01-01T00:00:00"}])),
    "a list for secrets": file(plain(credentials=[plain()["credentials"][0] | {"secrets": [CANARY]}])),
    "a number for a secret": file(plain(credentials=[plain()["credentials"][0] | {"secrets": {"a": 1}}])),
    "a service by script": file(services=[service(docs_url="javascript:alert(1)")]),
    "a service on this machine": file(services=[service(base_url="http://127.0.0.1:80/")]),
    "a service of another scheme": file(services=[service(base_url="ftp://acme.example")]),
    "a service with a sign-in": file(services=[service(base_url="https://a:b@acme.example")]),
    "a service of any host": file(services=[service(base_url="https://{host}")]),
    "a slug that is none": file(services=[service(slug="../admin")]),
    "a key in Host": file(services=[with_config("api_key", {"keys": [{"name": "Host", "in": "header", "label": "x"}]})]),
    "a key with a line end": file(services=[with_config("api_key", {"keys": [{"name": "a\r\nb", "in": "header", "label": "x"}]})]),
    "keys that are none": file(services=[with_config("api_key", {"keys": "x"})]),
    "OAuth without URLs": file(services=[with_config("oauth2_code", {})]),
    "OAuth by http": file(services=[with_config("oauth2_code", {"authorize_url": "http://a.example", "token_url": "https://a.example"})]),
    "an auth method that can't travel": file(services=[with_config("two_step", {})]),
    "an auth method that is none": file(services=[with_config("magic", {})]),
}  # fmt: skip


@pytest.mark.parametrize("data", BAD.values(), ids=BAD.keys())
def test_a_bad_file_is_refused_without_a_word_of_it(data):
    text = said(data)

    assert (text.startswith(("This file can't be imported.", "This is not")), CANARY in text) == (
        True, False,
    )  # fmt: skip
    assert len(text) < 200


def test_more_than_ten_thousand_connections_are_refused():
    many = file(*(plain(link_name=f"c{n}", credentials=[]) for n in range(10_001)))

    assert "10,000" in said(many)


def test_more_than_ten_mebibytes_are_refused_unread():
    assert said(b" " * (10 * 2**20 + 1)) == "The file is larger than 10 MiB."
