"""ConnHub's proxy and credentials calls beside the bare upstream and nginx, on this machine.

    python -m tests.bench [--database-url postgres://…] [--seconds 3]

Prints requests per second and latencies at 1, 16 and 64 parallel calls, and the vault's round trip.
The database is a new one, made for the bench and removed after it.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import django

from tests.bench.load import Measured, load
from tests.bench.nginx import running_nginx
from tests.servers.process import free_port, listens, python, running, temporary_folder

PARALLEL = (1, 16, 64)
UNLIMITED = "1000000000/minute"
PATH = "/v1/people/42"


def main() -> None:
    options = _options()
    if missing := [name for name in ("wrk", "nginx") if not shutil.which(name)]:
        sys.exit(f"The bench needs {' and '.join(missing)}: apt-get install {' '.join(missing)}")
    _set_up_django(options.database_url)
    with ExitStack() as stack:
        upstream = stack.enter_context(_upstream())
        nginx = stack.enter_context(running_nginx(upstream))
        connhub, token = stack.enter_context(_connhub(upstream))
        targets = {
            "upstream": f"http://127.0.0.1:{upstream}{PATH}",
            "nginx": f"{nginx}{PATH}",
            "proxy": connhub.proxy("bench", PATH),
            "credentials": connhub.credentials("bench"),
        }
        for url in targets.values():
            load(url, token, parallel=max(PARALLEL), seconds=1)
        _table(targets, token, options.seconds)
    _vault()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("--database-url", default="", help="PostgreSQL in which to make a database")
    parser.add_argument("--seconds", type=int, default=3, help="for each measurement")
    return parser.parse_args()


def _set_up_django(database_url: str) -> None:
    home = tempfile.mkdtemp(prefix="connhub-bench-")
    os.environ["CONNHUB_HOME"] = home
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    os.environ["DATABASE_URL"] = database_url or f"sqlite:///{home}/unused.sqlite3"
    django.setup()


@contextmanager
def _upstream() -> Iterator[int]:
    port = free_port()
    command = python("tests.bench.upstream", port)
    with running(command, folder=temporary_folder("upstream"), ready=lambda: listens(port)):
        yield port


@contextmanager
def _connhub(upstream: int) -> Iterator[tuple]:
    """ConnHub in one process with one connection to the upstream, and a key for it."""
    from django.db import connection

    from tests.servers.app import running_app

    connection.creation.create_test_db(verbosity=0, autoclobber=True)
    token = _connection_and_key(upstream)
    try:
        with running_app(
            CONNHUB_EGRESS_ALLOW=f"127.0.0.1:{upstream}",
            CONNHUB_RATE_PER_KEY=UNLIMITED,
            CONNHUB_RATE_PER_CONNECTION=UNLIMITED,
            LOG_LEVEL="ERROR",
        ) as server:
            yield server, token
    finally:
        connection.creation.destroy_test_db(connection.settings_dict["NAME"], verbosity=0)


def _connection_and_key(upstream: int) -> str:
    from connhub.accounts import environments
    from connhub.accounts.models import Role
    from connhub.sharing import roles
    from connhub.usage import keys, registration
    from tests.factories import (
        AuthMethodFactory,
        IntegrationFactory,
        ServiceFactory,
        UserFactory,
        connect,
    )

    ada = UserFactory(role=Role.ADMIN)
    method = AuthMethodFactory(
        service=ServiceFactory(base_url=f"http://127.0.0.1:{upstream}"), kind="bearer", config={}
    )
    made = connect(
        ada,
        method=method,
        link_name="bench",
        secrets={"token": "b3nch-s3cret-of-forty-characters-in-all"},
        access_mode="credentials",
    )
    integration = IntegrationFactory()
    roles.grant(integration, ada, by=ada)
    registration.register(integration, [made], by=ada)
    return keys.issue(integration, environments.lowest(), name="bench", by=ada)[1]


def _table(targets: dict[str, str], token: str, seconds: int) -> None:
    print(f"{'parallel':>8} {'':12} {'req/s':>9} {'p50 ms':>8} {'p99 ms':>8}  of nginx's rate")
    for parallel in PARALLEL:
        found = {
            name: load(url, token, parallel=parallel, seconds=seconds)
            for name, url in targets.items()
        }
        for name, measured in found.items():
            print(_row(parallel, name, measured, found["nginx"]))
        more_ms = found["proxy"].p50_ms - found["upstream"].p50_ms
        print(f"{'':8} the proxy adds {more_ms:.2f} ms to the upstream's p50\n")


def _row(parallel: int, name: str, measured: Measured, nginx: Measured) -> str:
    figures = f"{measured.rate:9.0f} {measured.p50_ms:8.2f} {measured.p99_ms:8.2f}"
    return f"{parallel:8} {name:12} {figures}  1/{nginx.rate / measured.rate:.1f}"


def _vault() -> None:
    """Seal and open 2 KiB."""
    from connhub.vault.keyring import Place, open_sealed, seal

    place, secret, rounds = Place("bench", "1", "payload", 1), os.urandom(2048), 20_000
    started = time.perf_counter()
    for _ in range(rounds):
        open_sealed(seal(secret, place), place)
    took_us = (time.perf_counter() - started) / rounds * 1e6
    print(f"Vault, 2 KiB sealed and opened: {took_us:.1f} µs")


if __name__ == "__main__":
    main()
