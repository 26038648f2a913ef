"""Calls that are signed one by one, checked with the signer that AWS itself maintains."""

import hashlib
from urllib.parse import unquote

import pytest
import time_machine
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.conftest import CANARY

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("app")]


@pytest.mark.parametrize("size", [0, 20, 300_000])
def test_call_arrives_with_a_signature_of_what_was_sent(reach, flow, upstream, size):
    reach(
        kind="aws_sigv4",
        config={"service": "sns", "region": "eu-west-1"},
        parameters={"access_key_id": "AKID"},
        secrets={"secret_access_key": CANARY},
    )
    body = b"x" * size

    arrived = flow(
        "POST",
        "crm",
        "/echo?b=2&a=1",
        data=body,
        headers={"Content-Type": "text/plain", "X-Amz-Target": "Acme.List"},
    ).json()

    headers = {name.lower(): value for name, value in arrived["headers"]}
    assert arrived["body_sha256"] == hashlib.sha256(body).hexdigest()
    assert headers["authorization"] == expected(upstream.url, body, headers["x-amz-date"])


@pytest.mark.parametrize(
    "target",
    [
        "plain/key.txt",
        "a%20space",
        "%C3%BCml%C3%A4ut/%E1%88%B4",
        "sub-delims!$&'()*,;=:@",
        "encoded%21%28%29%2A%3D%40",
        "tilde~%7E.-_",
        "100%25",
        "lower%c3%bc",
        "folder/",
        "",
        "?prefix=a/b&delimiter=/&list-type=2",
        "?b=2&a=%C3%BC&a=1&flag&empty=",
        "?marker=a+b%20c%2B",
        "key?versionId=3/L4kqtJlcpXroDTDmJ",
    ],
)
@pytest.mark.parametrize("service", ["s3", "execute-api"])
def test_a_server_that_checks_signatures_accepts_what_is_sent(
    reach, flow, upstream, service, target
):
    reach(
        kind="aws_sigv4",
        config={"service": service, "region": "eu-west-1"},
        where={"path": "/signed"},
        parameters={"access_key_id": upstream.access_key_id},
        secrets={"secret_access_key": upstream.secret_access_key},
    )

    answer = flow("PUT", "crm", f"/{target}", data=b"content")

    assert answer.status_code == 200
    assert unquote(answer.json()["path"]) == unquote(f"/signed/{target}")


@pytest.mark.parametrize("target", ["/a//b", "/a%2Fb", "//"])
def test_paths_that_signers_and_servers_could_read_differently_are_refused(
    reach, flow, upstream, target
):
    reach(
        kind="aws_sigv4",
        config={"service": "s3", "region": "eu-west-1"},
        where={"path": "/signed"},
        parameters={"access_key_id": upstream.access_key_id},
        secrets={"secret_access_key": upstream.secret_access_key},
    )

    answer = flow.send("GET", f"{flow.server.proxy('crm')}{target}")

    assert answer.status_code == 400


def expected(url, body, at):
    request = AWSRequest(
        "POST",
        f"{url}/echo",
        params={"a": "1", "b": "2"},
        data=body,
        headers={"content-type": "text/plain", "x-amz-target": "Acme.List"},
    )
    moment = f"{at[:4]}-{at[4:6]}-{at[6:11]}:{at[11:13]}:{at[13:]}"
    with time_machine.travel(moment, tick=False):
        SigV4Auth(Credentials("AKID", CANARY), "sns", "eu-west-1").add_auth(request)
    return request.headers["Authorization"]
