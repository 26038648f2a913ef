"""An authorization server that believes signed JWTs (RFC 7523), of which Authlib does the protocol.

`python -m tests.servers.assertions PORT` serves it. Clients have no secret: they prove themselves
with a key, and are granted tokens for assertions, for themselves, or for codes with PKCE.
"""

import asyncio
import hmac
import json
import os
import secrets
import sys
import time
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import (
    AuthorizationCodeMixin,
    AuthorizationServer,
    ClientMixin,
    InvalidGrantError,
    OAuth2Request,
    grants,
)
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from authlib.oauth2.rfc6750 import BearerTokenGenerator
from authlib.oauth2.rfc7523 import JWTBearerClientAssertion, JWTBearerGrant
from authlib.oauth2.rfc7636 import CodeChallenge
from joserfc.jwk import ECKey, RSAKey

from tests.servers.assertion_server import USER

BY_KEY = JWTBearerClientAssertion.CLIENT_AUTH_METHOD
SCOPES = ["read", "write"]
routes = web.RouteTableDef()


@dataclass
class App(ClientMixin):
    client_id: str
    public_key: str
    redirect_uri: str

    @property
    def key(self) -> RSAKey | ECKey:
        """Believed for the one algorithm of its kind that is strong enough."""
        pem, is_rsa = self.public_key.encode(), len(self.public_key) > 300
        kind, algorithm = (RSAKey, "RS256") if is_rsa else (ECKey, "ES256")
        return kind.import_key(pem, {"alg": algorithm, "use": "sig"})

    def get_client_id(self) -> str:
        return self.client_id

    def get_default_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_allowed_scope(self, scope: str | None) -> str:
        return " ".join(name for name in (scope or "").split() if name in SCOPES)

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri == self.redirect_uri

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method == BY_KEY

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return True


@dataclass
class Code(AuthorizationCodeMixin):
    client_id: str
    redirect_uri: str
    scope: str
    code_challenge: str | None
    code_challenge_method: str | None

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.scope


@dataclass
class Store:
    apps: dict[str, App] = field(default_factory=dict)
    codes: dict[str, Code] = field(default_factory=dict)
    tokens: dict[str, dict[str, Any]] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    requests: list[dict[str, Any]] = field(default_factory=list)
    audiences: list[str] = field(default_factory=list)

    def take(self, jti: str) -> bool:
        """Whether it is new."""
        is_new = jti not in self.used
        self.used.add(jti)
        return is_new


store = Store()


class Sent(OAuth2Request):
    """A request as Authlib reads it."""

    def __init__(self, request: web.Request, values: dict[str, str]):
        super().__init__(request.method, str(request.url), headers=request.headers)
        self.payload, self.values = BasicOAuth2Payload(values), values

    @property
    def args(self) -> dict[str, str]:
        return self.values

    form = args


