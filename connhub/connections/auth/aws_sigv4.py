"""AWS Signature Version 4: every call is signed with the secret key, which is never sent."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple
from urllib.parse import parse_qsl, quote, unquote_to_bytes, urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from connhub.services.models import AuthMethod

from .base import Field, Injection, Method, Pairs, Values, filled

# At debug level it writes what is signed, a session token among it.
logging.getLogger("botocore.auth").setLevel(logging.INFO)


class Keys(NamedTuple):
    """What botocore wants to know of credentials."""

    access_key: str
    secret_key: str
    token: str | None


class AwsSigV4(Method):
    """An access key for Amazon's services (and S3-compatible ones)."""

    kind = "aws_sigv4"
    hands_out = ("access_key_id", "secret_access_key")
    label = "AWS Signature"

    def fields(self, method: AuthMethod) -> tuple[Field, ...]:
        return (
            Field("access_key_id", "Access key ID", help=method.config.get("help", "")),
            Field("secret_access_key", "Secret access key", secret=True),
            Field(
                "session_token",
                "Session token",
                help="Only for temporary credentials.",
                secret=True,
                required=False,
            ),
        )

    def added(self, method: AuthMethod) -> Sequence[str]:
        return ("an AWS signature of the whole call in the header Authorization",)

    def apply(self, values: Values, method: AuthMethod) -> Injection:
        token = values.get("session_token") or None
        secret_key = values["secret_access_key"]
        signer = Signer(
            Keys(values["access_key_id"], secret_key, token),
            filled(method.config["service"], values),
            filled(method.config["region"], values),
        )
        return Injection(sign=signer, secrets=(secret_key, token) if token else (secret_key,))


@dataclass(frozen=True, slots=True, repr=False)
class Signer:
    """Signs calls to one service in one region."""

    keys: Keys
    service: str
    region: str

    def __call__(self, method: str, url: str, headers: Pairs, body: bytes) -> Pairs:
        """The headers to set. Host, content type and x-amz-… are signed, and the body's hash."""
        parts = urlsplit(url)
        request = AWSRequest(
            method=method,
            url=parts._replace(query="").geturl(),
            params=parse_qsl(parts.query, keep_blank_values=True),
            headers=_signed(headers),
            data=body,
        )
        if self.service == "s3":
            request.headers["X-Amz-Content-SHA256"] = sha256(body).hexdigest()
        signing = S3Auth if self.service == "s3" else SigV4Auth
        signing(self.keys, self.service, self.region).add_auth(request)
        return [(name, str(value)) for name, value in request.headers.items()]


class S3Auth(SigV4Auth):
    """S3 decodes the path and encodes it once; other services encode it as it was sent."""

    def _normalize_url_path(self, path: str) -> str:
        return quote(unquote_to_bytes(path), safe="/")


def _signed(headers: Pairs) -> dict[str, str]:
    """Those that are signed; the values of one given twice are one list (RFC 9110, 5.3)."""
    found: dict[str, str] = {}
    for given, value in headers:
        name = given.lower()
        if name == "content-type" or name.startswith("x-amz-"):
            found[name] = f"{found[name]},{value}" if name in found else value
    return found
