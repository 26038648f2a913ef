"""The tests' handle on the authorization server in `tests.servers.assertions`."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import requests
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from tests.servers.process import free_port, listens, python, running, temporary_folder

USER = "grace"
TIMEOUT_S = 30

Algorithm = Literal["RS256", "ES256"]


@dataclass(frozen=True)
class Registered:
    """A client of the server; `private_key` is PEM, its public half is there."""

    client_id: str
    private_key: str


@dataclass(frozen=True)
class AssertionServer:
    """A running authorization server whose clients prove themselves with signed JWTs alone.

    A JWT counts once, and only if it is meant for this server and has not ended over 60 s ago.
    """

    port: int
    control_token: str

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def authorize_url(self) -> str:
        return f"{self.base_url}/authorize"

    @property
    def token_url(self) -> str:
        return f"{self.base_url}/token"

    @property
    def other_token_url(self) -> str:
        """Answers too, but nothing that names it as its audience is believed."""
        return f"{self.base_url}/elsewhere/token"

    @property
    def api_url(self) -> str:
        """Base of the protected API, which has `/me`."""
        return f"{self.base_url}/api"

    def register(self, redirect_uri: str = "", *, algorithm: Algorithm = "RS256") -> Registered:
        private, public = key_pair(algorithm)
        client_id = self._control("register", public_key=public, redirect_uri=redirect_uri)
        return Registered(client_id, private)

    def authorize(self, url: str) -> str:
        """Agree, as a person would; the URL that leads back."""
        answer = requests.get(url, timeout=TIMEOUT_S, allow_redirects=False)
        return answer.headers["Location"]

    @property
    def token_requests(self) -> list[dict[str, Any]]:
        """Path, form and status of each request to a token endpoint since the last reset."""
        return self._control("requests")

    def reset(self) -> None:
        """An empty log; clients and tokens stay."""
        self._control("reset")

    def _control(self, action: str, **arguments: object) -> Any:
        answer = requests.post(
            f"{self.base_url}/control/{action}",
            json=arguments,
            headers={"X-Control-Token": self.control_token},
            timeout=TIMEOUT_S,
        )
        answer.raise_for_status()
        return answer.json()


def key_pair(algorithm: Algorithm) -> tuple[str, str]:
    """A private key and its public half, both PEM."""
    key: Any = ec.generate_private_key(ec.SECP256R1())
    if algorithm == "RS256":
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()


@contextmanager
def assertions() -> Iterator[AssertionServer]:
    """Run the server while the block lasts."""
    server = AssertionServer(port=free_port(), control_token=secrets.token_urlsafe(32))
    with running(
        python("tests.servers.assertions", server.port),
        folder=temporary_folder("assertions"),
        env={"ASSERTIONS_CONTROL_TOKEN": server.control_token, "AUTHLIB_INSECURE_TRANSPORT": "1"},
        ready=lambda: listens(server.port),
    ):
        yield server
