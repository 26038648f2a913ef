"""Proxied calls, made to ConnHub as a flow makes them, over to a real service and back."""

import asyncio
import hashlib
import json
import socket
import time
from base64 import b64encode
from urllib.parse import quote

import httpx2
import pytest
import requests

from connhub.services.models import Service
from tests.conftest import CANARY
from tests.servers.app import running_app
from tests.servers.process import free_port
from tests.usage.conftest import TIMEOUT_S, Flow, problem, wait_for_event

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("app")]


def headers_of(echo):
    return {name.lower(): value for name, value in echo.json()["headers"]}


def test_method_path_query_and_body_reach_the_service_unchanged(reach, flow):
    reach("crm", where={"path": "/echo/v1"})

    answer = flow("PATCH", "crm", "/a%20b/c;x=1?q=%20x&q=", data=b"hello").json()

    assert (answer["method"], answer["path"], answer["query"], answer["body_start"]) == (
        "PATCH",
        "/echo/v1/a%20b/c;x=1",
        "q=%20x&q=",
        "hello",
    )


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"])
def test_every_method_without_a_body_passes(reach, flow, method):
    reach()

    answer = flow(method, "crm", "/echo").json()

    assert (answer["method"], answer["body_length"]) == (method, 0)


@pytest.mark.parametrize("path", ["", "/"])
def test_the_base_url_itself_can_be_called(reach, flow, path):
    reach("crm", where={"path": "/echo/graphql"})

    assert flow("POST", "crm", path, data=b"{}").json()["path"] == "/echo/graphql" + path


@pytest.mark.parametrize(
    ("kind", "header", "value"),
    [
        ("api_key", "x-api-key", CANARY),
        ("bearer", "authorization", f"Bearer {CANARY}"),
        ("basic", "authorization", f"Basic {b64encode(f'grace:{CANARY}'.encode()).decode()}"),
    ],
)
def test_credential_is_added_to_the_call_and_taken_out_of_the_answer(
    reach, flow, kind, header, value
):
    reach(kind=kind)

    sent = headers_of(flow("GET", "crm", "/echo", headers={"X-Api-Key": "the caller's own"}))

    scheme, _, secret = value.rpartition(" ")
    assert sent[header] == f"{scheme} {'*' * len(secret)}".strip()


def test_service_that_checks_the_key_lets_the_call_in(reach, flow, upstream):
    reach(secrets={"key_1": upstream.api_key})

    assert flow("GET", "crm", "/key").json() == {"ok": True}


def test_service_that_checks_the_password_lets_the_call_in(reach, flow, upstream):
    secrets = {"password": upstream.basic_password}
    reach(kind="basic", parameters={"username": "grace"}, secrets=secrets)

    assert flow("GET", "crm", "/basic").json() == {"user": "grace"}


def test_key_in_the_query_is_added_last_and_kept_from_the_answer(reach, flow):
    reach(config={"keys": [{"name": "api_key", "in": "query", "label": "Key"}]})

    answer = flow("GET", "crm", "/echo?a=1&api_key=mine").json()

    assert answer["query"] == f"a=1&api_key={'*' * len(CANARY)}"


FORM = {"keys": [{"name": "token", "in": "form", "label": "Token"}]}


def test_key_in_the_form_is_added_last(reach, flow):
    reach(config=FORM)

    answer = flow("POST", "crm", "/echo", data={"a": "1", "token": "mine"}).json()

    assert answer["body_start"] == f"a=1&token={'*' * len(CANARY)}"
    assert answer["body_length"] == len(f"a=1&token={CANARY}")


@pytest.mark.parametrize("options", [{}, {"json": {}}, {"data": b"x"}])
def test_key_in_the_form_needs_a_form(reach, flow, options):
    reach(config=FORM)

    assert problem(flow("POST", "crm", "/echo", **options)) == (415, "form-needed")


def test_connhub_s_own_headers_and_cookies_stay_here(reach, flow):
    reach(kind="none")

    sent = headers_of(
        flow(
            "GET",
            "crm",
            "/echo",
            headers={
                "X-ConnHub-Flow": "nightly",
                "X-ConnHub-Step": "Orders",
                "X-ConnHub-User": "grace@example.com",
                "Cookie": "session=1",
                "X-Forwarded-For": "10.0.0.1",
                "X_Api_Key": "x",
                "X-Own": "1",
            },
        )
    )

    assert sent.keys() == {"host", "accept", "accept-encoding", "user-agent", "x-own"}
    assert flow.token not in str(sent)


