"""The ASGI application: what it starts with, and Django behind it."""

import socket
from contextlib import ExitStack
from http.client import HTTPConnection

import pytest
import requests
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect as connect_websocket

from connhub.asgi import _for_django
from tests.servers.app import running_app
from tests.servers.process import StartError

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("app")]


@pytest.fixture(scope="module")
def app(django_db_setup):
    with running_app() as server:
        yield server


def test_django_answers_what_is_not_the_gateway_s(app, transactional_db):
    assert requests.get(f"{app.url}/healthz", timeout=10).text == "ok"
    assert requests.get(f"{app.url}/readyz", timeout=10).json()["ready"] is True


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/connections/crm/%70roxy/x",
        "/api/v1/connections/crm/credentials/",
        "/api/v1/connections/crm/other",
        "/api/v1//connections/crm/proxy/x",
    ],
)
def test_other_spellings_of_a_gateway_s_path_lead_nowhere(app, transactional_db, path):
    connection = HTTPConnection("127.0.0.1", app.port, timeout=10)  # sends the path as it is
    connection.request("GET", path)

    assert connection.getresponse().status == 404
    connection.close()


@pytest.mark.parametrize(
    "keys",
    [
        "0a0b0c0d:" + "YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXphYmNkZWY=",
        "ffffffff:" + "YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXphYmNkZWY=",
        "ffffffff:short",
    ],
    ids=["another key of that id", "another id", "malformed"],
)
def test_wrong_keys_end_the_start_in_one_line(app, transactional_db, keys):
    with running_app():  # so that the right ones have been noted
        pass

    with pytest.raises(StartError) as failed, running_app(CONNHUB_KEYS=keys):
        pass

    assert "connhub: CONNHUB_KEYS: " in str(failed.value)
    assert "Traceback" not in str(failed.value)
    assert keys.partition(":")[2] not in str(failed.value)


def test_callers_who_stop_in_the_middle_keep_nobody_waiting(app, transactional_db):
    head = (
        f"POST /sign-in/ HTTP/1.1\r\nHost: 127.0.0.1:{app.port}\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n\r\n"
    )
    address = ("127.0.0.1", app.port)
    with ExitStack() as slow:
        for _ in range(15):  # more than Django has threads
            connection = slow.enter_context(socket.create_connection(address, timeout=10))
            connection.sendall(head.encode() + b"csrfmiddlewaretoken=abc&username=ada")

        assert requests.get(f"{app.url}/healthz", timeout=10).text == "ok"


def test_endless_headers_are_cut_off(app, transactional_db):
    sent = 0
    with socket.create_connection(("127.0.0.1", app.port), timeout=10) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nX-Endless: ")
        with pytest.raises(OSError):
            while sent < 100 * 2**20:
                connection.sendall(b"x" * 65536)
                sent += 65536

    assert sent < 100 * 2**20


@pytest.mark.parametrize("name", ["X-Forwarded-For", "X_Forwarded_For", "X-Forwarded-Proto"])
def test_header_of_a_proxy_that_is_none_of_ours_does_not_reach_django(name):
    scope = {"client": ("192.0.2.7", 1), "headers": [(name.lower().encode(), b"x"), (b"a", b"b")]}

    assert _for_django(scope)["headers"] == [(b"a", b"b")]


def test_websockets_are_refused(app, transactional_db):
    with pytest.raises(InvalidStatus):
        connect_websocket(f"ws://127.0.0.1:{app.port}/api/v1/connections/crm/proxy/x")
