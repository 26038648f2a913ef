"""One question to a provider, and what can be wrong with its answer."""

import re
from datetime import datetime, timedelta
from typing import Any, TypeGuard
from urllib.parse import urlsplit

from django.utils import timezone
from requests import Response

from connhub.egress import guard
from connhub.egress.http import (
    AnswerTooLarge,
    BadAddress,
    GuardedSession,
    Unreachable,
    Unsendable,
)

DEADLINE_S = 20
TOKEN_LIMIT = 16 * 1024
MAX_LIFETIME_S = 10 * 365 * 86400
SHORT_LIFETIME = timedelta(minutes=5)
NOT_ALLOWED = "Access was not allowed at {service}. Nothing was changed; you can try again."
PRINTABLE = re.compile(r"[\x20-\x7e]+")
ERROR_CODE = re.compile(r"[a-z_]{1,40}")


class ProviderError(Exception):
    """The provider did not give what was asked; the text is for people and holds no secret."""


class ProviderRefused(ProviderError):
    """A definite no, with OAuth's error code (RFC 6749 section 5.2)."""

    TEXTS = {
        "invalid_client": "{host} did not accept the client id and secret. Check both.",
        "unauthorized_client": "{host} doesn't allow this client to do that. Check its settings there.",
        "invalid_grant": "{host} no longer accepts this authorization.",
        "invalid_scope": "{host} doesn't know one of the scopes.",
        "redirect_uri_mismatch": "{host} doesn't know ConnHub's redirect URI. Add it there, exactly.",
    }

    def __init__(self, code: str, host: str):
        self.code = code
        super().__init__(
            self.TEXTS.get(code, "{host} refused ({code}).").format(host=host, code=code)
        )


class AnswerRefused(ProviderError):
    """What the person came back with is a no, or can't be believed. Nothing was asked for it."""


class ProviderUnavailable(ProviderError):
    """No usable answer this time: unreachable, too slow, rate-limited or broken. Try again later."""


class ProviderMalformed(ProviderError):
    """An answer that can't be used, however often one asks."""


def ask(
    url: str, *, verb: str = "POST", timeout_s: float | None = None, **content: Any
) -> Response:
    """One request of at most 20 s; redirects are not followed.

    Raises: ProviderUnavailable, ProviderMalformed.
    """
    try:
        with GuardedSession(deadline=timeout_s or DEADLINE_S) as session:
            return session.request(verb, url, **content)
    except (Unreachable, BadAddress, Unsendable) as error:
        raise ProviderUnavailable(f"{host_of(url)} could not be reached.") from error
    except AnswerTooLarge as error:
        raise ProviderMalformed(f"{host_of(url)} answered with far too much.") from error


def sign_in_host(url: str) -> str:
    """The host of the address that a person is sent to.

    Raises: ProviderMalformed, if it is no https URL nor excepted by the operator.
    """
    try:
        return guard.parse_url(url, ports=guard.ANY_PORT).host
    except BadAddress as error:
        raise ProviderMalformed(f"The service's sign-in address can't be used. {error}") from None


def require_available(answer: Response, url: str) -> None:
    """Raises: ProviderUnavailable, for an answer that says to come back later."""
    if answer.status_code == 429 or answer.status_code >= 500:
        raise ProviderUnavailable(
            f"{host_of(url)} is unavailable at the moment ({answer.status_code})."
        )


def expiry(given: Any) -> datetime | None:
    """When something ends that lives `given` seconds; None where nobody says."""
    if given is None or given == "":
        return None
    try:
        seconds = int(given)
    except (TypeError, ValueError, OverflowError):
        return timezone.now() + SHORT_LIFETIME
    sane = 0 < seconds <= MAX_LIFETIME_S
    return timezone.now() + (timedelta(seconds=seconds) if sane else SHORT_LIFETIME)


def is_token(value: Any) -> TypeGuard[str]:
    return isinstance(value, str) and len(value) <= TOKEN_LIMIT and bool(PRINTABLE.fullmatch(value))


def is_success(answer: Response) -> bool:
    """2xx; redirects of these endpoints are not followed."""
    return 200 <= answer.status_code < 300


def json_object(answer: Response) -> dict[str, Any] | None:
    try:
        body = answer.json()
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def at(body: Any, path: str) -> Any:
    """What stands at a dotted path of names and list positions in JSON; None if nothing does."""
    for step in path.split("."):
        if isinstance(body, list) and step.isdigit() and int(step) < len(body):
            body = body[int(step)]
        else:
            body = body.get(step) if isinstance(body, dict) else None
    return body


def host_of(url: str) -> str:
    return urlsplit(url).hostname or "The provider"
