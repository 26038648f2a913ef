"""SECURITY 1.6: a rotation killed over and over, while flows read secrets and people write new ones.

Short by default; `make faults` runs it with 10,000 connections and 20 kills.
"""

import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http.client import HTTPConnection

import pytest
from django.core.management import call_command
from django.db import connection as database
from django.db import connections as databases
from django.utils import timezone

from connhub.accounts import environments
from connhub.connections import editing
from connhub.connections.models import AccessMode, Connection, Credential, Settings, Status
from connhub.sharing import roles
from connhub.usage import keys
from connhub.usage.models import Registration
from connhub.vault import keyring, rotation, startup
from connhub.vault.keyring import generate_entry
from connhub.vault.models import KeyCheck, KeyRotation
from tests.factories import AuthMethodFactory
from tests.servers.app import AppServer, database_url, running_app
from tests.servers.process import ROOT

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("app")]

LONG = bool(os.environ.get("FAULTS"))
MANY, KILLS, BATCH = (10_000, 20, 100) if LONG else (300, 3, 10)
READS, WRITES = 50, 5  # a second
READERS = 4
# The command, in batches small enough to be caught in the middle of.
COMMAND = (
    "import django; django.setup();"
    f"from connhub.vault import rotation; rotation.BATCH = {BATCH};"
    "from django.core.management import execute_from_command_line as run; import sys;"
    "run(['manage.py', 'rotate_keys', *sys.argv[1:]])"
)
SECRET = re.compile(r"secret-(\d+)-(\d+)")
OLD = generate_entry()


@pytest.fixture
def file(settings, tmp_path):
    path = tmp_path / "keys"
    path.write_text(OLD)
    path.chmod(0o600)
    settings.CONNHUB_KEYS, settings.CONNHUB_KEYS_FILE = OLD, str(path)
    KeyCheck.objects.all().delete()
    startup.check_keys()
    return path


@pytest.fixture
def app(file) -> Iterator[AppServer]:
    rates = {"CONNHUB_RATE_PER_KEY": "1000000/minute"}
    with running_app(processes=2, CONNHUB_KEYS_FILE=str(file), **rates) as server:
        yield server


@dataclass
class World:
    """Connections with a secret each, which says whose it is and how often it was replaced."""

    token: str
    server: AppServer
    ada: object
    written: list[int] = field(default_factory=lambda: [0] * MANY)  # committed
    begun: list[int] = field(default_factory=lambda: [0] * MANY)
    reads: int = 0
    writes: int = 0
    wrong: list[str] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def read(self, http: HTTPConnection, number: int) -> None:
        at_least = self.written[number]
        http.request(
            "GET",
            self.server.credentials(f"c{number}").removeprefix(self.server.url),
            headers={"Authorization": f"Bearer {self.token}"},
        )
        response = http.getresponse()
        text = response.read().decode()
        self.reads += 1
        if response.status != 200:
            self.wrong.append(f"{response.status} {text[:200]}")
            return
        found = SECRET.search(text)
        if not (
            found and int(found[1]) == number and at_least <= int(found[2]) <= self.begun[number]
        ):
            self.wrong.append(f"c{number}: {text}, not {at_least} to {self.begun[number]}")

    def write(self, number: int) -> None:
        self.begun[number] += 1
        count = self.begun[number]
        connection = Connection.objects.get(link_name=f"c{number}")
        editing.reconnect(connection, {"key_1": secret(number, count)}, by=self.ada)
        self.written[number] = count
        self.writes += 1

    def keep_reading(self) -> None:
        with closing(HTTPConnection("127.0.0.1", self.server.port, timeout=60)) as http:
            at_a_steady_rate(
                READS / READERS, self.stop, lambda: self.read(http, random.randrange(MANY))
            )

    def keep_writing(self) -> None:
        try:
            at_a_steady_rate(WRITES, self.stop, lambda: self.write(random.randrange(MANY)))
        finally:
            databases.close_all()

    @contextmanager
    def under_load(self) -> Iterator[None]:
        with ThreadPoolExecutor(READERS + 1) as threads:
            jobs = [threads.submit(self.keep_reading) for _ in range(READERS)]
            jobs.append(threads.submit(self.keep_writing))
            try:
                yield
            finally:
                self.stop.set()
        for job in jobs:
            job.result()


