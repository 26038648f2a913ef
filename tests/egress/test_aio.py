import asyncio

import aiohttp
import pytest
import uvloop

from connhub.egress import guard
from connhub.egress.errors import UNREACHABLE
from connhub.egress.http import NoAnswer, TLSFailed, Unreachable, client, connector, unreachable
from tests.egress import forbidden


@pytest.fixture(params=[asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def run(request):
    """The loops that ConnHub may be served by."""
    return request.param


@pytest.fixture
def crm(allow, server) -> str:
    return f"http://{allow('crm.test', server.port)}"


@pytest.fixture
def secure(allow, tls_server) -> str:
    return f"https://{allow('crm.test', tls_server.port)}"


async def get(url: str, times: int = 1, **options) -> tuple[int, bytes]:
    """Status and body of the last of so many requests; errors as the room tells them."""
    async with client() as http:
        for _ in range(times):
            try:
                async with http.request("GET", url, **options) as response:
                    answer = response.status, await response.read()
            except (aiohttp.ClientError, TimeoutError) as error:
                raise unreachable(error) from None
    return answer


def test_answer_is_read_over_one_checked_connection(run, secure, tls_server, dns):
    assert run(get(f"{secure}/hello", times=3)) == (200, b"hello")
    assert tls_server.names == ["crm.test"]
    assert [each.headers["Host"] for each in tls_server.seen] == [secure[len("https://") :]] * 3
    assert (len(tls_server.connections), dns.asked) == (1, ["crm.test"])


def test_address_literal_goes_through_the_guard(run, settings, server, exceptions):
    entry = f"127.0.0.1:{server.port}"
    settings.CONNHUB_EGRESS_ALLOW = [entry]

    assert run(get(f"http://{entry}/hello")) == (200, b"hello")
    assert exceptions == [("127.0.0.1", server.port, entry)]


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "10.0.0.1"])
def test_forbidden_literal_is_refused(run, server, host):
    with pytest.raises(Unreachable) as refused:
        run(get(f"http://{host}:{server.port}/"))

    assert (str(refused.value), refused.value.reason) == (UNREACHABLE, "denied")
    assert server.connections == []


def test_forbidden_targets_are_refused(every_name_public):
    async def reached() -> list[str]:
        urls = []
        async with client() as http:
            for host in forbidden.hosts():
                try:
                    async with http.request("GET", f"https://{host}/"):
                        urls.append(host)
                except (aiohttp.ClientError, ValueError):
                    continue
        return urls

    assert asyncio.run(reached()) == []


def test_one_forbidden_answer_refuses_the_name(run, dns, server):
    dns["rebinding.test"] = ["93.184.215.14", "127.0.0.1"]

    with pytest.raises(Unreachable) as refused:
        run(get(f"http://rebinding.test:{server.port}/"))

    assert refused.value.reason == "denied"
    assert server.connections == []


def test_new_connection_is_checked_again(run, crm, dns):
    async def rebind():
        async with client() as http:
            async with http.request("GET", crm, headers={"Connection": "close"}) as response:
                await response.read()
            dns["crm.test"] = ["0.0.0.0"]
            async with http.request("GET", crm):
                pass

    with pytest.raises(aiohttp.ClientConnectorError) as refused:
        run(rebind())

    assert unreachable(refused.value).reason == "denied"


def test_unchecked_address_is_never_connected_to(run, monkeypatch, crm, server):
    """Whatever becomes of aiohttp's inner workings, nothing gets past the check."""
    monkeypatch.setattr(
        "connhub.egress.aio.GuardedConnector._resolve_host", aiohttp.TCPConnector._resolve_host
    )

    with pytest.raises(Unreachable) as refused:
        run(get(f"http://127.0.0.1:{server.port}/"))

    assert refused.value.reason == "unchecked"
    assert server.connections == []


def test_next_address_is_tried_when_one_is_closed(run, crm, dns):
    dns["crm.test"] = ["127.9.9.9", "127.0.0.1"]

    assert run(get(crm)) == (200, b"hello")


def test_forbidden_closed_and_unknown_read_alike(run, allow, closed_port):
    hosts = ["10.0.0.1:443", "unknown.test", allow("closed.test", closed_port)]

    texts, reasons = set(), []
    for host in hosts:
        with pytest.raises(Unreachable) as refused:
            run(get(f"https://{host}/"))
        texts.add(str(refused.value))
        reasons.append(refused.value.reason)

    assert texts == {UNREACHABLE}
    assert reasons == ["denied", "unresolvable", "closed"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("expired.test", "The certificate at the address has expired."),
        ("wrong.test", "The certificate at the address is for another name."),
        ("untrusted.test", "The certificate at the address is not trusted here."),
    ],
)
def test_bad_certificate_is_named(run, tls_server, allow, name, text):
    origin = f"https://{allow(name, tls_server.port)}"

    with pytest.raises(TLSFailed) as failed:
        run(get(origin, ssl=False))

    assert str(failed.value) == text
    assert tls_server.seen == []


def test_silence_is_no_answer(run, crm):
    with pytest.raises(NoAnswer) as failed:
        run(get(f"{crm}/silent", timeout=aiohttp.ClientTimeout(sock_read=0.1)))

    assert failed.value.reason == "timeout"


def test_redirect_is_not_followed(run, crm, server):
    assert run(get(f"{crm}/redirect?to=/hello", allow_redirects=True)) == (302, b"")
    assert len(server.seen) == 1


def test_request_carries_nothing_of_its_own(run, crm, server):
    run(get(f"{crm}/cookie", times=2))

    headers = server.seen[1].headers
    assert headers.keys() == ["Host"]


def test_body_stays_compressed(run, crm):
    status, body = run(get(f"{crm}/bomb?count=10000000"))

    assert (status, body[:2]) == (200, b"\x1f\x8b")


def test_environment_is_ignored(run, monkeypatch, tmp_path, crm, server):
    (tmp_path / "netrc").write_text("default login ada password CANARY\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")

    assert run(get(crm, proxy="http://127.0.0.1:1")) == (200, b"hello")
    assert server.seen[0].headers["Authorization"] is None


def test_exception_is_announced_for_each_connection_not_each_request(run, crm, exceptions):
    run(get(crm, times=3))

    host, port = crm.removeprefix("http://").split(":")
    assert exceptions == [(host, int(port), f"{host}:{port}")]


def test_exception_that_can_not_be_recorded_prevents_the_connection(run, crm, server):
    def unwritable(**_):
        raise RuntimeError("the record is unwritable")

    guard.exception_used.connect(unwritable)
    try:
        with pytest.raises(RuntimeError):
            run(get(crm))
    finally:
        guard.exception_used.disconnect(unwritable)

    assert server.connections == []


def test_limits_of_the_connector_are_those_given():
    async def limit() -> int:
        guarded = connector(limit=7)
        await guarded.close()
        return guarded.limit

    assert asyncio.run(limit()) == 7