@pytest.mark.parametrize("where", ["header", "body"])
@pytest.mark.parametrize("kind", ["api_key", "bearer", "basic"])
def test_secret_that_the_service_repeats_is_redacted_in_every_form(reach, flow, where, kind):
    reach(kind=kind)
    header = "X-Api-Key" if kind == "api_key" else "Authorization"

    answer = flow("GET", "crm", f"/leak?where={where}&header={header}")

    everything = answer.text + str(answer.headers)
    secret = b64encode(f"grace:{CANARY}".encode()).decode() if kind == "basic" else CANARY
    forms = {CANARY, secret, quote(secret, safe=""), b64encode(secret.encode()).decode()}
    assert [form for form in forms if form in everything] == []
    assert everything.count("****") > 3


def test_redaction_is_put_on_record(reach, flow):
    connection = reach()

    flow("GET", "crm", "/leak?header=X-Api-Key")

    event = wait_for_event("credential.redacted", by=flow.key)
    assert event.object_id == str(connection.pk)


def test_headers_for_browsers_are_stripped_and_safe_ones_pass(reach, flow):
    reach()

    answer = flow("GET", "crm", "/cookies")

    assert "set-cookie" not in answer.headers
    assert answer.headers["ETag"] == '"v1"'
    assert {
        name: answer.headers[name]
        for name in ("X-Content-Type-Options", "Content-Security-Policy", "Cache-Control")
    } == {
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Cache-Control": "no-store",
    }


@pytest.mark.parametrize("code", [200, 201, 204, 304, 400, 401, 404, 418, 429, 500, 503])
def test_status_passes_through(reach, flow, code):
    reach()

    answer = flow("GET", "crm", f"/status/{code}")

    assert answer.status_code == code
    assert "X-ConnHub-Problem" not in answer.headers


def test_head_passes_with_the_length_and_no_body(reach, flow):
    reach()

    answer = flow("HEAD", "crm", "/status/200")

    assert (answer.status_code, answer.headers["Content-Length"], answer.content) == (
        200,
        str(len("Status 200")),
        b"",
    )


def test_redirect_is_not_followed(reach, flow):
    reach()

    answer = flow("GET", "crm", "/redirect?to=https://elsewhere.example/x")

    assert (answer.status_code, answer.headers["Location"]) == (
        302,
        "https://elsewhere.example/x",
    )


def test_secret_in_a_location_is_redacted(reach, flow):
    reach()

    answer = flow("GET", "crm", f"/redirect?to=/next?key={CANARY}")

    assert answer.headers["Location"] == f"/next?key={'*' * len(CANARY)}"


def test_calls_share_pooled_connections(reach, flow, upstream):
    reach()
    flow("GET", "crm", "/echo")
    upstream.reset()

    for _ in range(5):
        flow("GET", "crm", "/echo")

    assert upstream.counts() == {"connections": 1, "requests": 5}


def test_connections_to_the_same_service_share_no_socket(reach, flow, upstream):
    for name in ("one", "two"):
        reach(name)
        flow("GET", name, "/echo")
    upstream.reset()

    for name in ("one", "two", "one", "two"):
        flow("GET", name, "/echo")

    assert upstream.counts() == {"connections": 2, "requests": 4}


def test_answer_is_streamed_as_it_comes(reach, flow):
    reach()

    answer = flow("GET", "crm", "/drip?seconds=1&chunks=4", stream=True)
    arrived = []
    for line in answer.iter_lines():
        arrived.append((line, time.monotonic()))

    assert [line for line, _ in arrived] == [b"chunk 0", b"chunk 1", b"chunk 2", b"chunk 3"]
    moments = [moment for _, moment in arrived]
    assert moments[0] < moments[1] < moments[2] < moments[3]
    assert moments[3] - moments[0] > 0.5


def test_request_is_streamed_whatever_its_length(reach, flow):
    reach()
    body = bytes(range(256)) * 20_000

    by_length = flow("PUT", "crm", "/upload", data=body).json()
    chunked = flow("PUT", "crm", "/upload", data=iter([body[:7], body[7:]])).json()

    expected = {"length": len(body), "sha256": hashlib.sha256(body).hexdigest()}
    assert [by_length, chunked] == [expected, expected]


@pytest.mark.parametrize("chunked", ["", "?chunked"])
def test_large_answer_arrives_whole(reach, flow, chunked):
    reach()

    answer = flow("GET", "crm", f"/bytes/5000000{chunked}")

    assert answer.content == (bytes(range(256)) * 20_000)[:5_000_000]
    assert answer.headers.get("Content-Length") == (None if chunked else "5000000")


def test_answer_compressed_against_our_wish_is_decoded(reach, flow):
    reach()

    answer = flow("GET", "crm", "/gzip?size=500000")

    assert answer.content == bytes(500_000)
    assert "Content-Encoding" not in answer.headers


