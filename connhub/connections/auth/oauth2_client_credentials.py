from collections.abc import Sequence

from connhub.services.addresses import fill_config
from connhub.services.models import AuthMethod

from .base import Field, Granted, TokenMethod, Values
from .oauth2 import Client


class OAuth2ClientCredentials(TokenMethod):
    """OAuth 2.0 for a client that acts for itself (RFC 6749 section 4.4)."""

    kind = "oauth2_client_credentials"
    label = "OAuth 2.0 client credentials"
    connects = revokes = has_scopes = True

    def fields(self, method: AuthMethod) -> tuple[Field, ...]:
        config = method.config
        asked = [Field("client_id", "Client id", help=config.get("help", ""))]
        if config.get("key_id"):
            asked.append(Field("key_id", "Key id"))
        if config.get("token_auth") == "private_key_jwt":
            asked.append(Field("client_secret", "Private key", kind="multiline", secret=True))
        elif config.get("token_auth") != "none":
            asked.append(Field("client_secret", "Client secret", secret=True))
        return tuple(asked)

    def connect(self, values: Values, method: AuthMethod, scopes: Sequence[str]) -> Granted:
        return _client(values, method).client_credentials(asked=list(scopes))

    def revoke(self, values: Values, method: AuthMethod) -> str:
        return _client(values, method).revoke({"access_token": values.get("access_token", "")})


def _client(values: Values, method: AuthMethod) -> Client:
    config = fill_config(method.config, values)
    return Client(
        config, values["client_id"], values.get("client_secret", ""), values.get("key_id", "")
    )
