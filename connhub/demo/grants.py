"""The protocol: oauthlib's server classes over the ledger.

Authorization code with PKCE S256 (RFC 6749, 7636), refresh with rotation, revocation (RFC 7009).
A refresh token or a code used twice ends its grant (RFC 9700, 2.2.2 and RFC 6749, 4.1.2).
"""

import base64
import binascii
import hmac
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote_plus

from oauthlib.common import Request
from oauthlib.oauth2 import InvalidRequestError, RequestValidator, WebApplicationServer

from connhub.demo.ledger import Code, Ledger, Token

ACCESS_TOKEN_LIFETIME = timedelta(minutes=10)

SCOPES = {
    "profile.read": "See your name and e-mail address",
    "contacts.read": "See your contacts",
    "contacts.write": "Add contacts in your name",
    "orders.read": "See your orders",
}


@dataclass(frozen=True)
class Client:
    """The one application that may ask."""

    client_id: str
    secret: str = field(repr=False)
    redirect_uris: tuple[str, ...]


def authorization_server(client: Client, ledger: Ledger) -> WebApplicationServer:
    """oauthlib's server for this client; access tokens live 10 minutes."""
    lifetime_s = int(ACCESS_TOKEN_LIFETIME.total_seconds())
    server = WebApplicationServer(LedgerValidator(client, ledger), token_expires_in=lifetime_s)
    server.auth_grant.custom_validators.post_auth.append(_require_s256)
    return server


def _require_s256(request: Request) -> dict:
    if request.code_challenge_method != "S256":
        raise InvalidRequestError("Use the code challenge method S256.", request=request)
    return {}


class LedgerValidator(RequestValidator):
    """Answers oauthlib's questions from the ledger; its caller holds the ledger's lock."""

    def __init__(self, client: Client, ledger: Ledger) -> None:
        super().__init__()
        self.client = client
        self.ledger = ledger

    def authenticate_client(self, request, *args, **kwargs) -> bool:
        given_id, given_secret = _basic(request) or (request.client_id, request.client_secret)
        known = _same(given_id, self.client.client_id) and _same(given_secret, self.client.secret)
        if known:
            request.client, request.client_id = self.client, self.client.client_id
        return known

    def authenticate_client_id(self, client_id, request, *args, **kwargs) -> bool:
        return False  # the client has a secret and must show it

    def validate_client_id(self, client_id, request, *args, **kwargs) -> bool:
        request.client = self.client
        return client_id == self.client.client_id

    def validate_redirect_uri(self, client_id, redirect_uri, request, *args, **kwargs) -> bool:
        return redirect_uri in self.client.redirect_uris

    def get_default_redirect_uri(self, client_id, request, *args, **kwargs) -> str | None:
        return self.client.redirect_uris[0] if len(self.client.redirect_uris) == 1 else None

    def validate_response_type(self, client_id, response_type, client, request, *args, **kwargs):
        return response_type == "code"

    def validate_grant_type(self, client_id, grant_type, client, request, *args, **kwargs) -> bool:
        return grant_type in ("authorization_code", "refresh_token")

    def validate_scopes(self, client_id, scopes, client, request, *args, **kwargs) -> bool:
        return set(scopes) <= SCOPES.keys()

    def get_default_scopes(self, client_id, request, *args, **kwargs) -> list[str]:
        return ["profile.read"]

    def is_pkce_required(self, client_id, request) -> bool:
        return True

    def save_authorization_code(self, client_id, code, request, *args, **kwargs) -> None:
        self.ledger.add_code(
            code["code"],
            Code(
                client_id=client_id,
                redirect_uri=request.redirect_uri,
                person=request.user,
                scopes=request.scopes,
                challenge=request.code_challenge,
                challenge_method=request.code_challenge_method,
            ),
        )

    def validate_code(self, client_id, code, client, request, *args, **kwargs) -> bool:
        found = self.ledger.code(code)
        if found is None or found.client_id != client.client_id:
            return False
        if found.grant_id:
            self.ledger.drop_grant(found.grant_id)
            return False
        request.user, request.scopes, request.found_code = found.person, found.scopes, found
        return True

    def get_code_challenge(self, code, request) -> str:
        return request.found_code.challenge

    def get_code_challenge_method(self, code, request) -> str:
        return request.found_code.challenge_method

    def confirm_redirect_uri(self, client_id, code, redirect_uri, client, request, *args, **kwargs):
        return redirect_uri == request.found_code.redirect_uri

    def invalidate_authorization_code(self, client_id, code, request, *args, **kwargs) -> None:
        request.found_code.grant_id = request.grant_id

    def save_bearer_token(self, token, request, *args, **kwargs) -> None:
        if request.grant_type == "refresh_token":
            grant = request.found_grant
        else:
            grant = self.ledger.add_grant(request.client_id, request.user, request.scopes)
        request.grant_id = grant.id
        self.ledger.add_tokens(
            grant,
            access=token["access_token"],
            refresh=token["refresh_token"],
            expires_in=ACCESS_TOKEN_LIFETIME,
            spends=request.refresh_token,
        )

    def validate_refresh_token(self, refresh_token, client, request, *args, **kwargs) -> bool:
        token = self._token_of(client, refresh_token)
        if token is None or not token.is_refresh_token:
            return False
        if token.spent:
            self.ledger.drop_grant(token.grant_id)
            return False
        request.found_grant = self.ledger.grant_of(token)
        request.user = request.found_grant.person
        return True

    def get_original_scopes(self, refresh_token, request, *args, **kwargs) -> list[str]:
        return request.found_grant.scopes

    def revoke_token(self, token, token_type_hint, request, *args, **kwargs) -> None:
        found = self._token_of(request.client, token)
        if found is None:
            return  # RFC 7009, 2.2: not an error
        if found.is_refresh_token:
            self.ledger.drop_grant(found.grant_id)
        else:
            self.ledger.drop_token(token)

    def validate_bearer_token(self, token, scopes, request) -> bool:
        found = self.ledger.token(token) if token else None
        if found is None or not found.opens_the_api(datetime.now(UTC)):
            request.denial = "invalid_token"
            return False
        grant = self.ledger.grant_of(found)
        request.user, request.denial = grant.person, "insufficient_scope"
        return set(scopes) <= set(grant.scopes)

    def _token_of(self, client: Client, secret: str) -> Token | None:
        token = self.ledger.token(secret)
        if token and self.ledger.grant_of(token).client_id == client.client_id:
            return token
        return None


def _basic(request: Request) -> tuple[str, str] | None:
    """Client id and secret from the Authorization header, each form-decoded (RFC 6749, 2.3.1)."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        client_id, _, secret = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return unquote_plus(client_id), unquote_plus(secret)


def _same(given: str | None, known: str) -> bool:
    return hmac.compare_digest((given or "").encode(), known.encode())
