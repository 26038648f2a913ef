"""Signing in with a request of its own, whose answer holds a token for the calls."""

from base64 import b64encode
from collections.abc import Sequence
from typing import Any

from requests import Response

from connhub.services.addresses import fill
from connhub.services.models import AuthMethod

from .base import Field, Granted, TokenMethod, Values, declared, filled
from .provider import (
    ProviderMalformed,
    ProviderRefused,
    ask,
    at,
    expiry,
    host_of,
    is_success,
    is_token,
    require_available,
)


class SignInRefused(ProviderRefused):
    """A definite no to what was typed (`invalid_grant`), or no session token in the answer."""

    TEXTS = {
        "invalid_grant": "{host} did not accept the sign-in. Check what you entered.",
        "no_token": "{host} answered without a session token. Check what you entered.",
    }


class TwoStep(TokenMethod):
    """A sign-in request first; the session token from its answer goes into every call."""

    kind = "two_step"
    label = "Sign-in request"
    connects = True

    def fields(self, method: AuthMethod) -> tuple[Field, ...]:
        specs = [{"secret": True} | field for field in method.config["fields"]]
        return declared(specs)

    def connect(self, values: Values, method: AuthMethod, scopes: Sequence[str]) -> Granted:
        login = method.config["login"]
        url = fill(login["url"], values)
        body = _body(url, _sign_in(login, url, values))
        token = at(body, login["token_path"])
        if not is_token(token):
            raise SignInRefused("no_token", host_of(url))
        path = login.get("expires_in_path")
        lives_s = at(body, path) if path else None
        return Granted(
            secrets={"access_token": token},
            expires_at=expiry(login.get("expires_in_s") if lives_s is None else lives_s),
            renewable=True,
        )


def _sign_in(login: dict[str, Any], url: str, values: Values) -> Response:
    fields = {name: filled(text, values) for name, text in login["body"].items()}
    headers = {"Accept": "application/json"}
    content: dict[str, Any] = {}
    if login["format"] == "basic":
        pair = f"{fields['username']}:{fields['password']}"
        headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
    else:
        content["json" if login["format"] == "json" else "data"] = fields
    return ask(url, verb=login.get("method", "POST"), headers=headers, **content)


def _body(url: str, answer: Response) -> Any:
    require_available(answer, url)
    if not is_success(answer):
        refused = answer.status_code in (401, 403)
        code = "invalid_grant" if refused else f"http_{answer.status_code}"
        raise SignInRefused(code, host_of(url))
    try:
        return answer.json()
    except (ValueError, RecursionError):
        raise ProviderMalformed(
            f"{host_of(url)} answered with something that is not JSON."
        ) from None
