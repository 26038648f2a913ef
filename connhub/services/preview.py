"""Shows the requests that a service's definition leads to, with placeholders for secrets."""

from typing import Any
from urllib.parse import quote_plus

from .forms import ServiceForm

UNKNOWN = "…"


def preview(form: ServiceForm) -> list[tuple[str, str]]:
    """Pairs of what a request is for and its text; what isn't filled in yet stands as an ellipsis."""
    form.is_valid()
    shown = [("Each call", _call(form))]
    if form.kind == "oauth2_code":
        shown.insert(0, ("Where people sign in", _authorization(form.cleaned_data)))
    if form.kind.startswith("oauth2"):
        shown.append(("Token request", _token_request(form.kind, form.cleaned_data)))
    if form.kind == "oauth1" and form.cleaned_data.get("request_token_url"):
        shown = [*_three_legs(form.cleaned_data), *shown]
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
        signature = _signature(cleaned, {"oauth_token": secret("token")})
        return [("header", "Authorization", signature)]
    if form.kind == "basic":
        names = [cleaned.get(name) or UNKNOWN for name in ("username_label", "password_label")]
        return [("header", "Authorization", f"Basic {secret(':'.join(names))}")]
    token = cleaned.get("token_label") or "access token"
    return [("header", "Authorization", f"Bearer {secret(token)}")]


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
    asked = {"grant_type": "client_credentials"}
    if kind == "oauth2_code":
        asked = {"grant_type": "authorization_code", "code": UNKNOWN}
        asked |= {"code_verifier": UNKNOWN} if cleaned.get("pkce") else {}
    elif scope := _scope(cleaned):
        asked["scope"] = scope
    lines = [f"POST {cleaned.get('token_url') or UNKNOWN}"]
    if cleaned.get("token_auth") == "client_secret_basic":
        lines.append(f"Authorization: Basic {secret('client id:client secret')}")
    else:
        asked["client_id"] = secret("client id")
    if cleaned.get("token_auth") == "client_secret_post":
        asked["client_secret"] = secret("client secret")
    asked |= cleaned.get("token_params") or {}
    return "\n".join([*lines, "", _encoded(asked)])


def _three_legs(cleaned: dict[str, Any]) -> list[tuple[str, str]]:
    """The way to a token of OAuth 1.0a (RFC 5849 section 2)."""
    temporary = {"oauth_token": secret("temporary token")}
    asked = temporary | (cleaned.get("authorize_params") or {})
    first = f"POST {cleaned['request_token_url']}\nAuthorization: "
    last = f"POST {cleaned.get('access_token_url') or UNKNOWN}\nAuthorization: "
    return [
        ("Temporary credentials", first + _signature(cleaned, {"oauth_callback": UNKNOWN})),
        (
            "Where people sign in",
            f"GET {cleaned.get('authorize_url') or UNKNOWN}?{_encoded(asked)}",
        ),
        (
            "Token request",
            last + _signature(cleaned, temporary | {"oauth_verifier": UNKNOWN}),
        ),
    ]


def _signature(cleaned: dict[str, Any], more: dict[str, str]) -> str:
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


def _encoded(asked: dict[str, str]) -> str:
    """Like `urlencode`, but what stands for something else stays readable."""
    return "&".join(
        f"{quote_plus(name)}={value if value[:1] in ('‹', UNKNOWN) else quote_plus(value)}"
        for name, value in asked.items()
    )
