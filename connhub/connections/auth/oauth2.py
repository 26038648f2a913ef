"""What ConnHub says to OAuth 2.0 servers, and how it reads their answers (RFC 6749, 7009, 7636)."""

import re
import time
from base64 import b64encode
from typing import Any
from urllib.parse import quote_plus
from uuid import uuid4

from oauthlib.common import add_params_to_uri
from oauthlib.oauth2 import WebApplicationClient
from requests import Response

from . import identity
from .assertions import sign
from .base import Granted
from .provider import (
    ERROR_CODE,
    PRINTABLE,
    ProviderError,
    ProviderMalformed,
    ProviderRefused,
    ask,
    expiry,
    host_of,
    is_success,
    is_token,
    json_object,
    require_available,
    sign_in_host,
)

REVOKE_DEADLINE_S = 10
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
OWN_PARAMETERS = frozenset(
    [
        "client_id",
        "redirect_uri",
        "response_type",
        "scope",
        "state",
        "code_challenge",
        "code_challenge_method",
    ]
)


class Client:
    """One OAuth app's way of talking to one provider's endpoints.

    `config` is the auth method's, with its placeholders filled; `delimiter` joins scopes.
    """

    def __init__(
        self, config: dict[str, Any], client_id: str, client_secret: str, key_id: str = ""
    ):
        self.config, self.key_id = config, key_id
        self.client_id, self.client_secret = client_id, client_secret
        self.delimiter = config.get("scope_delimiter", " ")
        self.oauth = WebApplicationClient(client_id)

    def new_verifier(self) -> str:
        return self.oauth.create_code_verifier(64)

    def authorization_url(
        self, *, redirect_uri: str, scopes: list[str], state: str, verifier: str
    ) -> str:
        """Where the person goes; extra parameters never replace ConnHub's own.

        Raises: ProviderMalformed, if the address is no https URL nor excepted by the operator.
        """
        self.authorization_host()
        asked = {"response_type": "code", "client_id": self.client_id, "redirect_uri": redirect_uri}
        if scopes:
            asked["scope"] = self.delimiter.join(scopes)
        asked["state"] = state
        if self.config.get("pkce", True):
            asked["code_challenge"] = self.oauth.create_code_challenge(verifier, "S256")
            asked["code_challenge_method"] = "S256"
        extra = self.config.get("authorize_params", {})
        asked |= {name: value for name, value in extra.items() if name not in OWN_PARAMETERS}
        return add_params_to_uri(self.config["authorize_url"], list(asked.items()))

    def authorization_host(self) -> str:
        """The host that the person is sent to. Raises: ProviderMalformed."""
        return sign_in_host(self.config["authorize_url"])

    def exchange(self, code: str, *, redirect_uri: str, verifier: str, asked: list[str]) -> Granted:
        """The grant for a code (RFC 6749 section 4.1.3). Raises: ProviderError."""
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
        if self.config.get("pkce", True):
            form["code_verifier"] = verifier
        return self._granted(self._ask_for_token(self.config["token_url"], form), asked, {})

    def client_credentials(self, *, asked: list[str]) -> Granted:
        """A grant for the client itself (RFC 6749 section 4.4). Raises: ProviderError."""
        form = {"grant_type": self.config.get("grant_type", "client_credentials")}
        if asked:
            form["scope"] = self.delimiter.join(asked)
        granted = self._granted(self._ask_for_token(self.config["token_url"], form), asked, {})
        granted.secrets.pop("refresh_token", None)
        granted.renewable = True
        return granted

    def exchange_assertion(self, assertion: str, *, asked: list[str]) -> Granted:
        """A grant for a signed JWT (RFC 7523 section 2.1). Raises: ProviderError."""
        form = {"grant_type": JWT_BEARER, "assertion": assertion}
        if asked:
            form["scope"] = self.delimiter.join(asked)
        granted = self._granted(self._ask_for_token(self.config["token_url"], form), asked, {})
        granted.secrets.pop("refresh_token", None)
        granted.renewable = True
        return granted

    def refresh(self, secrets: dict[str, str], *, asked: list[str]) -> Granted:
        """A renewed grant (RFC 6749 section 6); the old refresh token stays if none comes."""
        form = {"grant_type": "refresh_token", "refresh_token": secrets["refresh_token"]}
        url = self.config.get("refresh_url") or self.config["token_url"]
        return self._granted(self._ask_for_token(url, form), asked, secrets)

    def revoke(self, secrets: dict[str, str]) -> str:
        """Ask the provider to revoke (RFC 7009); what it said, in a word. Raises nothing."""
        url = self.config.get("revoke_url")
        if not url:
            return "no revocation endpoint"
        token, hint = secrets.get("refresh_token"), "refresh_token"
        if not token:
            token, hint = secrets.get("access_token"), "access_token"
        if not token:
            return "nothing to revoke"
        try:
            answer = self._post(
                url, {"token": token, "token_type_hint": hint}, timeout_s=REVOKE_DEADLINE_S
            )
        except ProviderError:
            return "did not answer"
        return "revoked" if is_success(answer) else f"answered {answer.status_code}"

    def _ask_for_token(self, url: str, form: dict[str, str]) -> dict[str, Any]:
        form = form | {
            name: value
            for name, value in self.config.get("token_params", {}).items()
            if name not in form and name not in OWN_PARAMETERS
        }
        answer = self._post(url, form)
        require_available(answer, url)
        body = json_object(answer)
        if body is None:
            raise ProviderMalformed(f"{host_of(url)} answered with something that is not a token.")
        if not is_success(answer) or "error" in body:
            raise ProviderRefused(_error_code(body, answer.status_code), host_of(url))
        return body

    def _post(self, url: str, form: dict[str, str], *, timeout_s: float | None = None) -> Response:
        headers = {"Accept": "application/json"}
        style = self.config.get("token_auth", "client_secret_basic")
        if style == "client_secret_basic" and self.client_secret:
            # Form-encoded before Basic: RFC 6749 section 2.3.1.
            pair = f"{quote_plus(self.client_id)}:{quote_plus(self.client_secret)}"
            headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
        elif self.client_id:
            form = form | {"client_id": self.client_id}
            if style == "client_secret_post":
                form["client_secret"] = self.client_secret
            if style == "private_key_jwt":
                form |= {"client_assertion_type": ASSERTION, "client_assertion": self._assertion()}
        if self.config.get("token_format") == "json":
            return ask(url, timeout_s=timeout_s, headers=headers, json=form)
        return ask(url, timeout_s=timeout_s, headers=headers, data=form)

    def _assertion(self) -> str:
        """Who the client is, signed with its key, for a minute (RFC 7523 section 3)."""
        now = int(time.time())
        claims = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": self.config["token_url"],
            "iat": now,
            "exp": now + 60,
            "jti": str(uuid4()),
        }
        algorithm = self.config.get("algorithm", "RS256")
        return sign(claims, self.client_secret, algorithm, key_id=self.key_id)

    def _granted(self, body: dict[str, Any], asked: list[str], before: dict[str, str]) -> Granted:
        token, refresh_token = body.get("access_token"), body.get("refresh_token")
        if not is_token(token):
            raise ProviderMalformed("The provider's answer holds no usable access token.")
        token_type = str(body.get("token_type") or "bearer").lower()
        if token_type not in ("bearer", str(self.config.get("token_type")).lower()):
            raise ProviderMalformed(
                "The provider gave a token of a type that ConnHub doesn't know."
            )
        kept = {name: before[name] for name in before if name == "refresh_token"}
        given = {"refresh_token": refresh_token} if is_token(refresh_token) else {}
        secrets = {"access_token": token} | kept | given
        return Granted(
            secrets=secrets,
            expires_at=expiry(body.get("expires_in", self.config.get("expires_in_s"))),
            renewable="refresh_token" in secrets,
            scopes=self._scopes(body.get("scope"), asked),
            account=identity.in_answer(body, self.config, self.client_id),
        )

    def _scopes(self, given: Any, asked: list[str]) -> list[str]:
        if not isinstance(given, str) or not given:
            return list(asked)
        scopes = re.split(f"[ ,;{re.escape(self.delimiter)}]", given)
        return sorted({scope[:200] for scope in scopes if PRINTABLE.fullmatch(scope)})[:100]


def _error_code(body: dict[str, Any], status: int) -> str:
    code = body.get("error")
    return code if isinstance(code, str) and ERROR_CODE.fullmatch(code) else f"http_{status}"
