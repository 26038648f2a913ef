"""A PostgreSQL cluster of the tests' own: SCRAM passwords, with and without TLS."""

import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from tests.servers.certificates import CertificateFiles, make_certificate
from tests.servers.process import (
    free_port,
    listens,
    running,
    temporary_folder,
    unavailable,
)

SYSTEM_USER = "postgres"  # the server refuses to run as root
ADMIN = "cluster_admin"


@dataclass(frozen=True)
class PostgreSQLServer:
    """How to reach the cluster; `user` owns `database` and may create others."""

    host: str
    port: int
    user: str
    password: str
    database: str
    ca_file: str


@contextmanager
def postgresql() -> Iterator[PostgreSQLServer]:
    """Make a cluster in a temporary folder and run it while the block lasts."""
    folder, port, admin_password = temporary_folder("postgresql"), free_port(), _password()
    binaries = _binaries()
    certificate = make_certificate(folder)
    data = _initialise(binaries, folder, admin_password)
    _configure(data, port, certificate)
    _hand_over(folder)
    command = [str(binaries / "postgres"), "-D", str(data)]
    # SIGINT: shut down now, without waiting for clients.
    with running(
        command,
        folder=folder,
        user=_owner(),
        stop_signal="SIGINT",
        ready=lambda: _accepts(port, admin_password),
    ):
        server = PostgreSQLServer(
            "127.0.0.1", port, "crm_user", _password(), "crm", str(certificate.ca)
        )
        _create_database(server, admin_password)
        yield server


def require_postgresql() -> None:
    """Skip, or in CI fail, where PostgreSQL's programs are missing."""
    if not (_binaries() / "initdb").exists():
        unavailable("PostgreSQL is not installed.")


def _binaries() -> Path:
    """The folder of the newest server's programs; those in the path where none is packaged."""
    packaged = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    initdb = packaged[-1] if packaged else Path(shutil.which("initdb") or "/nowhere/initdb")
    return initdb.resolve().parent


def _owner() -> str:
    return SYSTEM_USER if os.geteuid() == 0 else ""


def _hand_over(folder: Path) -> None:
    if _owner():
        for path in (folder, *folder.rglob("*")):
            shutil.chown(path, SYSTEM_USER, SYSTEM_USER)


def _initialise(binaries: Path, folder: Path, admin_password: str) -> Path:
    data, password_file = folder / "data", folder / "admin-password"
    password_file.touch(mode=0o600)
    password_file.write_text(admin_password)
    _hand_over(folder)
    subprocess.run(
        [
            *(["runuser", "-u", _owner(), "--"] if _owner() else []),
            binaries / "initdb",
            *("--pgdata", data, "--username", ADMIN, "--pwfile", password_file),
            *("--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync"),
        ],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    return data


def _configure(data: Path, port: int, certificate: CertificateFiles) -> None:
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": "",
        "password_encryption": "scram-sha-256",
        "ssl": "on",
        "ssl_cert_file": certificate.certificate,
        "ssl_key_file": certificate.key,
        "fsync": "off",
        "synchronous_commit": "off",
        "full_page_writes": "off",
    }
    with (data / "postgresql.conf").open("a") as conf:
        conf.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
    (data / "pg_hba.conf").write_text(
        "hostssl   all all 127.0.0.1/32 scram-sha-256\n"
        "hostnossl all all 127.0.0.1/32 scram-sha-256\n"
    )


def _connect(port: int, admin_password: str) -> psycopg.Connection:
    return psycopg.connect(
        host="127.0.0.1",
        port=port,
        user=ADMIN,
        password=admin_password,
        dbname="postgres",
        autocommit=True,
    )


def _accepts(port: int, admin_password: str) -> bool:
    if not listens(port):
        return False
    try:
        _connect(port, admin_password).close()
    except psycopg.OperationalError:  # it is still starting up
        return False
    return True


def _create_database(server: PostgreSQLServer, admin_password: str) -> None:
    user, database = sql.Identifier(server.user), sql.Identifier(server.database)
    with _connect(server.port, admin_password) as connection:
        connection.execute(
            sql.SQL("CREATE ROLE {} LOGIN CREATEDB PASSWORD {}").format(user, server.password)
        )
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(database, user))


def _password() -> str:
    return secrets.token_urlsafe(16)
