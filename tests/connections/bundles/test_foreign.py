"""Airflow's connections and URLs of .env files, in our words."""

import json

import pytest

from connhub.connections.bundles import foreign
from connhub.connections.bundles.document import BadFile
from tests.conftest import CANARY
from tests.factories import AuthMethodFactory, ServiceFactory

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def services():
    for slug in ("postgresql", "mysql", "redis", "smtp", "sftp"):
        service = ServiceFactory(slug=slug, name=slug, driver=slug, origin="default")
        AuthMethodFactory(service=service, kind="database", label="Database", config={})
    slack = ServiceFactory(slug="slack", name="Slack", origin="default")
    AuthMethodFactory(service=slack, kind="bearer", label="Bot token", config={})


def airflow(**connections):
    found = foreign.airflow(json.dumps(connections).encode())
    return {item.link_name: item for item in found.bundle.items}, found


def env(text):
    found = foreign.env(text.encode())
    return {item.link_name: item for item in found.bundle.items}, found


FIELDS = {
    "conn_type": "postgres", "description": "Sales", "login": "grace", "password": CANARY,
    "host": "db.example", "port": 6432, "schema": "crm", "extra": "",
}  # fmt: skip


def test_airflows_fields_become_a_database():
    items, found = airflow(**{"Sales-DB": FIELDS})

    item = items["sales_db"]
    assert (item.name, item.service, item.kind, item.label, item.description) == (
        "Sales-DB", "postgresql", "database", "Database", "Sales",
    )  # fmt: skip
    assert item.settings[0].parameters == {
        "host": "db.example", "port": "6432", "database": "crm", "user": "grace",
        "tls": "verify-full",
    }  # fmt: skip
    assert item.credentials[0].secrets == {"password": CANARY}
    assert (item.access_mode, list(found.left_out)) == ("credentials", [])


@pytest.mark.parametrize(
    ("uri", "service", "parameters", "password"),
    [
        (
            "postgresql://grace:p%40ss%2F@db.example:6432/crm?sslmode=disable", "postgresql",
            {"host": "db.example", "port": "6432", "database": "crm", "user": "grace", "tls": "off"},
            "p@ss/",
        ),
        (
            "mysql://grace:x@db.example/shop", "mysql",
            {"host": "db.example", "port": "3306", "database": "shop", "user": "grace",
             "tls": "verify-full"}, "x",
        ),
        (
            "redis://:x@cache.example:6380/?__extra__=%7B%22db%22%3A+3%7D", "redis",
            {"host": "cache.example", "port": "6380", "database": "3", "tls": "off"}, "x",
        ),
        (
            "rediss://app:x@cache.example", "redis",
            {"host": "cache.example", "port": "6379", "database": "0", "user": "app",
             "tls": "verify-full"}, "x",
        ),
        (
            "smtps://me:x@mail.example:465", "smtp",
            {"host": "mail.example", "port": "465", "user": "me", "tls": "verify-full",
             "tls_start": "at-once"}, "x",
        ),
        ("sftp://me:x@files.example", "sftp",
         {"host": "files.example", "port": "22", "user": "me"}, "x"),
    ],
)  # fmt: skip
def test_uris_become_connections_of_drivers(uri, service, parameters, password):
    for items, _ in (airflow(one=uri), env(f"ONE={uri}")):
        item = items["one"]
        assert (item.service, dict(item.settings[0].parameters)) == (service, parameters)
        assert item.credentials[0].secrets == {"password": password}


@pytest.mark.parametrize(
    "value",
    [
        "http://grace:x@api.example:8443/https",
        "http://grace:x@https%3A%2F%2Fapi.example:8443",
        {"conn_type": "http", "host": "https://api.example", "port": 8443, "login": "grace", "password": "x"},
        {"conn_type": "http", "host": "api.example", "schema": "https", "port": 8443, "login": "grace", "password": "x"},
    ],
)  # fmt: skip
def test_airflows_web_connections_become_custom_services(value):
    items, found = airflow(My_API=value)

    service = found.bundle.services["my-api"]
    assert (service["base_url"], service["methods"][0]["kind"]) == (
        "https://api.example:8443",
        "basic",
    )
    assert items["my_api"].credentials[0].secrets == {"username": "grace", "password": "x"}


def test_a_url_keeps_its_path():
    _, found = env("API=https://grace:x@api.example/v1/")

    assert found.bundle.services["api"]["base_url"] == "https://api.example/v1"


def test_what_goes_out_in_clear_is_left_out_and_told():
    items, found = airflow(clear="http://grace:x@api.example")

    assert (items, found.left_out) == ({}, ["clear: its address is none that ConnHub can call."])


def test_a_service_of_ours_with_that_name_takes_the_token():
    items, _ = airflow(chat={"conn_type": "slack", "password": CANARY})

    assert (items["chat"].service, items["chat"].label) == ("slack", "Bot token")
    assert items["chat"].credentials[0].secrets == {"token": CANARY}


def test_what_we_have_no_service_for_keeps_its_name():
    items, _ = airflow(lake={"conn_type": "google_cloud_platform"})

    assert items["lake"].service == "google-cloud-platform"


def test_extras_are_named_and_never_quoted():
    _, found = airflow(
        db=FIELDS | {"extra": json.dumps({"sslkey": CANARY, "a": 1, "sslmode": "require"})}
    )

    assert found.left_out == ["db: a, sslkey can't be carried over."]


def test_link_names_are_made_and_made_different():
    items, _ = airflow(**{"a b": FIELDS, "A-B": FIELDS, "1st": FIELDS, "é": FIELDS})

    assert list(items) == ["a_b", "a_b_2", "c_1st", "c"]


def test_lines_of_an_env_file():
    items, found = env(
        "\n# a comment\nexport DB='postgres://a:b@db.example/x'\nDEBUG=true\n"
        'AIRFLOW_CONN_TWO="mysql://a:b@db.example/y"\nSITE=https://example.com\n'
        "THREE=redis://:b@cache.example # with a remark\nnonsense\nBAD=postgres://a:b@h:port/\n"
    )

    assert list(items) == ["db", "two", "three"]
    assert found.left_out == ["4 lines hold no URL with a sign-in."]


@pytest.mark.parametrize(
    "data",
    [
        b"", b"[]", b"{", b'{"a": 1}', b'{"a": "x", "a": "y"}', b'{"a": {}}', b"\xff",
        b'{"a": {"conn_type": ""}}', b'{"a": {"conn_type": "x", "password": 1}}',
        b'{"a": {"conn_type": "x", "extra": "{"}}', b'{"a": "no uri"}', b'{"a": "x://h:port"}',
        b'{"a": {"conn_type": "x", "owner": "eve"}}', b'{"a": "postgres://u:\\u0000@h"}',
        b'{"a": [{"conn_type": "x"}]}', b" " * (10 * 2**20 + 1),
    ],
)  # fmt: skip
def test_what_is_not_airflows_is_refused(data):
    with pytest.raises(BadFile):
        foreign.airflow(data)


@pytest.mark.parametrize("data", [b"\xff\xfe", b" " * (10 * 2**20 + 1)])
def test_what_is_no_env_file_is_refused(data):
    with pytest.raises(BadFile):
        foreign.env(data)
