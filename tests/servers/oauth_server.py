"""The tests' handle on the authorization server in `tests.servers.oauth`."""

import importlib.util
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from urllib.parse import urljoin

import requests

from tests.servers.forms import read_form
from tests.servers.process import (
    free_port,
    listens,
    python,
    running,
    temporary_folder,
    unavailable,
)

USER, OTHER_USER, PASSWORD = "grace", "linus", "correct horse battery staple"
TIMEOUT_S = 30

ClientAuth = Literal["client_secret_basic", "client_secret_post", "public"]
FaultKind = Literal["500", "slow", "malformed", "html", "429"]


@dataclass(frozen=True)
class Registered:
    """A client of the authorization server; unpacks as `client_id, client_secret`."""

    client_id: str
    client_secret: str

    def __iter__(self) -> Iterator[str]:
        return iter((self.client_id, self.client_secret))


@dataclass(frozen=True)
class TokenRequest:
    """One request to the token endpoint; `status` is None while it is not answered yet."""

    grant_type: str
    client_id: str
    client_auth: str
    status: int | None
    at: datetime


@dataclass(frozen=True)
class OAuthServer:
    """A running authorization server with PKCE, and rotating refresh tokens without grace.

    A refresh token used twice is refused and takes the whole grant with it.
    """

    port: int
    control_token: str
    user: str = USER
    other_user: str = OTHER_USER
    password: str = PASSWORD

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def authorize_url(self) -> str:
        return f"{self.base_url}/o/authorize/"

    @property
    def token_url(self) -> str:
        return f"{self.base_url}/o/token/"

    @property
    def revoke_url(self) -> str:
        return f"{self.base_url}/o/revoke_token/"

    @property
    def introspect_url(self) -> str:
        return f"{self.base_url}/o/introspect/"

    @property
    def issuer(self) -> str:
        """What the server says of itself as `iss` (RFC 9207) and in its metadata (RFC 8414)."""
        return f"{self.base_url}/o"

    @property
    def api_url(self) -> str:
        """Base of the protected API: `/me` and `/echo`, both for the scope `read`."""
        return f"{self.base_url}/api"

    def register(
        self,
        redirect_uri: str,
        *,
        name: str = "ConnHub",
        auth: ClientAuth = "client_secret_basic",
        grant: Literal["authorization-code", "client-credentials"] = "authorization-code",
        algorithm: Literal["", "RS256"] = "",
    ) -> Registered:
        """Register a client for one grant.

        The server takes a secret by header and by body alike; `TokenRequest.client_auth` tells
        which it was. The scope `openid` needs the algorithm RS256.
        """
        client_type = "public" if auth == "public" else "confidential"
        answer = self._control(
            "register",
            name=name,
            redirect_uri=redirect_uri,
            client_type=client_type,
            grant=grant,
            algorithm=algorithm,
        )
        return Registered(answer["client_id"], answer["client_secret"])

    def set_lifetime(self, seconds: int) -> None:
        """Access tokens issued from now on live this many seconds."""
        self._control("lifetime", seconds=seconds)

    def fail_next(
        self,
        kind: FaultKind,
        *,
        endpoint: Literal["token", "revoke", "api"] = "token",
        times: int = 1,
        seconds: float = 12.0,
    ) -> None:
        """Let the next requests to an endpoint go wrong; `seconds` is for `slow` alone.

        `slow` does what was asked and then holds the answer back; the others do nothing.
        """
        self._control("fail", kind=kind, endpoint=endpoint, times=times, seconds=seconds)

    def claim(self, *, tampered: bool = False, **claims: object) -> None:
        """Say this in every id_token from now on, under a broken signature if `tampered`."""
        self._control("claim", claims=claims, tampered=tampered)

    def revoke_all(self) -> None:
        """Forget every token and code, as if every user had withdrawn consent."""
        self._control("revoke-all")

    def reset(self) -> None:
        """No faults, an empty log and the usual lifetime of an hour; tokens and clients stay."""
        self._control("reset")

    @property
    def token_requests(self) -> list[TokenRequest]:
        """The requests to the token endpoint since the last reset, in order of arrival."""
        entries = self._control("token-requests")
        return [TokenRequest(**{**e, "at": datetime.fromisoformat(e["at"])}) for e in entries]

    def authorize(self, authorization_url: str, *, allow: bool = True, user: str = "") -> str:
        """Sign in and answer the consent page as a person would; the URL that leads back."""
        with requests.Session() as browser:
            page = self._visit(browser, "GET", authorization_url)
            who = {"username": user or self.user, "password": self.password}
            page = self._visit(browser, "POST", page.url, {**read_form(page.text), **who})
            if page.is_redirect:  # refused without asking
                return page.headers["Location"]
            decision = {"allow": "Authorize"} if allow else {}
            page = self._visit(browser, "POST", page.url, {**read_form(page.text), **decision})
        return page.headers["Location"]

    def _visit(
        self, browser: requests.Session, method: str, url: str, form: dict | None = None
    ) -> requests.Response:
        """The page that comes in the end, or the redirect that leads away from this server."""
        page = browser.request(method, url, data=form, timeout=TIMEOUT_S, allow_redirects=False)
        target = urljoin(url, page.headers.get("Location", ""))
        if page.is_redirect and target.startswith(self.base_url + "/"):
            return self._visit(browser, "GET", target)
        return page

    def _control(self, action: str, **arguments: object) -> Any:
        answer = requests.post(
            f"{self.base_url}/control/{action}",
            json=arguments,
            headers={"X-Control-Token": self.control_token},
            timeout=TIMEOUT_S,
        )
        answer.raise_for_status()
        return answer.json()


@contextmanager
def oauth() -> Iterator[OAuthServer]:
    """Run the authorization server, with an empty database, while the block lasts."""
    server = OAuthServer(port=free_port(), control_token=secrets.token_urlsafe(32))
    folder = temporary_folder("oauth")
    environment = {
        "DJANGO_SETTINGS_MODULE": "tests.servers.oauth.settings",
        "OAUTH_SERVER_CONTROL_TOKEN": server.control_token,
        "OAUTH_SERVER_DATABASE": str(folder / "oauth.sqlite3"),
        "OAUTH_SERVER_SECRET_KEY": secrets.token_urlsafe(32),
        "OAUTH_SERVER_USERS": f"{server.user},{server.other_user}",
        "OAUTH_SERVER_PASSWORD": server.password,
    }
    with running(
        python("tests.servers.oauth", server.port),
        folder=folder,
        env=environment,
        ready=lambda: listens(server.port),
    ):
        yield server


def require_oauth() -> None:
    """Skip, or in CI fail, where django-oauth-toolkit is missing."""
    if importlib.util.find_spec("oauth2_provider") is None:
        unavailable("django-oauth-toolkit is not installed.")
