"""A JWT signed with the person's key: exchanged for a token, or itself the token (RFC 7523)."""

import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import uuid4

from django.utils import timezone

from connhub.services.addresses import fill_config
from connhub.services.models import AuthMethod

from .assertions import sign
from .base import Field, Granted, TokenMethod, Values
from .oauth2 import Client


class JwtBearer(TokenMethod):
    """A signed JWT as authorization grant (RFC 7523 section 2.1), or as the token of each call."""

    kind = "jwt_bearer"
    label = "Signed JWT"
    connects = has_scopes = True

    def fields(self, method: AuthMethod) -> tuple[Field, ...]:
        config = method.config
        asked = []
        if "issuer_label" in config:
            asked.append(Field("issuer", config["issuer_label"]))
        if "subject_label" in config:
            required = config.get("subject_required", True)
            asked.append(Field("subject", config["subject_label"], required=required))
        if config.get("key_id"):
            asked.append(Field("key_id", "Key id"))
        label, text = config.get("key_label", "Private key"), config.get("help", "")
        asked.append(Field("private_key", label, help=text, kind="multiline", secret=True))
        return tuple(asked)

    def connect(self, values: Values, method: AuthMethod, scopes: Sequence[str]) -> Granted:
        config = fill_config(method.config, values)
        assertion = sign(
            _claims(config, values, scopes),
            values["private_key"],
            config["algorithm"],
            key_id=values.get("key_id", ""),
            encoding=config.get("key_encoding", "text"),
        )
        if config.get("exchange", True):
            return Client(config, "", "").exchange_assertion(assertion, asked=list(scopes))
        return Granted(
            secrets={"access_token": assertion},
            expires_at=timezone.now() + timedelta(seconds=config["lifetime_s"]),
            renewable=True,
        )


def _claims(config: dict[str, Any], values: Values, scopes: Sequence[str]) -> dict[str, Any]:
    now = int(time.time())
    audience = config.get("audience") or config.get("token_url", "")
    texts = {
        "iss": values.get("issuer", ""),
        "sub": values.get("subject", ""),
        "aud": audience,
        "scope": config.get("scope_delimiter", " ").join(scopes),
    } | config.get("claims", {})
    said = {name: text for name, text in texts.items() if text}
    return said | {"iat": now, "exp": now + config["lifetime_s"], "jti": str(uuid4())}
