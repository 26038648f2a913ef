"""One small call to a service with what an auth method adds, as its definition describes it."""

import json
from collections.abc import Mapping
from typing import Any

from requests import Response

from connhub.egress import guard
from connhub.egress.http import GuardedSession, signed

from .auth.base import Injection


def send(call: Mapping[str, Any], url: str, injection: Injection, *, deadline_s: float) -> Response:
    """The answer to the call (`method`, `headers`, `json` of a test); at most 1 MiB of it.

    Raises: Unreachable, Unsendable, AnswerTooLarge, BadAddress.
    """
    headers = {"Accept": "application/json", "User-Agent": "ConnHub"}
    body = b""
    if "json" in call:
        headers["Content-Type"] = "application/json"
        body = json.dumps(call["json"]).encode()
    headers |= dict(injection.defaults) | call.get("headers", {}) | dict(injection.headers)
    with GuardedSession(deadline=deadline_s, ports=guard.ANY_PORT, max_bytes=2**20) as session:
        return session.request(
            call.get("method", "GET"),
            url,
            headers=headers,
            params=injection.query,
            data=body or dict(injection.form) or None,
            auth=signed(injection.sign) if injection.sign else None,
        )
