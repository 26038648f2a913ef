"""Signatures as AWS publishes them in its Signature Version 4 test suite."""

import pytest
import time_machine

from connhub.connections.auth import METHODS
from connhub.services.models import AuthMethod

VALUES = {
    "access_key_id": "AKIDEXAMPLE",
    "secret_access_key": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
    "region": "us-east-1",
}
GET_VANILLA = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
GET_QUERY_ORDER = "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"


def signed(path, values=VALUES, service="service", body=b"", verb="GET"):
    method = AuthMethod(kind="aws_sigv4", config={"service": service, "region": "{region}"})
    sign = METHODS["aws_sigv4"].apply(values, method).sign
    with time_machine.travel("2015-08-30T12:36:00Z", tick=False):
        return dict(sign(verb, "https://example.amazonaws.com" + path, [], body))


@pytest.mark.parametrize(
    ("path", "signature"),
    [("/", GET_VANILLA), ("/?Param2=value2&Param1=value1", GET_QUERY_ORDER)],
    ids=["get-vanilla", "get-vanilla-query-order-key-case"],
)
def test_signature_is_the_published_one(path, signature):
    headers = signed(path)

    assert headers == {
        "X-Amz-Date": "20150830T123600Z",
        "Authorization": (
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
            f"SignedHeaders=host;x-amz-date, Signature={signature}"
        ),
    }


def test_session_token_goes_along_and_is_signed():
    headers = signed("/", VALUES | {"session_token": "t0ken"})

    assert headers["X-Amz-Security-Token"] == "t0ken"
    assert "SignedHeaders=host;x-amz-date;x-amz-security-token," in headers["Authorization"]


def test_body_is_part_of_the_signature():
    signatures = {signed("/", body=body, verb="POST")["Authorization"] for body in (b"a", b"b")}

    assert len(signatures) == 2
