"""OpenID Connect with one configured provider: authorization code with PKCE, checked id_token.

OpenID Connect Core 1.0 (3.1), Discovery 1.0 (4), RFC 7636, RFC 9207.
"""

import base64
import hmac
import secrets
import time
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from django.conf import settings
from django.urls import reverse
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from oauthlib.oauth2 import WebApplicationClient

from connhub.egress import guard
from connhub.egress.errors import AnswerTooLarge, BadAddress, Unreachable, Unsendable
from connhub.egress.http import GuardedSession
from connhub.vault.keyring import CantOpen, Place, digest, open_sealed, seal

KEY = "single_sign_on"
LASTS_S = 600
DEADLINE_S = 15.0
LEEWAY_S = 60
SCOPES = ("openid", "email", "profile")
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA")
PARAMETERS = {"code", "state", "iss", "error", "error_description", "error_uri", "session_state"}


class SignInFailed(Exception):
    """The provider's answer can't be trusted or used; `reason` is for the record."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def start(request, *, then: str, again: bool) -> str:
    """Where the browser goes; what the answer must fit is kept in the session for ten minutes.

    With `again` the provider is to ask the person anew, who is signed in here already, and to say
    when it did.

    Raises:
        SignInFailed: the provider can't be reached.
    """
    state, nonce = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    client = WebApplicationClient(settings.OIDC_CLIENT_ID)
    verifier = client.create_code_verifier(64)
    request.session[KEY] = {
        "state": digest(state),
        "nonce": nonce,
        "verifier": base64.b64encode(seal(verifier.encode(), _place(state))).decode(),
        "at": int(time.time()),
        "then": then,
        "again": again,
    }
    asked = {
        "response_type": "code",
        "client_id": settings.OIDC_CLIENT_ID,
        "redirect_uri": redirect_uri(),
        "scope": " ".join(SCOPES),
        "state": state,
        "nonce": nonce,
        "code_challenge": client.create_code_challenge(verifier, "S256"),
        "code_challenge_method": "S256",
    }
    if again:
        asked |= {"prompt": "login", "max_age": "0"}
    return _with_query(_endpoint("authorization_endpoint"), asked)


def finish(request) -> tuple[dict[str, Any], dict[str, Any]]:
    """The person's claims, checked, and what `start` kept, which is used up whatever comes of it.

    Raises:
        SignInFailed.
    """
    kept = request.session.pop(KEY, None)
    answer = _answer(request.GET, kept)
    discovered = _discovered()
    tokens = _tokens(discovered, answer["code"], answer["state"], kept["verifier"])
    claims = _checked(tokens.get("id_token"), discovered, kept)
    if "email" not in claims:
        claims = {**_userinfo(discovered, tokens, claims["sub"]), **claims}
    return claims, kept


def redirect_uri() -> str:
    return settings.CONNHUB_URL + reverse("accounts:sso_callback")


def _with_query(url: str, asked: dict[str, str]) -> str:
    """What is asked goes before what the provider's own address holds of the same name."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(query=urlencode(dict(parse_qsl(parts.query)) | asked)))


def _answer(query, kept: dict | None) -> dict[str, str]:
    if any(len(query.getlist(name)) > 1 for name in PARAMETERS):
        raise SignInFailed("repeated parameter")
    answer = query.dict()
    state = answer.get("state", "")
    if not kept or not hmac.compare_digest(kept["state"], digest(state)):
        raise SignInFailed("unknown state")
    if time.time() - kept["at"] > LASTS_S:
        raise SignInFailed("took too long")
    if answer.get("iss", settings.OIDC_ISSUER) != settings.OIDC_ISSUER:
        raise SignInFailed("another issuer")
    if "error" in answer or not answer.get("code"):
        raise SignInFailed("refused by the provider")
    return answer


def _discovered() -> dict[str, Any]:
    url = settings.OIDC_ISSUER.rstrip("/") + "/.well-known/openid-configuration"
    discovered = _json("GET", url)
    if discovered.get("issuer") != settings.OIDC_ISSUER:
        raise SignInFailed("discovery names another issuer")
    return discovered


