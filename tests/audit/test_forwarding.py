"""Events reach collectors in order and at least once, whatever stops in between."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from connhub.audit import append_only, forwarding
from connhub.audit.forwarding import FileSink, SyslogSink, forward
from connhub.audit.log import record, record_each
from connhub.audit.models import Event, Head, Position
from connhub.egress.syslog import BadSyslog, parse

pytestmark = pytest.mark.django_db


@pytest.fixture
def file(tmp_path) -> Path:
    return tmp_path / "audit.jsonl"


def numbers(file: Path) -> list[int]:
    return [json.loads(line)["sequence"] for line in file.read_text().splitlines()]


def several(by, count=3):
    record_each("connection.edited", [(by, [], {"n": n}) for n in range(count)], by=by)


def test_a_file_gets_each_event_once_in_order_and_goes_on_where_it_stopped(ada, file, monkeypatch):
    monkeypatch.setattr(forwarding, "BATCH", 2)
    several(ada, 5)
    assert forward(FileSink(str(file))) == 5
    assert forward(FileSink(str(file))) == 0
    several(ada)

    forward(FileSink(str(file)))

    assert numbers(file) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert file.stat().st_mode & 0o777 == 0o600
    line = json.loads(file.read_text().splitlines()[0])
    assert (line["sentence"], line["mac"]) == ("Ada edited Ada", Event.objects.get(pk=1).mac)


def test_a_rotated_file_is_begun_anew(ada, file):
    several(ada)
    forward(FileSink(str(file)))
    file.rename(file.with_suffix(".1"))
    several(ada)

    forward(FileSink(str(file)))

    assert numbers(file) == [4, 5, 6]


def test_what_a_stop_cut_short_is_sent_again_on_a_line_of_its_own(ada, file):
    several(ada)
    file.write_text('{"sequence": 1, "torn": "li')

    forward(FileSink(str(file)))

    assert numbers_of_whole_lines(file) == [1, 2, 3]


def numbers_of_whole_lines(file: Path) -> list[int]:
    found = []
    for line in file.read_text().splitlines():
        try:
            found.append(json.loads(line)["sequence"])
        except ValueError:
            continue
    return found


def test_a_sink_that_fails_keeps_its_place_and_gets_everything_later(ada, tmp_path, caplog):
    several(ada)
    sink = FileSink(str(tmp_path / "missing" / "audit.jsonl"))

    assert forward(sink) == 0
    (tmp_path / "missing").mkdir()

    assert forward(sink) == 3
    assert [record.getMessage() for record in caplog.records] == [
        "Audit events can't be forwarded."
    ]


def test_one_process_sends_at_a_time_and_another_takes_over_from_one_that_is_gone(ada, file):
    sink = FileSink(str(file))
    several(ada)
    soon = timezone.now() + timedelta(minutes=1)
    Position.objects.create(name=sink.name, sequence=1, held_until=soon)
    assert forward(sink) == 0

    Position.objects.update(held_until=timezone.now())

    assert forward(sink) == 2
    assert numbers(file) == [2, 3]


@contextmanager
def tcp_collector():
    """Takes one connection after another; what it got, by connection."""
    server = socket.create_server(("127.0.0.1", 0))
    got: list[bytearray] = []

    def serve():
        while True:
            try:
                taken, _ = server.accept()
            except OSError:
                return
            got.append(bytearray())
            with taken:
                while data := taken.recv(65536):
                    got[-1] += data

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"tcp://127.0.0.1:{server.getsockname()[1]}", got
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join()


def unframed(data: bytes) -> list[bytes]:
    """Messages counted in octets (RFC 6587, 3.4.1)."""
    found = []
    while data:
        size, _, data = bytes(data).partition(b" ")
        found.append(data[: int(size)])
        data = data[int(size) :]
    return found


def event_in(message: bytes) -> dict:
    """The JSON of an RFC 5424 message: priority 109, version, time, host, app, pid, id, no data."""
    head, _, text = message.partition(b" audit - ")
    assert head.startswith(b"<109>1 2")
    assert b" connhub " in head
    return json.loads(text)


def test_syslog_over_tcp_gets_each_event_as_a_message(ada):
    several(ada)

    with tcp_collector() as (url, got):
        sink = SyslogSink(url)
        assert forward(sink) == 3
        sink._syslog.close()
        give_up_at = time.monotonic() + 10
        while sum(map(len, map(unframed, got))) < 3 and time.monotonic() < give_up_at:
            time.sleep(0.01)

    assert [event_in(message)["sequence"] for message in unframed(got[0])] == [1, 2, 3]


def test_a_tcp_collector_that_was_away_gets_what_it_missed(ada):
    several(ada)
    with tcp_collector() as (url, _):
        sink = SyslogSink(url)
    assert forward(sink) == 0

    port = int(url.rpartition(":")[2])
    server = socket.create_server(("127.0.0.1", port))
    assert forward(sink) == 3
    sink._syslog.close()
    taken, _ = server.accept()
    with server, taken:
        data = b"".join(iter(lambda: taken.recv(65536), b""))

    assert [event_in(message)["sequence"] for message in unframed(data)] == [1, 2, 3]


def test_syslog_over_udp_and_a_local_socket(ada, tmp_path):
    several(ada)
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("127.0.0.1", 0))
    local = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    local.bind(str(tmp_path / "log"))

    with udp, local:
        for taker, url in (
            (udp, f"udp://127.0.0.1:{udp.getsockname()[1]}"),
            (local, f"unix://{tmp_path}/log"),
        ):
            sink = SyslogSink(url)
            assert forward(sink) == 3
            sink._syslog.close()
            taker.settimeout(5)
            assert [event_in(taker.recv(65536))["sequence"] for _ in range(3)] == [1, 2, 3]


@pytest.mark.parametrize(
    "text",
    ["", "logs.example.com", "http://x:1", "tcp://", "tcp://h:x", "unix://dev/log", "udp://u@h",
     "tcp://h:1/x", "tcp://h:99999"],
)  # fmt: skip
def test_an_address_of_no_syslog_is_refused(text):
    with pytest.raises(BadSyslog):
        parse(text)


# --- The head of the chain ----------------------------------------------------------------------------


def test_the_exported_head_follows_the_chain_and_verify_compares_with_it(ada, tmp_path, settings):
    settings.CONNHUB_AUDIT_HEAD_FILE = str(tmp_path / "head")
    for _ in range(2):
        several(ada)
        call_command("forward_audit", "--once", stdout=StringIO())

        head = Head.objects.get()
        assert (tmp_path / "head").read_text() == f"{head.sequence}:{head.mac}\n"

    call_command("verify_audit", head=str(tmp_path / "head"), stdout=StringIO())


def test_a_chain_cut_with_its_head_no_longer_fits_the_exported_head(
    ada, tmp_path, settings, caplog
):
    settings.CONNHUB_AUDIT_HEAD_FILE = str(tmp_path / "head")
    several(ada, 10)
    forwarding.forward_all([])
    noted = (tmp_path / "head").read_text()
    append_only.remove(connection)
    Event.objects.filter(sequence__gt=7).delete()
    Head.objects.update(sequence=7, mac=Event.objects.get(pk=7).mac)
    call_command("verify_audit", stdout=StringIO())  # by itself the chain is whole
    record("catalogue.loaded")

    forwarding.forward_all([])
    with pytest.raises(CommandError, match="The given head isn't in it"):
        call_command("verify_audit", head=str(tmp_path / "head"))

    assert (tmp_path / "head").read_text() == noted
    assert "does not hold" in caplog.records[-1].getMessage()


def test_a_head_file_that_is_not_there_is_no_proof(tmp_path):
    with pytest.raises(CommandError, match="There is no head to be read"):
        call_command("verify_audit", head=str(tmp_path / "missing"))


def test_without_settings_there_is_nothing_to_forward():
    with pytest.raises(CommandError, match="CONNHUB_AUDIT_FILE"):
        call_command("forward_audit")


# --- The process ------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_killed_at_any_time_the_process_loses_no_event(ada, file):
    name = connection.settings_dict["NAME"]
    where = {
        "sqlite": f"sqlite:///{name}",
        "postgresql": f"{os.environ.get('DATABASE_URL', '').rpartition('/')[0]}/{name}",
    }[connection.vendor]
    environment = os.environ | {
        "CONNHUB_AUDIT_FILE": str(file),
        "DATABASE_URL": where,
        "DJANGO_SETTINGS_MODULE": "tests.settings",
    }
    command = [sys.executable, "manage.py", "forward_audit"]
    several(ada, 1200)

    first = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    wait_until(lambda: file.exists() and file.stat().st_size)
    first.send_signal(signal.SIGKILL)
    first.wait()
    several(ada, 300)
    Position.objects.update(held_until=timezone.now())  # as after the two minutes of its lease
    second = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    wait_until(lambda: '"sequence":1500,' in file.read_text())
    second.terminate()
    second.wait()

    got = numbers_of_whole_lines(file)
    assert set(got) == set(range(1, 1501))
    assert sorted(got[-300:]) == got[-300:]


def wait_until(true) -> None:
    ends_at = time.monotonic() + 60
    while not true():
        assert time.monotonic() < ends_at
        time.sleep(0.05)
