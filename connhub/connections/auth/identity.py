"""Whose account a token is for: a name to show and to compare, never a proof of anything."""

import json
from base64 import urlsafe_b64decode
from typing import Any

from .provider import at

LONGEST = 200  # characters
CLAIMS = ("email", "preferred_username", "sub")


def in_answer(body: dict[str, Any], config: dict[str, Any], client_id: str) -> str:
    """The account that a token endpoint's answer names; "" if it names none."""
    claims = _claims(body.get("id_token"), config.get("issuer"), client_id)
    named = [as_name(claims.get(name)) for name in CLAIMS]
    if "account_field" in config:
        named.append(as_name(at(body, config["account_field"])))
    return next(filter(None, named), "")


def as_name(value: Any) -> str:
    """The value, if it can be an account's name or number; else ""."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    is_name = isinstance(value, str) and len(value) <= LONGEST and value.isprintable()
    return value.strip() if is_name else ""


def _claims(id_token: Any, issuer: str | None, client_id: str) -> dict[str, Any]:
    """Those of an ID token for this client; none if it is for another or can't be read.

    It came straight from the token endpoint, so that TLS stands for its signature (OpenID Connect
    Core section 3.1.3.7, 6).
    """
    try:
        _, payload, _ = id_token.split(".")
        claims = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (AttributeError, ValueError, RecursionError):
        return {}
    if not isinstance(claims, dict) or (issuer and claims.get("iss") != issuer):
        return {}
    audience = claims.get("aud")
    meant = audience if isinstance(audience, list) else [audience]
    return claims if client_id in meant else {}