def test_decompression_bomb_is_cut_off(reach, flow):
    reach()

    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        flow("GET", "crm", "/gzip?size=50000000")


HOSTILE = [
    "/../key",
    "/a/../../key",
    "/%2e%2e/key",
    "/a%2fb",
    "/a%252f..%252fb",
    "/..;/key",
    "//evil.example.com/x",
    "/https://evil.example.com/x",
    "/a%00b",
    "/a%0d%0aX-Evil:1",
    "/a\\b",
    "/a%5c..%5cb",
]


@pytest.mark.parametrize("path", HOSTILE)
def test_hostile_path_is_refused_before_it_is_sent(reach, flow, upstream, path):
    reach("crm", where={"path": "/echo"})

    status, _ = raw_request(flow, f"GET /api/v1/connections/crm/proxy{path} HTTP/1.1")

    assert status == 400
    assert upstream.counts()["requests"] == 0


def raw_request(flow: Flow, line: str, *headers: str, body: bytes = b"") -> tuple[int, str]:
    """Send bytes that no client library would; the status and head of the first answer."""
    lines = [line, f"Host: 127.0.0.1:{flow.server.port}", f"Authorization: Bearer {flow.token}"]
    request = "\r\n".join([*lines, *headers, "", ""]).encode("latin-1") + body
    with socket.create_connection(("127.0.0.1", flow.server.port), timeout=10) as connection:
        connection.sendall(request)
        head = connection.recv(65536).decode("latin-1")
    return int(head.split()[1]), head


