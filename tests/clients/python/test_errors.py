"""Each refusal of ConnHub has its exception; what the key, the paths and the pauses may be."""

import asyncio
import pickle

import httpx2
import pytest

from connhub.connections.calling import refusals
from connhub.errors import Refusal
from connhub.usage import problems, refusing
from connhub.usage.reasons import BY_CODE, mend_url
from connhub.usage.selecting import NotOfTheApp
from connhub_client import ConnHub, errors

URL, KEY = "https://connhub.example", "chk_" + "k" * 43
ARGUMENTS = {
    NotOfTheApp: ("crm",),
    problems.AuthorizeAsUser: ("production",),
    refusals.MethodNotAllowed: ("GET",),
    problems.NotUsable: ("invoices",),
    problems.RateLimited: (7,),
}


REFUSALS = [kind(*ARGUMENTS.get(kind, ())) for reason in BY_CODE.values() for kind in reason.kinds]


def hub_at(answer, **options) -> ConnHub:
    return ConnHub(URL, KEY, transport=httpx2.MockTransport(answer), **options)


def answered(refusal: Refusal) -> httpx2.Response:
    """What ConnHub sends for the refusal."""
    sent = []

    async def send(message):
        sent.append(message)

    asyncio.run(
        refusing.answer(send, refusal, request_id="abc", link_name="crm", integration="invoices")
    )
    start, body = sent
    return httpx2.Response(start["status"], headers=start["headers"], content=body["body"])


def test_every_code_of_the_runtime_api_has_an_exception_and_no_other_has():
    assert {refusal.code for refusal in REFUSALS} == set(errors.BY_CODE)


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal.code)
def test_refusal_comes_as_its_exception(refusal):
    with pytest.raises(errors.Problem) as raised:
        hub_at(lambda request: answered(refusal)).connection("crm").get("/")

    problem = raised.value
    assert type(problem) is errors.BY_CODE[refusal.code]
    assert (problem.code, problem.status) == (refusal.code, refusal.status)
    assert (problem.detail, problem.request_id) == (refusal.text, "abc")
    assert bool(problem.url) == bool(
        mend_url(refusal.code, link_name="crm", integration="invoices")
    )
    assert vars(pickle.loads(pickle.dumps(problem))) == vars(problem)


def test_what_some_exceptions_say_besides():
    limited = errors.problem_in(answered(problems.RateLimited(7)))
    personal = errors.problem_in(answered(problems.AuthorizeAsUser("production")))

    assert (limited.retry_after, personal.retry_after) == (7, None)
    assert personal.url.endswith("/profile/sign-ins/crm/?environment=production")


def test_code_of_a_newer_connhub_is_a_problem():
    answer = httpx2.Response(418, headers={errors.MARK: "out-of-tea"}, content=b"[]")

    problem = errors.problem_in(answer)

    assert type(problem) is errors.Problem
    assert (problem.code, problem.title, problem.url) == ("out-of-tea", "Out of tea", None)


def test_what_is_no_connhub_is_told_from_what_is_not_there(open_hub, upstream_process):
    elsewhere = open_hub(upstream_process.url, KEY)
    nowhere = open_hub("http://127.0.0.1:9", KEY)

    with pytest.raises(errors.UnexpectedAnswer, match="answered 404"):
        list(elsewhere.connections())
    with pytest.raises(errors.Unreachable):
        list(nowhere.connections())


# --- Arguments --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("", KEY),
        ("connhub.example", KEY),
        ("ftp://connhub.example", KEY),
        ("https://ada:pw@connhub.example", KEY),
        ("https://connhub.example/?a=1", KEY),
        (URL, ""),
        (URL, "secret-but-no-key"),
        (URL, f"{KEY}\r\nX-Other: 1"),
    ],
)
def test_url_and_key_that_can_not_be_right_are_refused_unseen(url, key, monkeypatch):
    monkeypatch.delenv("CONNHUB_URL", raising=False)
    monkeypatch.delenv("CONNHUB_KEY", raising=False)

    with pytest.raises(ValueError, match="is needed") as raised:
        ConnHub(url, key)

    assert not [secret for secret in ("pw", "secret", "chk_k") if secret in str(raised.value)]


@pytest.mark.parametrize(
    "path",
    [
        "contacts",
        "https://evil.example/",
        "/../credentials",
        "/a/./b",
        "/%2e%2E/x",
        "/a%2F../b",
        "/a#b",
    ],
)
def test_path_that_would_leave_the_connection_is_not_sent(path):
    with hub_at(pytest.fail) as hub, pytest.raises(ValueError, match="A path"):
        hub.connection("crm").get(path)


@pytest.mark.parametrize(
    "call",
    [
        lambda hub: hub.connection("../flows"),
        lambda hub: hub.connection("crm", step="a\r\nX-Other: 1"),
        lambda hub: hub.declare_flow("../connections", name="x", steps=[]),
    ],
)
def test_name_that_would_be_more_than_a_name_is_not_sent(call):
    with hub_at(pytest.fail) as hub, pytest.raises(ValueError):
        call(hub)


def test_url_and_key_of_the_environment_are_taken(monkeypatch):
    monkeypatch.setenv("CONNHUB_URL", f"{URL}/")
    monkeypatch.setenv("CONNHUB_KEY", f"{KEY}\n")
    sent = []

    def answer(request):
        sent.append((str(request.url), request.headers["Authorization"]))
        return httpx2.Response(200)

    ConnHub(transport=httpx2.MockTransport(answer)).connection("sales_crm").get("/contacts")

    proxied = f"{URL}/api/v1/connections/sales_crm/proxy/contacts"
    assert sent == [(proxied, f"Bearer {KEY}")]


# --- Pauses -----------------------------------------------------------------------------------------


def pauses(monkeypatch, *headers: dict, content=None) -> list[float]:
    """How long a client that may try three times waits, after answers with these headers."""
    waited: list[float] = []
    answers = [httpx2.Response(429, headers=each) for each in headers] + [httpx2.Response(200)]
    monkeypatch.setattr("connhub_client.client.time.sleep", waited.append)
    monkeypatch.setattr("connhub_client.exchange.random.uniform", lambda low, high: high)
    with hub_at(lambda request: answers.pop(0), retries=2) as hub:
        hub.connection("crm").put("/", content=content)
    return waited


@pytest.mark.parametrize(
    ("asked", "waited"),
    [
        ("3", [3]),
        ("0", [0]),
        ("60", [60]),
        ("61", []),
        ("Wed, 21 Oct 2015 07:28:00 GMT", [0]),
        ("Wed, 21 Oct 2115 07:28:00 GMT", []),
        ("soon", [0.4]),
    ],
)
def test_pause_is_as_long_as_the_answer_asks(monkeypatch, asked, waited):
    assert pauses(monkeypatch, {"Retry-After": asked}) == waited


def test_pauses_grow_where_none_is_asked_for(monkeypatch):
    assert pauses(monkeypatch, {}, {}) == [0.4, 0.8]


def test_body_that_can_be_read_once_is_sent_once(monkeypatch):
    assert pauses(monkeypatch, {"Retry-After": "3"}, content=iter([b"x"])) == []
