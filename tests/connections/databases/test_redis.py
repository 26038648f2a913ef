import pytest
import redis

from connhub.connections.auth import METHODS  # noqa: F401 - the room's own order of imports
from connhub.connections.databases import DRIVERS, BadParameter
from tests.connections.databases.probing import HOST, outcomes, probe, well
from tests.connections.databases.rogues import rogue

pytestmark = pytest.mark.django_db


def test_redis_signs_in_over_tls(queue):
    report = probe("redis", **queue)

    assert outcomes(report) == well()


def test_redis_signs_in_without_tls_where_the_operator_allows_the_address(queue, redis_server):
    report = probe("redis", **queue | {"port": redis_server.port, "tls": "off"})

    assert outcomes(report) == well(tls="skipped")


def test_redis_dsn_signs_a_client_in(queue, redis_server):
    driver, secrets = DRIVERS["redis"], {"password": queue["password"]}
    parameters = {"host": HOST} | queue

    dsn = driver.dsn(parameters, secrets)
    with redis.Redis.from_url(dsn, ssl_ca_certs=redis_server.ca_file) as by_dsn:
        answered = by_dsn.ping()

    assert answered is True


def test_redis_wants_a_number_for_the_database_and_no_user_without_password():
    bad = [({"database": "one"}, "x"), ({"user": "flow"}, "")]
    names = []
    for parameters, password in bad:
        with pytest.raises(BadParameter) as refused:
            DRIVERS["redis"].read({"host": "db.example"} | parameters, {"password": password})
        names.append(refused.value.name)

    assert names == ["database", "password"]


@pytest.mark.parametrize("tls", ["off", "require"])
def test_redis_keeps_the_password_from_a_server_it_does_not_know(
    tls, allow, settings, server_tls, allowance_ends_on_connecting
):
    settings.CONNHUB_TLS_UNVERIFIED_ALLOWED = True

    def talk(server):
        if tls == "require":
            server.secure(server_tls)

    with rogue(talk) as (port, met):
        allow(port)
        report = probe("redis", port, tls=tls)

    assert outcomes(report)[-1] == ("Sign in", "failed")
    assert report.failure.said.startswith("The password was not sent")
    assert met[0].heard == b""


@pytest.mark.parametrize(
    "answer", [b"$99999999999\r\n", b"*1\r\n+OK\r\n", b"+" + b"x" * 5000, b"$-1\r\n"]
)
def test_redis_reads_no_answers_but_short_ones(answer, allow):
    with rogue(lambda server: server.hear() and server.say(answer)) as (port, _):
        allow(port)
        report = probe("redis", port)

    assert report.failure.said == "What answers there is not a Redis server."
