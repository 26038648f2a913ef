"""Calls that are signed one by one, checked with the signer that AWS itself maintains."""

import hashlib

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
