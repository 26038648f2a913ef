import ssl
from pathlib import Path

import pytest

from connhub.egress.guard import exception_used
from tests.connections.databases.brokers import (
    RABBITMQ_PORT,
    behind_tls,
    mosquitto,
    nats,
    require_rabbitmq,
)
from tests.connections.databases.ldap_server import ldap
from tests.connections.databases.sftp_server import sftp
from tests.connections.databases.smtp_server import smtp
from tests.connections.databases.twisted_server import mail_and_files
from tests.servers.certificates import make_certificate


@pytest.fixture
def crm(postgresql_server, allow):
    allow(postgresql_server.port)
    return {
        "port": postgresql_server.port,
        "user": postgresql_server.user,
        "database": postgresql_server.database,
        "password": postgresql_server.password,
        "tls": "verify-full",
        "tls_ca": Path(postgresql_server.ca_file).read_text(),
    }


@pytest.fixture
def shop(mariadb_server, allow):
    allow(mariadb_server.port)
    return {
        "port": mariadb_server.port,
        "user": mariadb_server.user,
        "database": mariadb_server.database,
        "password": mariadb_server.password,
    }


@pytest.fixture
def queue(redis_server, allow):
    allow(redis_server.port, redis_server.tls_port)
    return {
        "port": redis_server.tls_port,
        "user": redis_server.user,
        "password": redis_server.password,
        "tls": "verify-full",
        "tls_ca": Path(redis_server.ca_file).read_text(),
    }


@pytest.fixture
def server_tls(tmp_path):
    """A TLS context for rogue servers, whose certificate nobody trusts."""
    files = make_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    return context


@pytest.fixture
def allowance_ends_on_connecting(settings):
    """The address is reached, and is none that the operator has allowed to take passwords."""

    def end(**kwargs):
        settings.CONNHUB_EGRESS_ALLOW = []

    exception_used.connect(end)
    yield
    exception_used.disconnect(end)


@pytest.fixture(scope="session")
def smtp_server():
    with smtp() as server:
        yield server


@pytest.fixture
def mail(smtp_server, allow):
    allow(smtp_server.starttls_port, smtp_server.tls_port, smtp_server.plain_port)
    return {
        "port": smtp_server.starttls_port,
        "user": smtp_server.user,
        "password": smtp_server.password,
        "tls": "verify-full",
        "tls_ca": Path(smtp_server.ca_file).read_text(),
    }


@pytest.fixture(scope="session")
def sftp_server():
    with sftp() as server:
        yield server


@pytest.fixture
def files(sftp_server, allow):
    allow(sftp_server.port, sftp_server.shell_port)
    return {
        "port": sftp_server.port,
        "user": sftp_server.user,
        "password": sftp_server.password,
        "host_key": sftp_server.host_key,
    }


@pytest.fixture(scope="session")
def ldap_server():
    with ldap() as server:
        yield server


@pytest.fixture
def directory(ldap_server, allow):
    allow(ldap_server.starttls_port, ldap_server.tls_port)
    return {
        "port": ldap_server.tls_port,
        "user": ldap_server.user,
        "password": ldap_server.password,
        "tls_start": "at-once",
        "tls_ca": Path(ldap_server.ca_file).read_text(),
    }


@pytest.fixture(scope="session")
def twisted_server():
    with mail_and_files() as server:
        yield server


@pytest.fixture
def on_twisted(twisted_server, allow):
    """What a driver is given for one of its protocols there: `on_twisted("imap", "starttls")`."""

    def given(protocol, way):
        ports = getattr(twisted_server, protocol)
        allow(ports.starttls, ports.tls, ports.plain)
        start = {"starttls": "starttls", "tls": "at-once", "plain": "starttls"}[way]
        return {
            "port": getattr(ports, way),
            "user": twisted_server.user,
            "password": twisted_server.password,
            "tls": "off" if way == "plain" else "verify-full",
            "tls_start": start,
            "tls_ca": Path(twisted_server.ca_file).read_text(),
        }

    return given


@pytest.fixture(scope="session")
def mosquitto_server():
    with mosquitto() as server:
        yield server


@pytest.fixture(scope="session")
def nats_servers():
    with nats() as servers:
        yield servers


@pytest.fixture
def rabbitmq(allow):
    """This machine's RabbitMQ, with TLS before it."""
    require_rabbitmq()
    with behind_tls(RABBITMQ_PORT) as (port, ca_file):
        allow(port, RABBITMQ_PORT)
        yield {
            "port": port,
            "user": "guest",
            "password": "guest",
            "database": "/",
            "tls": "verify-full",
            "tls_ca": Path(ca_file).read_text(),
        }