class Server(AuthorizationServer):
    def query_client(self, client_id: str) -> App | None:
        return store.apps.get(client_id)

    def save_token(self, token: dict[str, Any], request: Sent) -> None:
        store.tokens[token["access_token"]] = token | {
            "client_id": request.client.client_id,
            "ends_at": time.time() + token["expires_in"],
        }

    def create_oauth2_request(self, request: Sent) -> Sent:
        return request

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Nobody listens."""

    def handle_response(self, status: int, payload: Any, headers: list) -> web.Response:
        text = json.dumps(payload) if isinstance(payload, dict) else payload
        return web.Response(status=status, text=text, headers=dict(headers))


class ClientAssertion(JWTBearerClientAssertion):
    def get_audiences(self) -> list[str]:
        return store.audiences

    def resolve_client_public_key(self, client: App) -> RSAKey | ECKey:
        return client.key

    def validate_jti(self, claims: Any, jti: str) -> bool:
        return store.take(jti)


class AssertionGrant(JWTBearerGrant):
    def resolve_issuer_client(self, issuer: str) -> App | None:
        return store.apps.get(issuer)

    def resolve_client_public_key(self, client: App) -> RSAKey | ECKey:
        return client.key

    def authenticate_user(self, subject: str) -> str | None:
        return subject if subject == USER else None

    def has_granted_permission(self, client: App, user: str) -> bool:
        return True

    def get_audiences(self) -> list[str]:
        return store.audiences

    def verify_claims(self, claims: Any) -> None:
        super().verify_claims(claims)
        if not store.take(claims.get("jti", "")):
            raise InvalidGrantError(description="JWT ID is used before.")


class ClientCredentials(grants.ClientCredentialsGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = [BY_KEY]


class CodeGrant(grants.AuthorizationCodeGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = [BY_KEY]

    def save_authorization_code(self, code: str, request: Sent) -> None:
        asked = request.values
        store.codes[code] = Code(
            request.client.client_id,
            asked["redirect_uri"],
            request.scope,
            asked.get("code_challenge"),
            asked.get("code_challenge_method"),
        )

    def query_authorization_code(self, code: str, client: App) -> Code | None:
        found = store.codes.get(code)
        return found if found and found.client_id == client.client_id else None

    def delete_authorization_code(self, authorization_code: Code) -> None:
        store.codes = {c: kept for c, kept in store.codes.items() if kept is not authorization_code}

    def authenticate_user(self, authorization_code: Code) -> str:
        return USER


class Refresh(grants.RefreshTokenGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = [BY_KEY]
    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, refresh_token: str) -> Any:
        issued = store.tokens.values()
        found = next((t for t in issued if t.get("refresh_token") == refresh_token), None)
        return Issued(found) if found else None

    def authenticate_user(self, refresh_token: Any) -> str:
        return USER

    def revoke_old_credential(self, refresh_token: Any) -> None:
        refresh_token.token.pop("refresh_token")


@dataclass
class Issued:
    """A token as the refreshing of it asks."""

    token: dict[str, Any]

    def check_client(self, client: App) -> bool:
        return self.token["client_id"] == client.client_id

    def get_scope(self) -> str:
        return self.token.get("scope", "")


server = Server(SCOPES)
server.register_token_generator(
    "default",
    BearerTokenGenerator(
        access_token_generator=lambda **_: secrets.token_urlsafe(24),
        refresh_token_generator=lambda **_: secrets.token_urlsafe(24),
    ),
)
server.register_client_auth_method(BY_KEY, ClientAssertion())
for grant in (AssertionGrant, ClientCredentials, Refresh):
    server.register_grant(grant)
server.register_grant(CodeGrant, [CodeChallenge(required=True)])


@routes.get("/authorize")
async def authorize(request: web.Request) -> web.Response:
    """Grants at once: the person has agreed long ago."""
    sent = Sent(request, dict(request.query))
    try:
        grant = server.get_consent_grant(sent, USER)
    except OAuth2Error as error:
        return server.handle_error_response(sent, error)
    return server.create_authorization_response(sent, USER, grant=grant)


@routes.post("/token")
@routes.post("/elsewhere/token")
async def token(request: web.Request) -> web.Response:
    form = {name: str(value) for name, value in (await request.post()).items()}
    answer = server.create_token_response(Sent(request, form))
    store.requests.append({"path": request.path, "form": form, "status": answer.status})
    return answer


@routes.get("/api/me")
async def me(request: web.Request) -> web.Response:
    shown = request.headers.get("Authorization", "").removeprefix("Bearer ")
    found = store.tokens.get(shown)
    if found is None or found["ends_at"] < time.time():
        return web.Response(status=401)
    return web.json_response({"client_id": found["client_id"], "scope": found.get("scope", "")})


@routes.post("/control/{action}")
async def control(request: web.Request) -> web.Response:
    given = request.headers.get("X-Control-Token", "")
    if not hmac.compare_digest(given, os.environ["ASSERTIONS_CONTROL_TOKEN"]):
        return web.Response(status=403)
    arguments = await request.json()
    return web.json_response(ACTIONS[request.match_info["action"]](**arguments))


def _register(**app: str) -> str:
    client_id = secrets.token_urlsafe(12)
    store.apps[client_id] = App(client_id, **app)
    return client_id


ACTIONS: dict[str, Any] = {
    "register": _register,
    "requests": lambda: store.requests,
    "reset": lambda: store.requests.clear(),
}


async def serve(port: int) -> None:
    """Serve on loopback until the process ends."""
    base = f"http://127.0.0.1:{port}"
    store.audiences = [base, f"{base}/token"]
    application = web.Application()
    application.add_routes(routes)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
