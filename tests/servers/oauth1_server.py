"""The tests' handle on the OAuth 1.0a provider in `tests.servers.oauth1`."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.servers.forms import read_form
from tests.servers.process import free_port, listens, python, running, temporary_folder

USER, PASSWORD = "grace", "correct horse battery staple"
TIMEOUT_S = 30

Signing = Literal["HMAC-SHA1", "HMAC-SHA256", "RSA-SHA1"]


@dataclass(frozen=True)
class Registered:
    """A consumer of the provider; for RSA-SHA1 the secret is its private key."""

    client_id: str
    client_secret: str


@dataclass(frozen=True)
class OAuth1Server:
    """A running provider, which takes a nonce once and a registered callback alone."""

    port: int
    control_token: str
    user: str = USER
    password: str = PASSWORD

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def config(self) -> dict[str, str]:
        """Its addresses, as an auth method has them."""
        return {
            "request_token_url": f"{self.base_url}/initiate",
            "authorize_url": f"{self.base_url}/authorize",
            "access_token_url": f"{self.base_url}/token",
        }

    @property
    def api_url(self) -> str:
        return f"{self.base_url}/api"

    def register(
        self,
        callback: str,
        *,
        signing: Signing = "HMAC-SHA1",
        denial: Literal["error", "denied"] = "error",
        hashes_bodies: bool = False,
    ) -> Registered:
        """Register a consumer that signs in one way.

        By `denial` a no comes back as Authlib says it, `error` without the token, or as `denied`.
        """
        secret, public = secrets.token_urlsafe(24), ""
        if signing == "RSA-SHA1":
            secret, public = _key_pair()
        client_id = self._control(
            "register",
            secret="" if public else secret,
            public_key=public,
            callback=callback,
            signing=signing,
            denial=denial,
            hashes_bodies=hashes_bodies,
        )
        return Registered(client_id, secret)

    def issue(self, client_id: str) -> dict[str, str]:
        """A token that nobody had to authorize, as some services show it to their admins."""
        return self._control("issue", client_id=client_id)

    def forget_temporary(self) -> None:
        """As if every temporary credential had ended."""
        self._control("forget")

    @property
    def requests(self) -> list[dict[str, Any]]:
        """Path, status, realm and nonce of each signed request since the last reset."""
        return self._control("requests")

    def reset(self) -> None:
        """An empty log; consumers and tokens stay."""
        self._control("reset")

    def authorize(self, url: str, *, allow: bool = True) -> str:
        """Sign in and answer the consent page as a person would; the URL that leads back."""
        page = requests.get(url, timeout=TIMEOUT_S)
        page.raise_for_status()
        who = {"username": self.user, "password": self.password}
        decision = {"allow": "1"} if allow else {"deny": "1"}
        form = {**read_form(page.text), **who, **decision}
        answer = requests.post(
            f"{self.base_url}/authorize", data=form, timeout=TIMEOUT_S, allow_redirects=False
        )
        return answer.headers["Location"]

    def _control(self, action: str, **arguments: object) -> Any:
        answer = requests.post(
            f"{self.base_url}/control/{action}",
            json=arguments,
            headers={"X-Control-Token": self.control_token},
            timeout=TIMEOUT_S,
        )
        answer.raise_for_status()
        return answer.json()


def _key_pair() -> tuple[str, str]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return private.decode(), public.decode()


@contextmanager
def oauth1() -> Iterator[OAuth1Server]:
    """Run the provider while the block lasts."""
    server = OAuth1Server(port=free_port(), control_token=secrets.token_urlsafe(32))
    with running(
        python("tests.servers.oauth1", server.port),
        folder=temporary_folder("oauth1"),
        env={"OAUTH1_CONTROL_TOKEN": server.control_token, "AUTHLIB_INSECURE_TRANSPORT": "1"},
        ready=lambda: listens(server.port),
    ):
        yield server
