"""An OAuth 1.0a provider and its API, of which Authlib does the protocol and the signatures.

`python -m tests.servers.oauth1 PORT` serves it. Everything below `/api` is protected.
"""

import asyncio
import hashlib
import hmac
import os
import secrets
import sys
from base64 import b64encode
from dataclasses import dataclass, field
from html import escape
from typing import Any
from urllib.parse import urlencode

from aiohttp import hdrs, web
from authlib.oauth1.errors import InvalidRequestError, InvalidSignatureError, OAuth1Error
from authlib.oauth1.rfc5849.authorization_server import AuthorizationServer
from authlib.oauth1.rfc5849.base_server import BaseServer
from authlib.oauth1.rfc5849.models import ClientMixin, TemporaryCredential
from authlib.oauth1.rfc5849.resource_protector import ResourceProtector
from authlib.oauth1.rfc5849.signature import generate_signature_base_string
from authlib.oauth1.rfc5849.util import escape as percent_encoded
from authlib.oauth1.rfc5849.wrapper import OAuth1Request

from tests.servers.oauth1_server import PASSWORD, USER

FORM = "application/x-www-form-urlencoded"


@dataclass
class Consumer(ClientMixin):
    client_id: str
    secret: str
    public_key: str
    callback: str
    signing: str
    denial: str
    hashes_bodies: bool

    def get_default_redirect_uri(self) -> str:
        return self.callback

    def get_client_secret(self) -> str:
        return self.secret

    def get_rsa_public_key(self) -> str:
        return self.public_key


@dataclass
class Store:
    consumers: dict[str, Consumer] = field(default_factory=dict)
    temporary: dict[str, TemporaryCredential] = field(default_factory=dict)
    tokens: dict[str, TemporaryCredential] = field(default_factory=dict)
    nonces: set[tuple] = field(default_factory=set)
    requests: list[dict] = field(default_factory=list)

    def new(self, client_id: str, **more: str) -> TemporaryCredential:
        return TemporaryCredential(
            oauth_token=secrets.token_urlsafe(18),
            oauth_token_secret=secrets.token_urlsafe(24),
            client_id=client_id,
            **more,
        )


store = Store()


def _verify_hmac_sha256(request: OAuth1Request) -> bool:
    key = f"{percent_encoded(request.client_secret)}&{percent_encoded(request.token_secret or '')}"
    text = generate_signature_base_string(request)
    mac = hmac.new(key.encode(), text.encode(), hashlib.sha256).digest()
    return hmac.compare_digest(b64encode(mac).decode(), request.signature)


BaseServer.register_signature_method("HMAC-SHA256", _verify_hmac_sha256)


class Rules:
    """What both halves of the provider ask of a signed request, over what Authlib asks."""

    SUPPORTED_SIGNATURE_METHODS = ("HMAC-SHA1", "HMAC-SHA256", "RSA-SHA1")

    def get_client_by_id(self, client_id: str) -> Consumer | None:
        return store.consumers.get(client_id)

    def exists_nonce(self, nonce: str, request: OAuth1Request) -> bool:
        used = (nonce, request.timestamp, request.client_id, request.token)
        is_known = used in store.nonces
        store.nonces.add(used)
        return is_known

    def validate_oauth_signature(self, request: OAuth1Request) -> None:
        if request.signature_method != request.client.signing:
            raise InvalidSignatureError
        super().validate_oauth_signature(request)  # type: ignore[misc]


class Provider(Rules, AuthorizationServer):
    def create_oauth1_request(self, request: OAuth1Request) -> OAuth1Request:
        return request

    def handle_response(self, status_code: int, payload: Any, headers: list) -> web.Response:
        text = payload if isinstance(payload, str) else urlencode(payload)
        return web.Response(status=status_code, text=text, headers=dict(headers))

    def validate_temporary_credentials_request(self, request: OAuth1Request) -> OAuth1Request:
        super().validate_temporary_credentials_request(request)
        if request.redirect_uri != request.client.callback:
            raise InvalidRequestError("This callback is not registered.")
        return request

    def create_temporary_credential(self, request: OAuth1Request) -> TemporaryCredential:
        made = store.new(request.client_id, oauth_callback=request.redirect_uri)
        store.temporary[made["oauth_token"]] = made
        return made

    def get_temporary_credential(self, request: OAuth1Request) -> TemporaryCredential | None:
        return store.temporary.get(request.token)

    def delete_temporary_credential(self, request: OAuth1Request) -> None:
        store.temporary.pop(request.token, None)

    def create_authorization_verifier(self, request: OAuth1Request) -> str:
        request.credential["oauth_verifier"] = secrets.token_urlsafe(12)
        return request.credential["oauth_verifier"]

    def create_token_credential(self, request: OAuth1Request) -> TemporaryCredential:
        made = store.new(request.client_id)
        store.tokens[made["oauth_token"]] = made
        return made


class Protector(Rules, ResourceProtector):
    def get_token_credential(self, request: OAuth1Request) -> TemporaryCredential | None:
        found = store.tokens.get(request.token)
        return found if found and found["client_id"] == request.client_id else None


