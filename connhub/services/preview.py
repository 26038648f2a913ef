"""Shows the requests that a service's definition leads to, with placeholders for secrets."""

import json
from typing import Any
from urllib.parse import quote_plus

from .forms import ServiceForm
from .row_forms import RowsForm
from .token_forms import placed

UNKNOWN = "…"
UNQUOTED = str.maketrans("", "", "‹›")
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
GRANTS = {
    "oauth2_code": {"grant_type": "authorization_code", "code": UNKNOWN},
    "oauth2_client_credentials": {"grant_type": "client_credentials"},
    "jwt_bearer": {"grant_type": JWT_BEARER, "assertion": "‹JWT›"},
}


def preview(form: ServiceForm) -> list[tuple[str, str]]:
    """Pairs of what a request is for and its text; what isn't filled in yet stands as an ellipsis."""
    form.is_valid()
    cleaned = form.cleaned_data
    shown = [("Each call", _call(form))]
    if form.kind == "oauth2_code":
        shown.insert(0, ("Where people sign in", _authorization(cleaned)))
    if form.kind.startswith("oauth2"):
        shown.append(("Token request", _token_request(form.kind, cleaned)))
    if form.kind == "oauth1" and cleaned.get("request_token_url"):
        shown = [*_three_legs(cleaned), *shown]
    if form.kind == "two_step" and isinstance(form, RowsForm):
        shown.insert(0, ("Sign-in request", _login(form)))
    if form.kind == "jwt_bearer":
        shown.insert(0, ("The JWT", _jwt(cleaned)))
        if cleaned.get("use") != "itself":
            shown.append(("Token request", _token_request(form.kind, cleaned)))
    return shown


def secret(name: str) -> str:
    """What stands for a secret."""
    return f"‹{name}›"


def _call(form: ServiceForm) -> str:
    cleaned = form.cleaned_data
    url = (cleaned.get("base_url") or UNKNOWN) + (cleaned.get("test_path") or "/")
    places: dict[str, list[tuple[str, str]]] = {"header": [], "query": [], "form": []}
    for place, name, value in _added(form):
        places[place].append((name, value))
    if places["query"]:
        url += ("&" if "?" in url else "?") + _joined(places["query"])
    lines = [f"{cleaned.get('test_method') or 'GET'} {url}"]
    lines += [f"{name}: {value}" for name, value in (cleaned.get("headers") or {}).items()]
    lines += [f"{name}: {value}" for name, value in places["header"]]
    if places["form"]:
        lines += ["Content-Type: application/x-www-form-urlencoded", "", _joined(places["form"])]
    return "\n".join(lines)


def _joined(pairs: list[tuple[str, str]]) -> str:
    return "&".join(f"{name}={value}" for name, value in pairs)


def _added(form: ServiceForm) -> list[tuple[str, str, str]]:
    """Place, name and value of everything that the auth method adds to a call."""
    cleaned = form.cleaned_data
    if form.kind == "none":
        return []
    if form.kind == "api_key":
        keys: list[dict[str, Any]] = form.config()["keys"]
        return [(key["in"], key["name"], key["prefix"] + secret(key["label"])) for key in keys]
    if form.kind == "oauth1":
        signature = _oauth1(cleaned, {"oauth_token": secret("token")})
        return [("header", "Authorization", signature)]
    if form.kind == "basic":
        names = [cleaned.get(name) or UNKNOWN for name in ("username_label", "password_label")]
        return [("header", "Authorization", f"Basic {secret(':'.join(names))}")]
    if form.kind == "bearer":
        token = cleaned.get("token_label") or "token"
        return [("header", "Authorization", f"Bearer {secret(token)}")]
    if form.kind == "aws_sigv4":
        return [("header", "X-Amz-Date", UNKNOWN), ("header", "Authorization", _signature(cleaned))]
    token = "JWT" if cleaned.get("use") == "itself" else "access token"
    place = placed(cleaned)
    return [(place["in"], place["name"], place["prefix"] + secret(token))]


def _signature(cleaned: dict[str, Any]) -> str:
    region, service = cleaned.get("region") or UNKNOWN, cleaned.get("service") or UNKNOWN
    scope = f"{secret('access key ID')}/{UNKNOWN}/{region}/{service}/aws4_request"
    return f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders={UNKNOWN}, Signature={UNKNOWN}"


def _authorization(cleaned: dict[str, Any]) -> str:
    asked = {"response_type": "code", "client_id": secret("client id"), "redirect_uri": UNKNOWN}
    if scope := _scope(cleaned):
        asked["scope"] = scope
    asked["state"] = UNKNOWN
    if cleaned.get("pkce"):
        asked |= {"code_challenge": UNKNOWN, "code_challenge_method": "S256"}
    asked |= cleaned.get("authorize_params") or {}
    url = cleaned.get("authorize_url") or UNKNOWN
    return f"GET {url}?{_encoded(asked)}"


