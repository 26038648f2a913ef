"""The API that the proxy tests call answers as they take for granted."""

import base64

import pytest
import requests


def test_upstream_echoes_what_arrived_undecoded(upstream):
    answer = requests.post(
        f"{upstream.url}/echo/a%2Fb?q=%20x&q=", data=b"hello", headers={"X-One": "1"}, timeout=10
    ).json()

    assert (answer["method"], answer["path"], answer["query"]) == (
        "POST",
        "/echo/a%2Fb",
        "q=%20x&q=",
    )
    assert (answer["body_length"], answer["body_start"]) == (5, "hello")
    assert ["X-One", "1"] in answer["headers"]


def test_upstream_counts_connections(upstream):
    with requests.Session() as pooled:
        for _ in range(3):
            pooled.get(f"{upstream.url}/status/200", timeout=10)
    requests.get(f"{upstream.url}/status/200", timeout=10)

    assert upstream.counts() == {"connections": 2, "requests": 4}


def test_upstream_streams_bytes_and_takes_uploads(upstream):
    body = requests.get(f"{upstream.url}/bytes/300000?chunked", timeout=10).content

    answer = requests.put(f"{upstream.url}/upload", data=iter([body, body]), timeout=10).json()

    assert answer["length"] == 600_000


@pytest.mark.parametrize("where", ["header", "body"])
def test_upstream_leaks_the_credential_in_three_forms(upstream, where):
    answer = requests.get(
        f"{upstream.url}/leak?where={where}",
        headers={"Authorization": "Bearer s/cret"},
        timeout=10,
    )

    leaked = (
        [answer.headers[f"X-Leak-{form}"] for form in ("Raw", "Url", "Base64")]
        if where == "header"
        else [line.partition(": ")[2] for line in answer.text.splitlines()]
    )
    assert leaked == ["s/cret", "s%2Fcret", base64.b64encode(b"s/cret").decode()]


def test_upstream_leaks_a_query_key_and_a_form_field(upstream):
    by_query = requests.get(f"{upstream.url}/leak?where=header&query=k&k=abc", timeout=10)
    by_form = requests.post(
        f"{upstream.url}/leak?where=header&form=k", data={"k": "abc"}, timeout=10
    )

    assert [r.headers["X-Leak-Raw"] for r in (by_query, by_form)] == ["abc", "abc"]


def test_upstream_demands_its_key_and_its_password(upstream):
    right = [
        requests.get(f"{upstream.url}/key", headers={"X-Api-Key": upstream.api_key}, timeout=10),
        requests.get(
            f"{upstream.url}/basic",
            auth=(upstream.basic_user, upstream.basic_password),
            timeout=10,
        ),
    ]
    wrong = [requests.get(f"{upstream.url}/{path}", timeout=10) for path in ("key", "basic")]

    assert [r.status_code for r in right + wrong] == [200, 200, 401, 401]


def test_upstream_compresses_drips_and_redirects(upstream):
    gzipped = requests.get(f"{upstream.url}/gzip?size=5000", timeout=10)
    dripped = requests.get(f"{upstream.url}/drip?seconds=0.1&chunks=3", timeout=10)
    redirected = requests.get(f"{upstream.url}/redirect", timeout=10, allow_redirects=False)

    assert (gzipped.headers["Content-Encoding"], gzipped.content) == ("gzip", bytes(5000))
    assert dripped.text == "chunk 0\nchunk 1\nchunk 2\n"
    assert (redirected.status_code, redirected.headers["Location"]) == (302, "/echo")


def test_upstream_sends_headers_that_a_proxy_must_strip(upstream):
    answer = requests.get(f"{upstream.url}/cookies", timeout=10)

    assert answer.raw.headers.getlist("Set-Cookie") == [
        "session=upstream; Path=/",
        "csrftoken=upstream",
    ]
    assert answer.headers["ETag"] == '"v1"'
