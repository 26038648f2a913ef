"""JWTs signed for services, read as the service would: with the public key, by its rules."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

from connhub.connections.auth import METHODS
from connhub.connections.auth.oauth2 import Client
from connhub.connections.auth.provider import ProviderMalformed, ProviderRefused
from connhub.services.models import AuthMethod
from tests.conftest import CANARY

pytestmark = pytest.mark.django_db
HEX_SECRET = "0f" * 32


def pair(private):
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return pem, public


RSA_PEM, RSA_PUBLIC = pair(rsa.generate_private_key(65537, 2048))
EC_PEM, EC_PUBLIC = pair(ec.generate_private_key(ec.SECP256R1()))


def verified(token, key, algorithm):
    read = jwt.decode(token, key, algorithms=[algorithm])
    jwt.JWTClaimsRegistry(exp={"essential": True}).validate(read.claims)
    return read


def connect(values, scopes=(), **config):
    method = AuthMethod(
        kind="jwt_bearer", config={"algorithm": "RS256", "lifetime_s": 300} | config
    )
    return METHODS["jwt_bearer"].connect(values, method, scopes)


@pytest.mark.parametrize(
    ("algorithm", "given", "key"),
    [
        ("RS256", RSA_PEM, RSAKey.import_key(RSA_PUBLIC)),
        ("PS256", RSA_PEM, RSAKey.import_key(RSA_PUBLIC)),
        ("RS256", RSA_PEM.replace("\n", "\\n"), RSAKey.import_key(RSA_PUBLIC)),
        ("ES256", EC_PEM, ECKey.import_key(EC_PUBLIC)),
        ("HS256", HEX_SECRET, OctKey.import_key(bytes.fromhex(HEX_SECRET))),
    ],
)
def test_signed_jwt_is_itself_the_token(algorithm, given, key):
    values = {"issuer": "i", "subject": "s", "key_id": "k1", "tenant": "t", "private_key": given}

    granted = connect(
        values,
        exchange=False,
        algorithm=algorithm,
        audience="/{tenant}/",
        claims={"bid": "{tenant}-1"},
        key_encoding="hex" if algorithm == "HS256" else "text",
    )

    read = verified(granted.secrets["access_token"], key, algorithm)
    claims = {name: read.claims[name] for name in ("iss", "sub", "aud", "bid")}
    assert claims == {"iss": "i", "sub": "s", "aud": "/t/", "bid": "t-1"}
    assert read.claims["exp"] - read.claims["iat"] == 300
    assert (read.header["kid"], granted.renewable) == ("k1", True)
    assert abs(granted.expires_at.timestamp() - read.claims["exp"]) < 5


@pytest.mark.parametrize(("algorithm", "key"), [("RS256", CANARY), ("ES256", RSA_PEM)])
def test_key_that_cannot_sign_is_named_without_being_shown(algorithm, key):
    with pytest.raises(ProviderMalformed) as failure:
        connect({"private_key": key}, exchange=False, algorithm=algorithm)

    said = f"The key can't be used to sign with {algorithm}. Enter it whole, as you got it."
    assert str(failure.value) == said


def test_jwt_is_exchanged_for_a_token(token_endpoint):
    token_endpoint.body |= {"expires_in": 600, "scope": "read"}
    values = {"issuer": "robot@acme.example", "private_key": RSA_PEM}

    granted = connect(values, ["read", "write"], token_url=token_endpoint.url)

    (asked,) = token_endpoint.asked
    read = verified(asked.form["assertion"], RSAKey.import_key(RSA_PUBLIC), "RS256")
    assert asked.form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    assert asked.form.keys() == {"grant_type", "assertion", "scope"}
    assert (read.claims["aud"], read.claims["scope"]) == (token_endpoint.url, "read write")
    assert (granted.secrets, granted.scopes) == ({"access_token": "t0ken"}, ["read"])


def test_refused_jwt_is_a_definite_no(token_endpoint):
    token_endpoint.status, token_endpoint.body = 400, {"error": "invalid_grant"}

    with pytest.raises(ProviderRefused) as failure:
        connect({"private_key": RSA_PEM}, token_url=token_endpoint.url)

    assert failure.value.code == "invalid_grant"


def test_client_proves_itself_with_its_key(token_endpoint):
    config = {"token_url": token_endpoint.url, "token_auth": "private_key_jwt"}
    client = Client(config | {"algorithm": "ES256"}, "robot", EC_PEM, "k1")

    client.client_credentials(asked=[])

    (asked,) = token_endpoint.asked
    read = verified(asked.form["client_assertion"], ECKey.import_key(EC_PUBLIC), "ES256")
    assert {name: read.claims[name] for name in ("iss", "sub", "aud")} == {
        "iss": "robot",
        "sub": "robot",
        "aud": token_endpoint.url,
    }
    assert read.header["kid"] == "k1"
    assert "client_secret" not in asked.form and "Authorization" not in asked.headers