provider, protector = Provider(), Protector()
routes = web.RouteTableDef()


async def _as_signed(request: web.Request) -> tuple[str, str, str | None, dict[str, str]]:
    """Method, address, form and headers, as they arrived."""
    uri = f"http://{request.headers[hdrs.HOST]}{request.raw_path}"
    body = await request.text() if request.content_type == FORM else None
    return request.method, uri, body, dict(request.headers)


def _note(request: web.Request, signed: OAuth1Request, status: int) -> None:
    nonce = signed.oauth_params.get("oauth_nonce")
    store.requests.append(
        {"path": request.path, "status": status, "realm": signed.realm, "nonce": nonce}
    )


@routes.post("/initiate")
async def initiate(request: web.Request) -> web.Response:
    signed = OAuth1Request(*await _as_signed(request))
    answer = provider.create_temporary_credentials_response(signed)
    _note(request, signed, answer.status)
    return answer


@routes.get("/authorize")
async def consent(request: web.Request) -> web.Response:
    """Asks who it is and whether they allow it, all in one page."""
    token = request.query.get("oauth_token", "")
    if token not in store.temporary:
        return web.Response(status=400, text="No such request.")
    return web.Response(
        content_type="text/html",
        text=f"""<!doctype html><html lang="en"><title>Allow?</title>
        <link rel="icon" href="data:,"><h1>Allow ConnHub in?</h1>
        <form method="post" action="/authorize"><input type="hidden" name="oauth_token" value="{escape(token)}">
        <label>User <input name="username"></label>
        <label>Password <input name="password" type="password"></label>
        <button name="allow" value="1">Allow</button><button name="deny" value="1">Deny</button>
        </form></html>""",
    )


@routes.post("/authorize")
async def decide(request: web.Request) -> web.Response:
    form = await request.post()
    if (form.get("username"), form.get("password")) != (USER, PASSWORD):
        return web.Response(status=403, text="Who are you?")
    temporary = store.temporary.get(str(form.get("oauth_token")))
    if temporary is None:
        return web.Response(status=400, text="No such request.")
    consumer = store.consumers[temporary["client_id"]]
    if "allow" not in form and consumer.denial == "denied":
        place = f"{consumer.callback}?{urlencode({'denied': temporary['oauth_token']})}"
        return web.Response(status=302, headers={hdrs.LOCATION: place})
    return provider.create_authorization_response(
        OAuth1Request(*await _as_signed(request)), USER if "allow" in form else None
    )


@routes.post("/token")
async def token(request: web.Request) -> web.Response:
    signed = OAuth1Request(*await _as_signed(request))
    answer = provider.create_token_response(signed)
    _note(request, signed, answer.status)
    return answer


@routes.route("*", "/api")
@routes.route("*", "/api/{below:.*}")
async def api(request: web.Request) -> web.Response:
    """What arrived, for those whose signature of it is right."""
    try:
        method, uri, form, headers = await _as_signed(request)
        signed = protector.validate_request(method, uri, form, headers)
        body = await request.read()
        if signed.client.hashes_bodies and form is None:
            _require_hash(signed, body)
    except OAuth1Error as error:
        return web.json_response(dict(error.get_body()), status=error.status_code)
    _note(request, signed, 200)
    said = {"user": USER, "query": signed.query_params, "form": signed.body_params}
    return web.json_response(
        said | {"realm": signed.realm, "body": body.decode(), "signing": signed.signature_method}
    )


def _require_hash(signed: OAuth1Request, body: bytes) -> None:
    function = "sha256" if signed.signature_method == "HMAC-SHA256" else "sha1"
    expected = b64encode(hashlib.new(function, body).digest()).decode()
    if signed.oauth_params.get("oauth_body_hash") != expected:
        raise InvalidSignatureError


# --- The tests' side door -------------------------------------------------------------------------


@routes.post("/control/{action}")
async def control(request: web.Request) -> web.Response:
    given = request.headers.get("X-Control-Token", "")
    if not hmac.compare_digest(given, os.environ["OAUTH1_CONTROL_TOKEN"]):
        return web.Response(status=403)
    arguments = await request.json()
    return web.json_response(ACTIONS[request.match_info["action"]](**arguments))


def _register(**consumer: Any) -> str:
    client_id = secrets.token_urlsafe(12)
    store.consumers[client_id] = Consumer(client_id, **consumer)
    return client_id


def _issue(client_id: str) -> dict[str, str]:
    made = store.new(client_id)
    store.tokens[made["oauth_token"]] = made
    return {name: made[name] for name in ("oauth_token", "oauth_token_secret")}


ACTIONS: dict[str, Any] = {
    "register": _register,
    "issue": _issue,
    "forget": lambda: store.temporary.clear(),
    "requests": lambda: store.requests,
    "reset": lambda: store.requests.clear(),
}


async def serve(port: int) -> None:
    """Serve on loopback until the process ends."""
    application = web.Application()
    application.add_routes(routes)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
