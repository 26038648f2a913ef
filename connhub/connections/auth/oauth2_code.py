import secrets
from collections.abc import Mapping, Sequence

from connhub.services.addresses import fill_config
from connhub.services.models import AuthMethod

from .base import Begun, Field, Granted, TokenMethod, Values
from .oauth2 import Client
from .provider import NOT_ALLOWED, AnswerRefused


class OAuth2Code(TokenMethod):
    """OAuth 2.0 authorization code with PKCE (RFC 6749 section 4.1, RFC 7636)."""

    kind = "oauth2_code"
    label = "OAuth 2.0"
    revokes = has_scopes = True
    state_names = ("state",)

    def is_interactive(self, method: AuthMethod) -> bool:
        return True

    def fields(self, method: AuthMethod) -> tuple[Field, ...]:
        return (Field("key_id", "Key id"),) if method.config.get("key_id") else ()

    def app_fields(self, method: AuthMethod) -> tuple[Field, ...]:
        style = method.config.get("token_auth")
        label, kind = "Client secret", "text"
        if style == "private_key_jwt":
            label, kind = "Private key", "multiline"
        secret = Field("client_secret", label, kind=kind, secret=True, required=style != "none")
        return Field("client_id", "Client id", help=method.config.get("help", "")), secret

    def sign_in_host(self, values: Values, method: AuthMethod) -> str:
        return _client(values, method).authorization_host()

    def begin(
        self, values: Values, method: AuthMethod, *, redirect_uri: str, scopes: Sequence[str]
    ) -> Begun:
        client = _client(values, method)
        state, verifier = secrets.token_urlsafe(32), client.new_verifier()
        url = client.authorization_url(
            redirect_uri=redirect_uri, scopes=list(scopes), state=state, verifier=verifier
        )
        return Begun(url, state, verifier)

    def complete(
        self,
        values: Values,
        method: AuthMethod,
        answer: Mapping[str, str],
        *,
        state: str,
        verifier: str,
        redirect_uri: str,
        scopes: Sequence[str],
    ) -> Granted:
        issuer = method.config.get("issuer")
        if "iss" in answer and issuer and answer["iss"] != issuer:  # RFC 9207 section 2.4
            raise AnswerRefused("The answer came from another provider. Start again.")
        if "error" in answer:
            raise AnswerRefused(_denied(answer["error"]).format(service=method.service))
        if not answer.get("code"):
            raise AnswerRefused(f"{method.service} sent no code back. Start again.")
        return _client(values, method).exchange(
            answer["code"], redirect_uri=redirect_uri, verifier=verifier, asked=list(scopes)
        )

    def renew(self, values: Values, method: AuthMethod, scopes: Sequence[str]) -> Granted:
        return _client(values, method).refresh(dict(values), asked=list(scopes))

    def revoke(self, values: Values, method: AuthMethod) -> str:
        return _client(values, method).revoke(dict(values))


def _client(values: Values, method: AuthMethod) -> Client:
    config = fill_config(method.config, values)
    return Client(config, values["client_id"], values["client_secret"], values.get("key_id", ""))


def _denied(code: str) -> str:
    """What the provider's error (RFC 6749 section 4.1.2.1) means, in our words."""
    if code == "access_denied":
        return NOT_ALLOWED
    known = {
        "invalid_scope": "doesn't know one of the scopes",
        "server_error": "had an error",
        "temporarily_unavailable": "is busy",
        "unauthorized_client": "doesn't allow this client to ask",
    }
    return f"{{service}} {known.get(code, 'refused')}. Nothing was changed."
