"""What one call may take of ConnHub: memory, time, and the services' patience."""

import re
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from itertools import repeat
from pathlib import Path

import pytest
import requests

from tests.servers.app import running_app
from tests.usage.conftest import Flow, problem

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("app")]

MIB = 2**20
LARGE = 100 * MIB
MOST_GROWTH = 16 * MIB


def at(server, flow: Flow) -> Flow:
    return Flow(server, flow.key, flow.token)


def peak_memory(port: int) -> int:
    """Bytes that the server on the port had in memory at most."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().split(b"\0")
            status = (folder / "status").read_text()
        except OSError:
            continue
        if command[1:3] == [b"-m", b"uvicorn"] and str(port).encode() in command:
            return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024
    raise AssertionError("it is not running")


def read_all(answer: requests.Response) -> int:
    return sum(map(len, answer.iter_content(MIB)))


def test_memory_stays_flat_whatever_the_length_of_bodies(reach, flow, upstream):
    reach()
    most = str(LARGE + MIB)
    with running_app(
        CONNHUB_EGRESS_ALLOW=f"127.0.0.1:{upstream.port}",
        CONNHUB_PROXY_MAX_REQUEST=most,
        CONNHUB_PROXY_MAX_RESPONSE=most,
    ) as server:
        call = at(server, flow)

        def both(mib: int) -> tuple[int, int]:
            up = call("POST", "crm", "/upload", data=repeat_of(mib)).json()["length"]
            down = read_all(call("GET", "crm", f"/bytes/{mib * MIB}?chunked", stream=True))
            return up, down

        both(2)
        before = peak_memory(server.port)
        lengths = both(100)
        grown = peak_memory(server.port) - before

    assert lengths == (LARGE, LARGE)
    assert grown < MOST_GROWTH


def repeat_of(mib: int) -> Iterator[bytes]:
    return repeat(bytes(MIB), mib)


def test_slow_services_keep_nobody_waiting(reach, flow):
    reach("slow")
    reach("crm")
    slow, quick = "/drip?seconds=6&chunks=12", "/echo"
    with ThreadPoolExecutor(30) as threads:
        calls = {threads.submit(flow, "GET", "slow", slow): slow for _ in range(10)}
        calls |= {
            threads.submit(flow, "GET", link_name, quick): quick
            for link_name in ["slow", "crm"] * 10
        }
        answered = [(calls[done], done.result().status_code) for done in as_completed(calls)]

    assert answered == [(quick, 200)] * 20 + [(slow, 200)] * 10


@contextmanager
def hangs_up_on_the_second() -> Iterator[tuple[int, list[str]]]:
    """A service that answers the first request of a connection and cuts it at the second.

    The methods that it was asked for are in the list.
    """
    asked: list[str] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=answer_once, args=[connection], daemon=True).start()

    def answer_once(connection: socket.socket) -> None:
        with connection:
            for answer in (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b""):
                request = connection.recv(65536)
                if not request:
                    return
                asked.append(request.split()[0].decode())
                connection.sendall(answer)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()[1], asked
    finally:
        listener.close()


@pytest.mark.parametrize("method", ["POST", "PATCH"])
@pytest.mark.parametrize("body", [b"", b"x" * 1000])
def test_what_may_have_been_done_is_not_done_again(reach, flow, method, body):
    made = reach()
    with (
        hangs_up_on_the_second() as (port, asked),
        running_app(CONNHUB_EGRESS_ALLOW=f"127.0.0.1:{port}") as server,
    ):
        made.service.base_url = f"http://127.0.0.1:{port}"
        made.service.save()
        call = at(server, flow)
        first = call("GET", "crm", "/")
        second = call(method, "crm", "/", data=body)

    assert first.status_code == 200
    assert problem(second) == (502, "upstream-malformed")
    assert asked == ["GET", method]


@pytest.fixture
def hasty(flow, upstream):
    """A flow to a ConnHub that waits for services no longer than it has to."""
    with running_app(
        CONNHUB_EGRESS_ALLOW=f"127.0.0.1:{upstream.port}",
        CONNHUB_PROXY_IDLE_S="1",
        CONNHUB_PROXY_TOTAL_S="2",
    ) as server:
        yield at(server, flow)


def test_service_that_says_nothing_is_given_up(reach, hasty):
    reach()

    answer = hasty("GET", "crm", "/drip?seconds=8&wait=1")

    assert problem(answer) == (504, "upstream-timeout")


@pytest.mark.parametrize("drip", ["seconds=8&chunks=2", "seconds=8&chunks=40"])
def test_answer_that_stops_or_never_ends_is_cut(reach, hasty, drip):
    reach()

    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        hasty("GET", "crm", f"/drip?{drip}")


def test_caller_who_stops_sending_is_told(reach, hasty):
    reach()
    head = (
        f"POST /api/v1/connections/crm/proxy/upload HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: Bearer {hasty.token}\r\nContent-Length: 100\r\n\r\nhalf"
    )
    with socket.create_connection(("127.0.0.1", hasty.server.port), timeout=10) as caller:
        caller.sendall(head.encode())
        said = caller.recv(65536)

    assert said.split()[1] == b"408"


def test_caller_who_sends_for_ever_what_has_to_be_read_whole_is_told(reach, hasty):
    keys = [{"name": "key", "in": "form", "label": "API key"}]
    reach(config={"keys": keys})
    body = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\n"
    head = (
        f"POST /api/v1/connections/crm/proxy/echo HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: Bearer {hasty.token}\r\n{body}"
    )
    with socket.create_connection(("127.0.0.1", hasty.server.port), timeout=0.5) as caller:
        caller.sendall(head.encode())
        said = b""
        for _ in range(60):
            caller.sendall(b"x")
            try:
                said = caller.recv(65536)
                break
            except TimeoutError:
                continue

    assert said.split()[1] == b"408"


def test_service_that_takes_no_connection_is_given_up(reach, flow):
    made = reach()
    with (
        full_listener() as port,
        running_app(
            CONNHUB_EGRESS_ALLOW=f"127.0.0.1:{port}", CONNHUB_PROXY_CONNECT_S="1"
        ) as server,
    ):
        made.service.base_url = f"http://127.0.0.1:{port}"
        made.service.save()

        answer = at(server, flow)("GET", "crm", "/")

    assert problem(answer) == (502, "upstream-unreachable")


@contextmanager
def full_listener() -> Iterator[int]:
    """A port that nobody gets through to: its queue is full, so that further connections hang."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(3)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(listener.getsockname())
        try:
            yield listener.getsockname()[1]
        finally:
            for each in waiting:
                each.close()