def _token_request(kind: str, cleaned: dict[str, Any]) -> str:
    asked = dict(GRANTS[kind])
    if kind == "oauth2_code":
        asked |= {"redirect_uri": UNKNOWN} | (
            {"code_verifier": UNKNOWN} if cleaned.get("pkce") else {}
        )
    elif scope := _scope(cleaned):
        asked["scope"] = scope
    lines = [f"POST {cleaned.get('token_url') or UNKNOWN}"]
    asked |= cleaned.get("token_params") or {}
    proof = "" if kind == "jwt_bearer" else cleaned.get("token_auth") or ""
    if proof == "client_secret_basic":
        lines.append(f"Authorization: Basic {secret('client id:client secret')}")
    elif proof:
        asked["client_id"] = secret("client id")
    if proof == "client_secret_post":
        asked["client_secret"] = secret("client secret")
    if proof == "private_key_jwt":
        asked |= {"client_assertion_type": ASSERTION, "client_assertion": secret("signed JWT")}
    return "\n".join([*lines, *_body(asked, is_json=cleaned.get("token_format") == "json")])


def _login(form: RowsForm) -> str:
    """The sign-in request of a two-step login, its fields as they are called."""
    cleaned = form.cleaned_data
    names = {
        form.value(n, "name"): form.value(n, "label") or form.value(n, "name") for n in form.filled
    }
    body = cleaned.get("login_body") or {name: f"{{{name}}}" for name in names}
    for name, label in names.items():
        body = {key: text.replace(f"{{{name}}}", secret(label)) for key, text in body.items()}
    lines = [f"{cleaned.get('login_method') or 'POST'} {cleaned.get('login_url') or UNKNOWN}"]
    shape = cleaned.get("login_format")
    if shape == "basic":
        pair = f"{body.get('username', UNKNOWN)}:{body.get('password', UNKNOWN)}"
        return "\n".join([*lines, f"Authorization: Basic {secret(pair.translate(UNQUOTED))}"])
    return "\n".join([*lines, *_body(body, is_json=shape == "json")])


def _jwt(cleaned: dict[str, Any]) -> str:
    header = {"alg": cleaned.get("algorithm") or UNKNOWN, "typ": "JWT"}
    if cleaned.get("key_id"):
        header["kid"] = secret("key id")
    claims = {
        "iss": secret(cleaned["issuer_label"]) if cleaned.get("issuer_label") else "",
        "sub": secret(cleaned["subject_label"]) if cleaned.get("subject_label") else "",
        "aud": cleaned.get("audience") or cleaned.get("token_url") or "",
        "scope": _scope(cleaned),
    } | (cleaned.get("claims") or {})
    said = {name: text for name, text in claims.items() if text}
    said |= {"iat": UNKNOWN, "exp": f"iat + {cleaned.get('lifetime_s') or UNKNOWN}", "jti": UNKNOWN}
    return f"{_json(header)}\n{_json(said)}"


def _three_legs(cleaned: dict[str, Any]) -> list[tuple[str, str]]:
    """The way to a token of OAuth 1.0a (RFC 5849 section 2)."""
    temporary = {"oauth_token": secret("temporary token")}
    asked = temporary | (cleaned.get("authorize_params") or {})
    first = f"POST {cleaned['request_token_url']}\nAuthorization: "
    last = f"POST {cleaned.get('access_token_url') or UNKNOWN}\nAuthorization: "
    return [
        ("Temporary credentials", first + _oauth1(cleaned, {"oauth_callback": UNKNOWN})),
        (
            "Where people sign in",
            f"GET {cleaned.get('authorize_url') or UNKNOWN}?{_encoded(asked)}",
        ),
        (
            "Token request",
            last + _oauth1(cleaned, temporary | {"oauth_verifier": UNKNOWN}),
        ),
    ]


def _oauth1(cleaned: dict[str, Any], more: dict[str, str]) -> str:
    realm = {"realm": cleaned["realm"]} if cleaned.get("realm") else {}
    pairs = {
        **realm,
        "oauth_consumer_key": secret("consumer key"),
        **more,
        "oauth_signature_method": cleaned.get("signature_method") or UNKNOWN,
        "oauth_timestamp": UNKNOWN,
        "oauth_nonce": UNKNOWN,
        "oauth_version": "1.0",
        "oauth_signature": UNKNOWN,
    }
    return "OAuth " + ", ".join(f'{name}="{value}"' for name, value in pairs.items())


def _scope(cleaned: dict[str, Any]) -> str:
    delimiter = cleaned.get("scope_delimiter") or "space"
    names = [scope["name"] for scope in cleaned.get("scopes") or [] if scope["default"]]
    return (" " if delimiter == "space" else delimiter).join(names)


def _body(asked: dict[str, str], *, is_json: bool) -> list[str]:
    if is_json:
        return ["Content-Type: application/json", "", _json(asked)]
    return ["Content-Type: application/x-www-form-urlencoded", "", _encoded(asked)]


def _json(asked: dict[str, str]) -> str:
    return json.dumps(asked, ensure_ascii=False, indent=2)


def _encoded(asked: dict[str, str]) -> str:
    """Like `urlencode`, but what stands for something else stays readable."""
    return "&".join(
        f"{quote_plus(name)}={value if value[:1] in ('‹', UNKNOWN) else quote_plus(value)}"
        for name, value in asked.items()
    )
