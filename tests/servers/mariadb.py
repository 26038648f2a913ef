"""A database and a user of the tests' own on the MariaDB that runs on this machine.

`python -m tests.servers.mariadb NAME` makes both (the password comes from `MARIADB_PASSWORD`) and
drops them again when it is told to end, so that nothing stays behind when the tests are killed.
"""

import os
import secrets
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pymysql

from tests.servers.process import python, running, temporary_folder, unavailable

SOCKET = Path("/run/mysqld/mysqld.sock")
HOST, PORT = "127.0.0.1", 3306


@dataclass(frozen=True)
class MariaDBServer:
    """How to reach the database; `user` may do everything in `database` and nothing elsewhere."""

    host: str
    port: int
    user: str
    password: str
    database: str


@contextmanager
def mariadb() -> Iterator[MariaDBServer]:
    """Make a database and a user, which last as long as the block."""
    name, password = f"connhub_test_{secrets.token_hex(4)}", secrets.token_urlsafe(16)
    server = MariaDBServer(HOST, PORT, name, password, name)
    with running(
        python("tests.servers.mariadb", name),
        folder=temporary_folder("mariadb"),
        env={"MARIADB_PASSWORD": password},
        ready=lambda: _lets_in(server),
    ):
        yield server


def require_mariadb() -> None:
    """Skip, or in CI fail, where MariaDB is missing or does not let root in."""
    if not (shutil.which("mariadbd") or shutil.which("mysqld")):
        unavailable("MariaDB is not installed.")
    try:
        _as_root().close()
    except pymysql.OperationalError:
        unavailable("MariaDB does not run here, or root needs a password.")


def main(name: str, password: str) -> None:
    """Make database and user, wait for SIGTERM, drop them."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    users = [f"'{name}'@'{host}'" for host in ("localhost", HOST)]
    try:
        _execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        for user in users:
            _execute(
                f"CREATE USER {user} IDENTIFIED VIA mysql_native_password USING PASSWORD(%s)",
                password,
            )
            _execute(f"GRANT ALL ON {name}.* TO {user}")
        signal.sigwait({signal.SIGTERM})
    finally:
        for user in users:
            _execute(f"DROP USER IF EXISTS {user}")
        _execute(f"DROP DATABASE IF EXISTS {name}")


def _as_root() -> pymysql.Connection:
    address = {"unix_socket": str(SOCKET)} if SOCKET.exists() else {"host": HOST, "port": PORT}
    return pymysql.connect(user="root", password="", **address)


def _execute(statement: str, *values: str) -> None:
    with _as_root() as connection, connection.cursor() as cursor:
        cursor.execute(statement, values or None)


def _lets_in(server: MariaDBServer) -> bool:
    try:
        pymysql.connect(
            host=server.host,
            port=server.port,
            user=server.user,
            password=server.password,
            database=server.database,
        ).close()
    except pymysql.OperationalError:
        return False
    return True


if __name__ == "__main__":
    main(sys.argv[1], os.environ["MARIADB_PASSWORD"])
