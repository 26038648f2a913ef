from collections.abc import Sequence

from connhub.services.addresses import fill_config
from connhub.services.models import AuthMethod

from .base import Field, Granted, TokenMethod, Values
from .oauth2 import Client


class OAuth2Code(TokenMethod):
    """OAuth 2.0 authorization code with PKCE (RFC 6749 section 4.1, RFC 7636)."""

    kind = "oauth2_code"
    label = "OAuth 2.0"
    interactive = revokes = has_scopes = True

    def fields(self, method: AuthMethod) -> tuple[Field, ...]:
        return (Field("key_id", "Key id"),) if method.config.get("key_id") else ()

    def renew(self, values: Values, method: AuthMethod, scopes: Sequence[str]) -> Granted:
        return _client(values, method).refresh(dict(values), asked=list(scopes))

    def revoke(self, values: Values, method: AuthMethod) -> str:
        return _client(values, method).revoke(dict(values))


def _client(values: Values, method: AuthMethod) -> Client:
    config = fill_config(method.config, values)
    return Client(config, values["client_id"], values["client_secret"], values.get("key_id", ""))
