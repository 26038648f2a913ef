import socket
from datetime import UTC, datetime, timedelta

import pytest

from connhub.egress.errors import UNREACHABLE, NoAnswer, TLSFailed, Unreachable
from connhub.egress.probe import reach
from tests.egress.forbidden import PUBLIC


def shake(allow, server, name):
    allow(name, server.server_port)
    with reach(name, server.server_port) as reached:
        return reached.handshake(name)


def test_way_to_a_verified_server_is_told(allow, tls_server):
    allow("crm.test", tls_server.server_port)

    with reach("crm.test", tls_server.server_port) as reached:
        shook = reached.handshake("crm.test")

    assert [str(address) for address in reached.addresses] == ["127.0.0.1"]
    assert (shook.version, shook.subject) == ("TLSv1.3", "crm.test")
    assert timedelta(hours=23) < shook.ends_at - datetime.now(UTC) <= timedelta(days=1)
    assert tls_server.names == ["crm.test"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("expired.test", "tls: expired"),
        ("wrong.test", "tls: name"),
        ("untrusted.test", "tls: untrusted"),
    ],
)
def test_certificate_that_does_not_hold_is_named(allow, tls_server, name, reason):
    with pytest.raises(TLSFailed) as refused:
        shake(allow, tls_server, name)

    assert refused.value.reason == reason


def test_server_without_tls_is_no_secure_one(allow, server):
    with pytest.raises(Unreachable) as refused:
        shake(allow, server, "crm.test")

    assert isinstance(refused.value, TLSFailed | NoAnswer)


def test_silent_server_is_not_waited_for(allow, monkeypatch):
    monkeypatch.setattr("connhub.egress.probe.HANDSHAKE_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        allow("silent.test", silent.getsockname()[1])

        with reach("silent.test", silent.getsockname()[1]) as reached, pytest.raises(NoAnswer):
            reached.handshake("silent.test")


def test_forbidden_closed_and_unknown_read_alike(allow, dns, closed_port):
    allow("closed.test", closed_port)
    dns["mixed.test"] = [PUBLIC, "10.0.0.1"]

    texts = set()
    for host in ("127.0.0.1", "closed.test", "unknown.test", "mixed.test"):
        with pytest.raises(Unreachable) as refused:
            reach(host, closed_port)
        texts.add(str(refused.value))

    assert texts == {UNREACHABLE}
