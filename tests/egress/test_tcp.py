import socket

import pytest

from connhub.egress import tcp
from connhub.egress.errors import UNREACHABLE
from connhub.egress.guard import Unreachable, exception_used
from tests.egress.forbidden import PUBLIC


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def test_socket_is_connected_to_the_checked_address(allow, dns, listener):
    port = listener.getsockname()[1]
    allow("db.test", port)

    with tcp.open_socket("db.test", port, timeout=3.0) as connection:
        peer, kept = connection.getpeername(), connection.gettimeout()

    assert peer == ("127.0.0.1", port)
    assert kept == 3.0
    assert dns.asked == ["db.test"]


def test_next_address_is_tried_when_one_is_closed(allow, dns, listener):
    port = listener.getsockname()[1]
    allow("db.test", port)
    dns["db.test"] = ["127.9.9.9", "127.0.0.1"]

    with tcp.open_socket("db.test", port) as connection:
        peer = connection.getpeername()

    assert peer == ("127.0.0.1", port)


def test_forbidden_closed_and_unknown_read_alike(allow, closed_port):
    allow("closed.test", closed_port)

    texts, reasons = set(), []
    for host in ("127.0.0.1", "closed.test", "unknown.test", "a,b"):
        with pytest.raises(Unreachable) as refused:
            tcp.open_socket(host, closed_port)
        texts.add(str(refused.value))
        reasons.append(refused.value.reason)

    assert texts == {UNREACHABLE}
    assert reasons == ["denied", "closed", "unresolvable", "malformed"]


def test_address_that_never_answers_times_out(allow):
    """A full backlog leaves the handshake unanswered."""
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        for waiting in (first, second):
            waiting.setblocking(False)
            waiting.connect_ex(("127.0.0.1", port))
        allow("slow.test", port)

        with pytest.raises(Unreachable) as refused:
            tcp.open_socket("slow.test", port, timeout=0.1)

    assert (str(refused.value), refused.value.reason) == (UNREACHABLE, "timeout")


def test_exception_is_announced_for_each_connection(allow, exceptions, listener):
    port = listener.getsockname()[1]
    allow("db.test", port)

    tcp.open_socket("db.test", port).close()
    tcp.pin("db.test", port)

    assert exceptions == [("db.test", port, f"db.test:{port}")] * 2


def test_nothing_is_announced_where_no_exception_is_needed(settings, exceptions):
    settings.CONNHUB_EGRESS_ALLOW = ["public.test:5432"]

    tcp.pin("public.test", 5432)

    assert exceptions == []


def test_exception_that_can_not_be_recorded_prevents_the_connection(allow, listener):
    port = listener.getsockname()[1]
    allow("db.test", port)

    def unwritable(**_):
        raise RuntimeError("the record is unwritable")

    exception_used.connect(unwritable)
    try:
        with pytest.raises(RuntimeError):
            tcp.open_socket("db.test", port)
    finally:
        exception_used.disconnect(unwritable)
    listener.setblocking(False)
    with pytest.raises(BlockingIOError):
        listener.accept()


def test_pin_gives_the_checked_address():
    assert tcp.pin("public.test", 5432) == PUBLIC


def test_pin_refuses_what_is_forbidden(dns):
    dns["db.test"] = [PUBLIC, "10.0.0.1"]

    with pytest.raises(Unreachable):
        tcp.pin("db.test", 5432)