def at_a_steady_rate(rate: float, stop: threading.Event, act: Callable[[], None]) -> None:
    due = time.monotonic()
    while not stop.wait(max(due - time.monotonic(), 0)):
        act()
        due = max(due + 1 / rate, time.monotonic() - 1)


def secret(number: int, count: int) -> str:
    return f"secret-{number}-{count}"


@pytest.fixture
def world(app, ada, integration) -> World:
    _, token = keys.issue(integration, environments.lowest(), name="flow", by=ada)
    method = AuthMethodFactory()
    made = Connection.objects.bulk_create(
        Connection(
            name=f"C{n}",
            link_name=f"c{n}",
            service=method.service,
            auth_method=method,
            status=Status.CONNECTED,
            access_mode=AccessMode.CREDENTIALS,
        )
        for n in range(MANY)
    )
    Settings.objects.bulk_create(Settings(connection=c) for c in made)
    credentials = [Credential(connection=c, status=Status.CONNECTED) for c in made]
    for number, credential in enumerate(credentials):
        credential.payload.put({"key_1": secret(number, 0)})
    Credential.objects.bulk_create(credentials)
    Registration.objects.bulk_create(
        Registration(integration=integration, connection=c) for c in made
    )
    roles.grant_new(made, ada, by=ada)
    return World(token, app, ada)


def rotating(file, *options: str) -> subprocess.Popen:
    own = {
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "DATABASE_URL": database_url(),
        "CONNHUB_KEYS_FILE": str(file),
    }
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, *options],
        env=os.environ | own, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def resealed() -> int:
    return sum(KeyRotation.objects.values_list("resealed", flat=True))


def left() -> int:
    return sum(rotation.named_by(OLD[:8]).values())


def kill_in_the_middle(process: subprocess.Popen, when: int) -> int:
    """Kill it once no more than so many are left; 1, or 0 if it had ended by itself."""
    while left() > when and process.poll() is None:
        time.sleep(0.01)
    process.kill()
    process.communicate()
    return int(process.returncode == -signal.SIGKILL)


def test_no_read_fails_and_nothing_is_left_behind_or_lost(world, file, capsys):
    began = time.monotonic()
    with world.under_load():
        kills = 0
        for nth in range(KILLS):
            process = rotating(file, *(["--new"] if nth == 0 else []))
            kills += kill_in_the_middle(process, MANY * (KILLS + 1 - nth) // (KILLS + 2))
        last = time.monotonic()
        before_last = resealed()
        end = rotating(file)
        said, _ = end.communicate()
        ended = time.monotonic()
        after_last = resealed()

    assert world.wrong == [], world.server.log
    assert (kills, end.returncode) == (KILLS, 0), said
    assert world.reads and world.writes
    old, new = OLD[:8], keyring.ring().primary.id.hex()
    assert old != new
    assert rotation.named_by(old) == {}
    assert rotation.count_left() == 0
    assert [secret_of(n) for n in range(MANY)] == [
        secret(n, count) for n, count in enumerate(world.written)
    ]
    assert KeyRotation.objects.filter(ended_at=None).count() == 0
    with capsys.disabled():
        rate = (after_last - before_last) / (ended - last)
        print(
            f"\n{database.vendor}: {MANY:,} connections, {kills} kills, {ended - began:.0f} s;"
            f" {world.reads:,} reads ({world.reads / (ended - began):.0f}/s),"
            f" {world.writes:,} writes ({world.writes / (ended - began):.1f}/s), none failed;"
            f" {rate:,.0f} rows/s with start-up of the command"
        )

    KeyCheck.objects.update(made_at=timezone.now() - timedelta(hours=1))
    call_command("retire_key", old)
    with closing(HTTPConnection("127.0.0.1", world.server.port, timeout=60)) as http:
        for number in range(0, MANY, max(MANY // 100, 1)):
            world.read(http, number)
    assert world.wrong == [], world.server.log


def secret_of(number: int) -> str:
    credential = Credential.objects.get(connection__link_name=f"c{number}")
    value: str = credential.payload.open().reveal()["key_1"]
    return value
