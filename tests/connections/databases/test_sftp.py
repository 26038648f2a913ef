import subprocess
import sys

import asyncssh
import paramiko
import pytest

from connhub.connections.auth import METHODS  # noqa: F401 - the room's own order of imports
from connhub.connections.databases import DRIVERS, BadParameter
from tests.connections.databases.probing import (
    CANARY,
    WRONG_PASSWORD,
    outcome,
    outcomes,
    probe,
)
from tests.connections.databases.rogues import rogue, ssh_answers

KINDS = ["ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"]
WELL = [
    ("Parameters", "ok"),
    ("Connect", "ok"),
    ("Host key", "ok"),
    ("Sign in", "ok"),
    ("Sample query", "ok"),
]

pytestmark = pytest.mark.django_db


class Pinned(paramiko.MissingHostKeyPolicy):
    def __init__(self, fingerprint):
        self.fingerprint = fingerprint

    def missing_host_key(self, client, hostname, key):
        assert key.fingerprint == self.fingerprint


def test_signs_in_with_a_password(files):
    report = probe("sftp", **files)

    assert outcomes(report) == WELL
    assert report.steps[3].said == "Signed in with a password."


@pytest.mark.parametrize("kind", KINDS)
def test_signs_in_with_a_private_key(kind, files, sftp_server):
    report = probe("sftp", **files | {"private_key": sftp_server.private_keys[kind]})

    assert outcomes(report) == WELL
    assert report.steps[3].said == "Signed in with a private key."


def test_dsn_has_user_and_password():
    dsn = DRIVERS["sftp"].dsn({"host": "files.example", "user": "a@b"}, {"password": "p/"})

    assert dsn == "sftp://a%40b:p%2F@files.example:22/"


def test_without_a_host_key_the_test_shows_it_and_nobody_signs_in(allow):
    with rogue(ssh_answers()) as (port, met):
        allow(port)
        report = probe("sftp", port)

    assert outcomes(report)[-1] == ("Host key", "failed")
    assert report.failure.said.startswith("The server shows the host key SHA256:")
    assert met[0].door.asked == []


def test_the_host_key_that_is_shown_is_the_servers(files):
    report = probe("sftp", **files | {"host_key": ""})

    assert report.failure.said == f"The server shows the host key {files['host_key']}."


@pytest.mark.parametrize("kind", [None, "ssh-ed25519"])
def test_nobody_signs_in_at_a_server_with_another_host_key(kind, allow, sftp_server):
    private_key = sftp_server.private_keys.get(kind, "")
    with rogue(ssh_answers()) as (port, met):
        allow(port)
        report = probe("sftp", port, host_key=sftp_server.host_key, private_key=private_key)

    assert outcomes(report)[-1] == ("Host key", "failed")
    assert report.failure.said.startswith("The server shows another host key: SHA256:")
    assert met[0].door.asked == []


def test_wrong_password_and_wrong_key_are_told_and_not_quoted(files):
    stranger = asyncssh.generate_private_key("ssh-ed25519").export_private_key("openssh").decode()

    reports = [
        probe("sftp", **files | {"password": CANARY}),
        probe("sftp", **files | {"private_key": stranger}),
    ]

    assert [outcome(report) for report in reports] == [
        ("Sign in", "failed", WRONG_PASSWORD),
        ("Sign in", "failed", "The server does not accept this user and private key."),
    ]
    assert CANARY not in str(reports[0])


def test_a_server_that_lets_in_but_has_no_sftp_is_told(files, sftp_server):
    report = probe("sftp", **files | {"port": sftp_server.shell_port})

    assert outcome(report) == (
        "Sample query",
        "failed",
        "The server lets this user in but offers no SFTP.",
    )


@pytest.mark.parametrize(
    ("verdict", "methods", "said"),
    [
        (
            paramiko.AUTH_PARTIALLY_SUCCESSFUL,
            "publickey",
            "The server wants more than one proof from this user.",
        ),
        (
            paramiko.AUTH_FAILED,
            "publickey",
            "The server does not let this user sign in this way.",
        ),
    ],
)
def test_other_ways_to_sign_in_are_told(verdict, methods, said, allow):
    key = paramiko.ECDSAKey.generate()
    with rogue(ssh_answers(verdict, methods, key)) as (port, _):
        allow(port)
        report = probe("sftp", port, host_key=key.fingerprint)

    assert outcome(report) == ("Sign in", "failed", said)


@pytest.mark.parametrize("text", ["ssh-ed25519 AAAA", "-----BEGIN OPENSSH PRIVATE KEY-----\nx\n"])
def test_a_private_key_that_is_none_is_told(text):
    report = probe("sftp", 22, private_key=text)

    assert outcome(report) == ("Parameters", "failed", "The private key can't be read.")


def test_a_private_key_with_a_passphrase_is_not_opened():
    key = asyncssh.generate_private_key("ssh-ed25519")

    report = probe("sftp", 22, private_key=key.export_private_key("openssh", "phrase").decode())

    assert outcome(report) == ("Parameters", "failed", "The private key can't be read.")


@pytest.mark.parametrize(
    ("host_key", "password", "name"),
    [
        ("MD5:aa:bb", "x", "host_key"),
        ("SHA256:short", "x", "host_key"),
        ("SHA256:" + "x" * 44, "x", "host_key"),
        ("", "", "password"),
    ],
)
def test_bad_parameters_are_named(host_key, password, name):
    given = {"host": "files.example", "user": "flow", "host_key": host_key}

    with pytest.raises(BadParameter) as refused:
        DRIVERS["sftp"].read(given, {"password": password})

    assert refused.value.name == name


def test_what_servers_say_is_not_logged(files, caplog):
    probe("sftp", **files | {"password": CANARY})

    assert [record for record in caplog.records if "paramiko" in record.pathname] == []


def test_paramiko_is_loaded_when_first_used():
    loads = (
        "import django, sys; django.setup(); import connhub.connections.auth;"
        "sys.exit('paramiko' in sys.modules)"
    )

    done = subprocess.run([sys.executable, "-c", loads], check=False)

    assert done.returncode == 0


def test_a_missing_paramiko_is_told_with_the_way_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "paramiko", None)

    report = probe("sftp", 22)

    assert outcome(report) == (
        "Parameters",
        "failed",
        "ConnHub needs paramiko for this, which is not installed.",
    )
    assert report.failure.hint.endswith(".venv/bin/pip install -e '.[protocols]'")
