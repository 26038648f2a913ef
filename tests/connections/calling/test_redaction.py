"""An injected secret never comes back, however it is coded and wherever the body is cut."""

import json
from base64 import b64encode, urlsafe_b64encode
from itertools import pairwise
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connhub.connections.calling.redaction import Redactor, Window

SECRET = 's3cr3t/with+odd&chars=ü"x'
REDACTOR = Redactor([SECRET])

FORMS = {
    "raw": SECRET.encode(),
    "url": quote(SECRET, safe="").encode(),
    "url path": quote(SECRET).encode(),
    "url form": quote_plus(SECRET).encode(),
    "url lower": quote(SECRET, safe="")
    .replace("%2F", "%2f")
    .replace("%C3%BC", "%c3%bc")
    .replace("%2B", "%2b")
    .replace("%3D", "%3d")
    .encode(),
    "json": json.dumps(SECRET).encode(),
    "json of php": json.dumps(SECRET).replace("/", "\\/").encode(),
    "base64": b64encode(SECRET.encode()),
    "base64url": urlsafe_b64encode(SECRET.encode()).rstrip(b"="),
}
WITHIN = {
    before: b64encode(before + SECRET.encode() + b":end") for before in (b"user:", b"ab", b"abc")
}


def through_window(redactor: Redactor, body: bytes, cuts: list[int]) -> bytes:
    window = Window(redactor)
    edges = [0, *sorted(cut % (len(body) + 1) for cut in cuts), len(body)]
    pieces = [window.feed(body[a:b]) for a, b in pairwise(edges)]
    return b"".join(pieces) + window.finish()


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_secret_is_overwritten_in_every_form(form):
    body = b"before " + form + b" after"

    cleaned = REDACTOR.clean(body)

    assert len(cleaned) == len(body)
    assert cleaned.replace(b"*", b"").replace(b'"', b"") in (
        b"before  after",
        b"before = after",
        b"before == after",
    )


@pytest.mark.parametrize("encoded", WITHIN.values(), ids=map(repr, WITHIN))
def test_secret_is_overwritten_within_longer_base64(encoded):
    cleaned = REDACTOR.clean(encoded)

    assert cleaned.count(b"*") >= len(SECRET.encode()) * 8 // 6 - 1


@given(
    st.sampled_from(sorted(FORMS.values())), st.lists(st.integers(0, 400), max_size=8), st.binary()
)
def test_body_comes_out_the_same_wherever_it_is_cut(form, cuts, noise):
    body = noise + form + b" and " + form + noise

    assert through_window(REDACTOR, body, cuts) == REDACTOR.clean(body)


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=8))
def test_body_without_a_secret_comes_out_unchanged(body, cuts):
    assert through_window(Redactor(["\x00\x01\x02never\x03"]), body, cuts) == body


@given(st.text(alphabet="ab", max_size=40), st.lists(st.integers(0, 40), max_size=8))
def test_no_secret_is_left_among_things_much_like_it(text, cuts):
    redactor = Redactor(["ababb"])

    cleaned = through_window(redactor, text.encode(), cuts)

    assert b"ababb" not in cleaned
    assert len(cleaned) == len(text)


def test_only_what_may_begin_a_secret_is_held_back():
    window = Window(Redactor(["secret"]))

    assert [
        window.feed(b"hello se"),
        window.feed(b"x"),
        window.feed(b"secre"),
        window.finish(),
    ] == [
        b"hello ",
        b"sex",
        b"",
        b"secre",
    ]


def test_what_is_held_back_stays_small_for_an_endless_body():
    window = Window(Redactor(["aaaaaaaa"]))

    held = 0
    for _ in range(1000):
        held += 7 - len(window.feed(b"aaaaaaa"))

    assert held <= 16


def test_window_tells_whether_it_found_any():
    clean, leaking = Window(REDACTOR), Window(REDACTOR)

    clean.feed(b"nothing")
    leaking.feed(FORMS["base64"] + b" ")

    assert (clean.found, leaking.found) == (False, True)


@pytest.mark.parametrize("secrets", [[], [""], ["abc"]])
def test_what_is_too_short_for_a_secret_is_left_alone(secrets):
    assert Redactor(secrets).clean(b"abc abc") == b"abc abc"
