import struct

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from connhub.connections.auth import METHODS  # noqa: F401 - the room's own order of imports
from connhub.connections.databases import DRIVERS
from tests.connections.databases.probing import (
    CANARY,
    DISCLOSES,
    HOST,
    outcome,
    outcomes,
    probe,
    well,
)
from tests.connections.databases.rogues import postgresql_wants, rogue

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(("tls", "step"), [("verify-full", "ok"), ("off", "skipped")])
def test_postgresql_signs_in(crm, tls, step):
    report = probe("postgresql", **crm | {"tls": tls})

    assert outcomes(report) == well(tls=step)
    assert report.ok


def test_postgresql_signs_in_over_unchecked_tls_if_the_operator_allows_it(crm, settings):
    settings.CONNHUB_TLS_UNVERIFIED_ALLOWED = True

    report = probe("postgresql", **crm | {"tls": "require", "tls_ca": ""})

    assert outcomes(report) == well()


def test_environment_and_files_change_nothing_for_postgresql(crm, monkeypatch, tmp_path):
    services = tmp_path / "services"
    services.write_text("[elsewhere]\nhost=elsewhere.example\nsslmode=disable\noptions=-c x=1\n")
    meant_to_break = {
        "PGSERVICE": "elsewhere",
        "PGSERVICEFILE": str(services),
        "PGHOST": "/tmp",
        "PGHOSTADDR": "127.0.0.2",
        "PGOPTIONS": "-c no_such_setting=1",
        "PGREQUIREAUTH": "password",
        "PGSSLMODE": "disable",
        "PGSSLCERT": str(tmp_path / "missing.crt"),
        "PGSSLMAXPROTOCOLVERSION": "TLSv1",
        "PGTARGETSESSIONATTRS": "standby",
    }
    for name, value in meant_to_break.items():
        monkeypatch.setenv(name, value)

    report = probe("postgresql", **crm)

    assert outcomes(report) == well()


def test_postgresql_dsn_signs_a_client_in(crm, postgresql_server):
    parameters = {"host": HOST} | crm
    driver, secrets = DRIVERS["postgresql"], {"password": crm["password"]}
    ca = {"sslrootcert": postgresql_server.ca_file}

    with psycopg.connect(driver.dsn(parameters, secrets), **ca) as by_dsn:
        found = by_dsn.execute("SELECT current_user, current_database()").fetchone()

    assert found == (crm["user"], crm["database"])


def test_dsn_keeps_every_character_in_its_place():
    parameters = {"host": "2606:4700::1111", "user": "a:b@c/d", "database": "x?y#z"}

    dsn = DRIVERS["postgresql"].dsn(parameters, {"password": CANARY})

    assert conninfo_to_dict(dsn) == {
        "host": "2606:4700::1111",
        "port": "5432",
        "user": "a:b@c/d",
        "password": CANARY,
        "dbname": "x?y#z",
        "sslmode": "verify-full",
    }


@pytest.mark.parametrize(
    "talk",
    [postgresql_wants(3), postgresql_wants(5, b"salt"), postgresql_wants(7)],
    ids=["clear password", "MD5", "GSSAPI"],
)
def test_postgresql_keeps_the_password_from_a_server_that_asks_for_it(talk, allow):
    with rogue(talk) as (port, met):
        allow(port)
        report = probe("postgresql", port)

    assert outcome(report) == ("Sign in", "failed", DISCLOSES)
    start_up = met[0].heard[: struct.unpack("!I", met[0].heard[:4])[0]]
    assert (start_up, CANARY.encode() in start_up) == (met[0].heard, False)


def test_postgresql_does_not_go_on_without_tls(allow):
    def no_tls(server):
        server.hear()
        server.say(b"N")

    with rogue(no_tls) as (port, met):
        allow(port)
        report = probe("postgresql", port, tls="verify-full")

    assert outcome(report) == ("TLS", "failed", "The server does not offer TLS.")
    assert met[0].heard == struct.pack("!II", 8, 80877103)  # SSLRequest