def _endpoint(name: str) -> str:
    return _url(_discovered(), name)


def _url(discovered: dict[str, Any], name: str) -> str:
    url = discovered.get(name)
    if not isinstance(url, str):
        raise SignInFailed(f"discovery lacks {name}")
    try:
        guard.parse_url(url, ports=guard.ANY_PORT)
    except BadAddress:
        raise SignInFailed(f"discovery names an unusable {name}") from None
    return url


def _tokens(discovered: dict[str, Any], code: str, state: str, sealed: str) -> dict[str, Any]:
    try:
        verifier = open_sealed(base64.b64decode(sealed), _place(state)).decode()
    except CantOpen:
        raise SignInFailed("unknown state") from None
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri(),
        "code_verifier": verifier,
    }
    name, secret = settings.OIDC_CLIENT_ID, settings.OIDC_CLIENT_SECRET
    methods = discovered.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    if "client_secret_basic" in methods:  # RFC 6749, 2.3.1: both parts form-encoded
        credentials = {"auth": (quote(name, safe=""), quote(secret, safe=""))}
    else:
        credentials = {}
        form |= {"client_id": name, "client_secret": secret}
    return _json("POST", _url(discovered, "token_endpoint"), data=form, **credentials)


def _checked(id_token: Any, discovered: dict[str, Any], kept: dict) -> dict[str, Any]:
    """The claims of an id_token (OpenID Connect Core, 3.1.3.7)."""
    client_id = settings.OIDC_CLIENT_ID
    keys: Any = _json("GET", _url(discovered, "jwks_uri"))
    rules = jwt.JWTClaimsRegistry(
        leeway=LEEWAY_S,
        iss={"essential": True, "value": settings.OIDC_ISSUER},
        aud={"essential": True, "value": client_id},
        exp={"essential": True},
        iat={"essential": True},
        sub={"essential": True},
        nonce={"essential": True, "value": kept["nonce"]},
    )
    try:
        claims = jwt.decode(id_token, KeySet.import_key_set(keys), list(ALGORITHMS)).claims
        rules.validate(claims)
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise SignInFailed(f"id_token refused ({type(error).__name__})") from None
    for_several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
    if (for_several or "azp" in claims) and claims.get("azp") != client_id:
        raise SignInFailed("id_token is for somebody else")
    if kept["again"] and not _is_since(kept["at"], claims.get("auth_time")):
        raise SignInFailed("the provider did not ask again")
    if not isinstance(claims["sub"], str) or not 0 < len(claims["sub"]) <= 255:
        raise SignInFailed("unusable subject")
    return claims


def _is_since(moment_s: int, auth_time: Any) -> bool:
    """Whether the provider says that it asked the person after that; with `max_age` it must say."""
    is_number = isinstance(auth_time, int | float) and not isinstance(auth_time, bool)
    return is_number and moment_s - LEEWAY_S <= auth_time <= time.time() + LEEWAY_S


def _userinfo(discovered: dict[str, Any], tokens: dict[str, Any], subject: str) -> dict[str, Any]:
    """What some providers say only there; nothing, if it is about somebody else."""
    if "userinfo_endpoint" not in discovered or not isinstance(tokens.get("access_token"), str):
        return {}
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    found = _json("GET", _url(discovered, "userinfo_endpoint"), headers=headers)
    return found if found.get("sub") == subject else {}


def _json(method: str, url: str, **content: Any) -> dict[str, Any]:
    try:
        with GuardedSession(deadline=DEADLINE_S, ports=guard.ANY_PORT) as session:
            response = session.request(method, url, **content)
        answer = response.json() if response.status_code == 200 else None
    except (Unreachable, BadAddress, Unsendable, AnswerTooLarge):
        raise SignInFailed("the provider can't be reached") from None
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise SignInFailed("the provider answered with something else")
    return answer


def _place(state: str) -> Place:
    return Place("session", digest(state), "verifier", 1)
