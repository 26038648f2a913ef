"""A MariaDB of the tests' own that offers TLS: the one that runs on this machine has none."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pymysql

from tests.servers.certificates import make_certificate
from tests.servers.process import free_port, listens, running, temporary_folder, unavailable


@dataclass(frozen=True)
class SecureMariaDB:
    """How to reach it: as root, from this machine alone."""

    port: int
    user: str
    password: str
    database: str
    ca_file: str


@contextmanager
def secure_mariadb() -> Iterator[SecureMariaDB]:
    """Run one while the block lasts."""
    install, server = shutil.which("mariadb-install-db"), shutil.which("mariadbd")
    if not (install and server):
        unavailable("MariaDB is not installed.")
    folder, port = temporary_folder("mariadb-tls"), free_port()
    files = make_certificate(folder)
    data = folder / "data"
    subprocess.run(
        [
            str(install), "--no-defaults", f"--datadir={data}", "--user=root",
            "--auth-root-authentication-method=normal", "--skip-test-db",
        ],
        check=True, capture_output=True,
    )  # fmt: skip
    command = [
        str(server), "--no-defaults", f"--datadir={data}", "--user=root",
        "--bind-address=127.0.0.1", f"--port={port}", f"--socket={folder / 'socket'}",
        f"--pid-file={folder / 'pid'}", f"--ssl-cert={files.certificate}",
        f"--ssl-key={files.key}", f"--ssl-ca={files.ca}",
    ]  # fmt: skip
    with running(command, folder=folder, ready=lambda: listens(port)):
        yield SecureMariaDB(port, *_made(folder / "socket"), str(files.ca))


def _made(socket: Path) -> tuple[str, str, str]:
    """A user with a password, and a database for them."""
    user, password, database = "flow", "pässw0rd/'%", "crm"
    with pymysql.connect(unix_socket=str(socket), user="root") as session:
        cursor = session.cursor()
        cursor.execute(f"CREATE DATABASE {database}")
        cursor.execute(f"CREATE USER {user} IDENTIFIED BY %s", [password])
        cursor.execute(f"GRANT ALL ON {database}.* TO {user}")
    return user, password, database
