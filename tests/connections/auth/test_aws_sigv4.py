"""Signatures as AWS publishes them; vectors/aws_sigv4.json names where its suite comes from."""

import json
from hashlib import sha256
from pathlib import Path

import pytest
import time_machine

from connhub.connections import testing
from connhub.connections.auth import METHODS
from connhub.services.models import AuthMethod
from tests.factories import AuthMethodFactory, ServiceFactory
from tests.servers import sigv4

SUITE = json.loads((Path(__file__).parent / "vectors" / "aws_sigv4.json").read_text())
KEYS = SUITE["access_key_id"], SUITE["secret_access_key"]
SCOPE = SUITE["region"], SUITE["service"]
AT = "20150830T123600Z"
ORIGIN = "https://example.amazonaws.com"
# Of a caller's headers ConnHub signs these and x-amz-…: others may change on the way.
SIGNED_BY_US = {"host", "content-type"}

every_case = pytest.mark.parametrize("case", SUITE["cases"], ids=lambda case: case["name"])


def signed(target, *, service="service", headers=(), body=b"", verb="GET", session_token=""):
    method = AuthMethod(kind="aws_sigv4", config={"service": service, "region": "us-east-1"})
    values = {"access_key_id": KEYS[0], "secret_access_key": KEYS[1]}
    values |= {"session_token": session_token} if session_token else {}
    sign = METHODS["aws_sigv4"].apply(values, method).sign
    with time_machine.travel(SUITE["timestamp"], tick=False):
        return dict(sign(verb, ORIGIN + target, list(headers), body))


def names_signed(authorization):
    return authorization.partition("SignedHeaders=")[2].partition(",")[0].split(";")


def hash_header(case):
    """As the suite's requests have it that sign their body's hash."""
    body = case["body"].encode()
    return [("x-amz-content-sha256", sha256(body).hexdigest())] if "content_hash" in case else []


def is_signed_alike(case):
    """Whether the suite signs only what ConnHub signs, too, and a path that is normalized."""
    names = set(names_signed(case["authorization"]))
    ours = {name for name in names if name in SIGNED_BY_US or name.startswith("x-amz-")}
    return names == ours and case["normalize"] and case.get("token_is_signed", True)


@every_case
def test_the_tests_own_checker_finds_the_published_signature(case):
    token = [("x-amz-security-token", case["session_token"])] if "session_token" in case else []
    headers = [*case["headers"], ("x-amz-date", AT), *token, *hash_header(case)]

    found = sigv4.authorization(
        case["method"],
        case["target"],
        headers,
        case["body"].encode(),
        keys=KEYS,
        scope=SCOPE,
        signed=names_signed(case["authorization"]),
        normalize=case["normalize"],
    )

    assert found == case["authorization"]


@pytest.mark.parametrize(
    "case", [*filter(is_signed_alike, SUITE["cases"])], ids=lambda case: case["name"]
)
def test_signature_is_the_published_one(case):
    headers = signed(
        case["target"],
        headers=[*case["headers"], *hash_header(case)],
        body=case["body"].encode(),
        verb=case["method"],
        session_token=case.get("session_token", ""),
    )

    assert headers["Authorization"] == case["authorization"]


@every_case
@pytest.mark.parametrize("service", ["service", "s3"])
def test_every_request_of_the_suite_is_signed_so_that_a_server_accepts_it(case, service):
    body, target = case["body"].encode(), case["target"].replace(" ", "%20")
    ours = signed(target, service=service, headers=case["headers"], body=body, verb=case["method"])
    sent = {name.lower(): value for name, value in case["headers"]}
    sent |= {name.lower(): value for name, value in ours.items()}

    assert sigv4.accepts(case["method"], target, list(sent.items()), body, KEYS)
    assert not sigv4.accepts(case["method"], target + "x", list(sent.items()), body, KEYS)


def test_session_token_goes_along_and_is_signed():
    headers = signed("/", session_token="t0ken")

    assert headers["X-Amz-Security-Token"] == "t0ken"
    assert "SignedHeaders=host;x-amz-date;x-amz-security-token," in headers["Authorization"]


def test_body_is_part_of_the_signature():
    signatures = {signed("/", body=body, verb="POST")["Authorization"] for body in (b"a", b"b")}

    assert len(signatures) == 2


def test_a_header_given_twice_is_sent_and_signed_with_both_values():
    headers = signed("/", headers=[("X-Amz-Meta-A", "1"), ("x-amz-meta-a", "2")])

    assert headers["x-amz-meta-a"] == "1,2"
    assert "host;x-amz-date;x-amz-meta-a," in headers["Authorization"]


@pytest.mark.django_db
@pytest.mark.parametrize("service", ["sns", "s3"])
@pytest.mark.parametrize(("secret", "ok"), [("right", True), ("wrong", False)])
def test_a_test_is_signed_so_that_the_server_accepts_it(upstream, allow, service, secret, ok):
    allow(upstream.port)
    tested = ServiceFactory(
        base_url=f"{upstream.url}/signed",
        test={"method": "GET", "path": "/my%20bucket/?list-type=2&max-keys=1", "expect": [200]},
    )
    method = AuthMethodFactory(
        service=tested, kind="aws_sigv4", config={"service": service, "region": "{region}"}
    )
    right = upstream.secret_access_key
    values = {
        "access_key_id": upstream.access_key_id,
        "secret_access_key": right if secret == "right" else "wrong",
        "region": "eu-west-1",
    }

    report = testing.run(tested, method, values)

    assert report.ok is ok