@pytest.mark.parametrize(
    "headers",
    [
        ("Content-Length: 5", "Content-Length: 6"),
        ("Content-Length: 5", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: chunked", "Transfer-Encoding: identity"),
        ("Transfer-Encoding: xchunked",),
        ("Content-Length: +5",),
        ("Content-Length: 5, 5",),
        ("X-A : b",),
        ("X-A: b\x00c",),
        (" folded: x",),
        ("Upgrade: websocket", "Connection: Upgrade"),
        ("X-ConnHub-Flow: a", "X-ConnHub-Flow: b"),
        ("X-ConnHub-Flow: no spaces",),
        (f"X-ConnHub-Step: {'x' * 81}",),
        ("X-Own: \xff",),
    ],
)
def test_ambiguous_or_malformed_request_is_refused(reach, flow, upstream, headers):
    reach()

    status, _ = raw_request(
        flow, "POST /api/v1/connections/crm/proxy/echo HTTP/1.1", *headers, body=b"hello"
    )

    assert (status, upstream.counts()["requests"]) == (400, 0)


@pytest.mark.parametrize("method", ["TRACE", "CONNECT"])
def test_method_that_would_echo_or_tunnel_is_refused(reach, flow, upstream, method):
    reach()

    status, _ = raw_request(flow, f"{method} /api/v1/connections/crm/proxy/echo HTTP/1.1")

    assert status in (400, 405)
    assert upstream.counts()["requests"] == 0


def test_service_is_called_with_the_methods_and_paths_that_it_is_limited_to(reach, flow, upstream):
    made = reach()
    Service.objects.filter(pk=made.service_id).update(
        allowed_methods=["GET", "POST"], allowed_paths=["/echo/orders"]
    )
    upstream.reset()

    allowed = flow("POST", "crm", "/echo/orders/7?x=1")
    answers = [flow("DELETE", "crm", "/echo/orders/7"), flow("GET", "crm", "/echo/ordersX")]
    answers += [flow("GET", "crm", "/echo/orders/x%2fy"), flow("GET", "crm", "/echo")]

    assert allowed.status_code == 200
    assert answers[0].headers["Allow"] == "GET, POST"
    assert [problem(answer) for answer in answers] == [
        (405, "method-not-allowed"),
        (403, "path-not-allowed"),
        (400, "bad-path"),
        (403, "path-not-allowed"),
    ]
    assert upstream.counts()["requests"] == 1


def test_too_many_headers_are_refused(reach, flow):
    reach()

    answer = flow("GET", "crm", "/echo", headers={f"X-{n}": "1" for n in range(101)})

    assert problem(answer) == (431, "headers-too-large")


def test_service_that_nobody_answers_at_looks_like_one_that_may_not_be_called(
    reach, flow, upstream
):
    closed = reach("closed")
    forbidden = reach("forbidden")
    for made, url in ((closed, "https://127.0.0.1:9"), (forbidden, "https://169.254.169.254")):
        made.settings.update(base_url=url)

    answers = [flow("GET", name, "/x") for name in ("closed", "forbidden")]

    assert [problem(answer) for answer in answers] == [(502, "upstream-unreachable")] * 2
    assert answers[0].json()["detail"] == answers[1].json()["detail"]


@pytest.fixture
def limited(reach, flow, upstream):
    """A flow to a ConnHub with small limits."""
    with running_app(
        CONNHUB_EGRESS_ALLOW=f"127.0.0.1:{upstream.port}",
        CONNHUB_PROXY_MAX_REQUEST="1000",
        CONNHUB_PROXY_MAX_RESPONSE="2000",
        CONNHUB_RATE_PER_KEY="30/minute",
        CONNHUB_RATE_PER_CONNECTION="5/minute",
    ) as server:
        reach()
        reach("other")
        yield Flow(server, flow.key, flow.token)


def test_limits_hold(limited, upstream):
    fits = limited("POST", "crm", "/echo", data=b"x" * 1000)
    declared = limited("POST", "crm", "/echo", data=b"x" * 1001)
    counted = limited("POST", "crm", "/upload", data=iter([b"x" * 600, b"x" * 600]))
    large = limited("GET", "crm", "/bytes/2001")
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        limited("GET", "crm", "/bytes/200000?chunked")
    too_many = limited("GET", "crm", "/echo")
    elsewhere = limited("GET", "other", "/echo")

    assert fits.status_code == 200
    assert [problem(answer) for answer in (declared, counted, large, too_many)] == [
        (413, "request-too-large"),
        (413, "request-too-large"),
        (502, "answer-too-large"),
        (429, "rate-limited"),
    ]
    assert 1 <= int(too_many.headers["Retry-After"]) <= 120
    assert elsewhere.status_code == 200


async def pieces(number: int):
    for _ in range(number):
        yield b"x" * 65536


async def streamed(method: str, url: str, token: str, number: int, **headers: str) -> str:
    """The code of the problem for a body of so many pieces of 64 KiB, however long it takes."""
    headers["Authorization"] = f"Bearer {token}"
    async with httpx2.AsyncClient(timeout=TIMEOUT_S) as client:
        answer = await client.request(method, url, content=pieces(number), headers=headers)
    return answer.headers["X-ConnHub-Problem"]


@pytest.mark.parametrize("number", [161, 800])
def test_caller_who_sends_too_much_reads_why_it_is_refused(reach, flow, number):
    """Even one who reads nothing before everything is sent."""
    reach()
    length = {"Content-Length": str(number * 65536)}
    proxy, flows = flow.server.proxy("crm", "/upload"), f"{flow.server.url}/api/v1/flows/nightly"

    async def ask() -> list[str]:
        return [
            await streamed("POST", proxy, flow.token, number),
            await streamed("POST", proxy, flow.token, number, **length),
            await streamed("PUT", flows, flow.token, number, **length),
        ]

    assert asyncio.run(ask()) == ["request-too-large"] * 3


def broken_service(answer: bytes):
    """A service that sends these bytes and hangs up."""
    listener = socket.create_server(("127.0.0.1", free_port()))

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

    return listener, serve


@pytest.mark.parametrize(
    "answer",
    [
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 1\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
        b"HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n",
        b"",
    ],
    ids=["nonsense", "brotli", "long header", "upgrade", "odd status", "nothing"],
)
def test_answer_that_is_no_http_of_ours_becomes_a_problem(reach, flow, broken, answer):
    with broken(answer) as limited_flow:
        response = limited_flow("GET", "crm", "/")

    assert problem(response) == (502, "upstream-malformed")


def test_answer_that_breaks_off_is_cut_and_not_ended(reach, flow, broken):
    with (
        broken(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf of") as limited_flow,
        pytest.raises(requests.exceptions.RequestException),
    ):
        limited_flow("GET", "crm", "/")


@pytest.fixture
def broken(reach, flow):
    """ConnHub before a service that answers with given bytes."""
    import threading
    from contextlib import contextmanager

    @contextmanager
    def broken(answer: bytes):
        listener, serve = broken_service(answer)
        port = listener.getsockname()[1]
        made = reach()
        made.settings.update(base_url=f"http://127.0.0.1:{port}")
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        with running_app(CONNHUB_EGRESS_ALLOW=f"127.0.0.1:{port}") as server:
            yield Flow(server, flow.key, flow.token)
        listener.close()

    return broken


def test_secrets_stay_out_of_the_log(reach, flow, app_server):
    reach(config={"keys": [{"name": "api_key", "in": "query", "label": "Key"}]})
    reach("crm2", kind="bearer")

    for path in ("/echo", "/leak", "/status/500", "/gzip?size=50000000", "/../x"):
        for name in ("crm", "crm2"):
            try:
                flow("GET", name, path)
            except requests.exceptions.RequestException:
                continue

    log = app_server.log
    assert [secret for secret in (CANARY, flow.token) if secret in log] == []
    assert all(json.loads(line) for line in log.splitlines() if line.startswith("{"))
