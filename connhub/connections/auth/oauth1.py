"""OAuth 1.0a (RFC 5849): every call is signed with secrets that are never sent."""

import logging
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha1, sha256
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from oauthlib import oauth1
from oauthlib.common import add_params_to_uri
from requests import Response

from connhub.egress.http import signed
from connhub.errors import Refusal
from connhub.services.addresses import fill_config
from connhub.services.models import AuthMethod
from connhub.vault.rsa import NotAnRSAKey, sha1_signer

from .base import Begun, Field, Granted, Injection, Method, Pairs, Values, filled
from .provider import (
    ERROR_CODE,
    NOT_ALLOWED,
    AnswerRefused,
    ProviderMalformed,
    ProviderRefused,
    ask,
    expiry,
    host_of,
    is_success,
    is_token,
    require_available,
    sign_in_host,
)

# At debug level it writes what is signed, tokens among it.
logging.getLogger("oauthlib.oauth1").setLevel(logging.INFO)

FORM = "application/x-www-form-urlencoded"
DEFAULT, RSA, PLAINTEXT = "HMAC-SHA1", "RSA-SHA1", "PLAINTEXT"
# Query and form are decoded and sorted for the signature; that must not take long.
MOST_PARAMETERS = 1000


class Unsignable(Refusal):
    code = "cannot-be-signed"
    text = (
        "The query or the form of this call can't be signed. Encode it as UTF-8, with at most "
        "1,000 parameters, none of which begins with oauth_."
    )
    status = 400


class PlaintextNeedsHTTPS(Refusal):
    code = "plaintext-needs-https"
    text = "This connection sends its secrets with every call, which is only done over https."


class SignatureRefused(ProviderRefused):
    """A definite no; the code is ours, or of the OAuth problem reporting extension."""

    CONSUMER = (
        "{host} did not accept the consumer key and secret. Check both, and that it knows "
        "ConnHub's redirect URI."
    )
    GRANT = "{host} no longer accepts this authorization. Start again."
    TEXTS = {
        "consumer_refused": CONSUMER,
        "consumer_key_unknown": CONSUMER,
        "consumer_key_rejected": CONSUMER,
        "consumer_key_refused": CONSUMER,
        "signature_invalid": CONSUMER,
        "grant_refused": GRANT,
        "token_expired": GRANT,
        "token_rejected": GRANT,
        "token_revoked": GRANT,
        "token_used": GRANT,
        "verifier_invalid": GRANT,
        "permission_denied": GRANT,
        "timestamp_refused": "{host} finds ConnHub's clock wrong. Ask who runs ConnHub to set it.",
    }


class OAuth1(Method):
    """OAuth 1.0a, by three legs: temporary credentials, the person's consent, the token.

    Without a `request_token_url` nobody is sent anywhere: the service shows token and token secret
    to its admins, and the connection's form asks for them.
    """

    kind = "oauth1"
    hands_out = ("oauth_token", "oauth_token_secret", "signature_method")
    label = "OAuth 1.0a"
    signs_with_app = True
    state_names = ("oauth_token", "denied")
    denies_unnamed = True

    def is_interactive(self, method: AuthMethod) -> bool:
        return bool(method.config.get("request_token_url"))

    def app_fields(self, method: AuthMethod) -> tuple[Field, ...]:
        label, kind = "Consumer secret", "text"
        if method.config.get("signature_method") == RSA:
            label, kind = "Private key", "multiline"
        return (
            Field("client_id", "Consumer key", help=method.config.get("help", "")),
            Field("client_secret", label, kind=kind, secret=True),
        )

    def fields(self, method: AuthMethod) -> tuple[Field, ...]:
        if self.is_interactive(method):
            return ()
        return (
            *self.app_fields(method),
            Field("oauth_token", "Token", secret=True),
            Field("oauth_token_secret", "Token secret", secret=True),
        )

    def sign_in_host(self, values: Values, method: AuthMethod) -> str:
        return sign_in_host(fill_config(method.config, values)["authorize_url"])

    def begin(
        self, values: Values, method: AuthMethod, *, redirect_uri: str, scopes: Sequence[str]
    ) -> Begun:
        """Get temporary credentials (RFC 5849 section 2.1); their identifier is the state."""
        config = fill_config(method.config, values)
        signer = Signer.of(config, values, callback_uri=redirect_uri)
        url = config["request_token_url"]
        given = _credentials(url, signer, refused="consumer_refused")
        if given.get("oauth_callback_confirmed", "").lower() != "true":
            raise ProviderMalformed(
                f"{host_of(url)} did not confirm where to send people back. It may not know "
                "OAuth 1.0a, or not ConnHub's redirect URI."
            )
        token = given["oauth_token"]
        extra = config.get("authorize_params", {}).items()
        asked = [(name, value) for name, value in extra if not name.startswith("oauth_")]
        place = add_params_to_uri(config["authorize_url"], [("oauth_token", token), *asked])
        return Begun(place, token, given["oauth_token_secret"])

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
        """Exchange the temporary credentials for the token's (RFC 5849 section 2.3).

        Providers have many ways to say no; all of them leave the verifier out, or it says so.
        """
        proof = answer.get("oauth_verifier")
        if answer.get("oauth_token") != state or not is_token(proof) or proof == "denied":
            raise AnswerRefused(NOT_ALLOWED.format(service=method.service))
        config = fill_config(method.config, values)
        temporary = {"oauth_token": state, "oauth_token_secret": verifier}
        signer = Signer.of(config, {**values, **temporary}, verifier=proof)
        given = _credentials(config["access_token_url"], signer, refused="grant_refused")
        names = ("oauth_token", "oauth_token_secret")
        return Granted(
            secrets={name: given[name] for name in names},
            expires_at=expiry(config.get("expires_in_s")),
        )

    def apply(self, values: Values, method: AuthMethod) -> Injection:
        names = ("client_secret", "oauth_token", "oauth_token_secret")
        secrets = tuple(values[name] for name in names)
        return Injection(
            sign=Signer.of(method.config, values), secrets=tuple(filter(None, secrets))
        )

    def added(self, method: AuthMethod) -> Sequence[str]:
        return ("an OAuth 1.0a signature in the header Authorization",)

    def usable(self, values: Values, method: AuthMethod) -> dict[str, str]:
        """All that it takes to sign; an OAuth app's secret is missing if others share the app."""
        known = {
            "consumer_key": values.get("client_id"),
            "consumer_secret": values.get("client_secret"),
            "oauth_token": values["oauth_token"],
            "oauth_token_secret": values["oauth_token_secret"],
            "signature_method": method.config.get("signature_method") or DEFAULT,
            "realm": filled(method.config.get("realm") or "", values),
        }
        return {name: value for name, value in known.items() if value}


class Client(oauth1.Client):
    """oauthlib's, with an RSA key that was read before, and with the hash of a body."""

    SIGNATURE_METHODS = oauth1.Client.SIGNATURE_METHODS | {
        RSA: lambda text, client: b64encode(client.rsa_key(text.encode())).decode()
    }

    def __init__(self, *, body_hash: str, **options: Any) -> None:
        super().__init__(**options)
        self.body_hash = body_hash

    def get_oauth_params(self, request: Any) -> list[tuple[str, str]]:
        hashed = [("oauth_body_hash", self.body_hash)] if self.body_hash else []
        return [*super().get_oauth_params(request), *hashed]


@dataclass(frozen=True, slots=True, repr=False)
class Signer:
    """Signs requests with one set of credentials; `options` are oauthlib's."""

    signature_method: str
    hashes_bodies: bool
    options: dict[str, Any]

    @classmethod
    def of(cls, config: Mapping[str, Any], values: Values, **more: str) -> "Signer":
        """With the values of a connection; `more` are further options.

        Raises: ProviderMalformed, if the private key can't be used; KeyError.
        """
        signature_method = config.get("signature_method") or DEFAULT
        options: dict[str, Any] = {
            "client_key": values["client_id"],
            "client_secret": values["client_secret"],
            "resource_owner_key": values.get("oauth_token"),
            "resource_owner_secret": values.get("oauth_token_secret"),
            "signature_method": signature_method,
            "realm": _quoted(filled(config.get("realm") or "", values)),
            **more,
        }
        if signature_method == RSA:
            options["rsa_key"] = _rsa_key(values["client_secret"])
        return cls(signature_method, bool(config.get("body_hash")), options)

    def __call__(self, verb: str, url: str, headers: Pairs, body: bytes) -> Pairs:
        """The Authorization header for a request (RFC 5849 section 3.5.1).

        Raises: Unsignable, PlaintextNeedsHTTPS.
        """
        parts = urlsplit(url)
        if self.signature_method == PLAINTEXT and parts.scheme != "https":
            raise PlaintextNeedsHTTPS
        is_form = _is_form(headers)
        try:
            parameters = _parsed(parts.query) + (_parsed(body.decode()) if is_form else [])
        except ValueError:
            raise Unsignable from None
        if any(name.startswith("oauth_") for name, _ in parameters):
            raise Unsignable
        # The signature takes query and form together, so both may stand in the query here. Encoded
        # anew they suit oauthlib, whatever characters the caller left as they are.
        query = urlencode(parameters, quote_via=quote)
        hashed = "" if is_form or not self.hashes_bodies else self._hash(body)
        client = Client(body_hash=hashed, **self.options)
        _, given, _ = client.sign(parts._replace(query=query).geturl(), verb)
        return list(given.items())

    def _hash(self, body: bytes) -> str:
        """With the hash function of the signature method (OAuth Request Body Hash, section 3.2)."""
        function = sha256 if self.signature_method.endswith("SHA256") else sha1
        return b64encode(function(body).digest()).decode()


def _is_form(headers: Pairs) -> bool:
    given = [value for name, value in headers if name.lower() == "content-type"]
    return any(value.partition(";")[0].strip().lower() == FORM for value in given)


def _parsed(text: str) -> list[tuple[str, str]]:
    return parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MOST_PARAMETERS)


def _quoted(text: str) -> str:
    """As what stands in a quoted string (RFC 9110 section 5.6.4)."""
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _rsa_key(pem: str) -> Any:
    try:
        # A PEM copied out of a JSON file has its line ends spelt out.
        return sha1_signer(pem.replace("\\n", "\n"))
    except NotAnRSAKey:
        raise ProviderMalformed(
            "The private key can't be used to sign. Enter an RSA key whole, as PEM."
        ) from None


def _credentials(url: str, signer: Signer, *, refused: str) -> dict[str, str]:
    """What the provider answers a signed request, token and secret among it.

    `refused` is the code of an answer that says no without a reason.
    """
    # The hash is for calls; a strict provider takes no parameter here that it doesn't know.
    answer = ask(url, auth=signed(replace(signer, hashes_bodies=False)))
    require_available(answer, url)
    given = _form(answer)
    if not is_success(answer):
        raise SignatureRefused(_reason(given, answer.status_code, refused), host_of(url))
    token, secret = given.get("oauth_token"), given.get("oauth_token_secret")
    # With an RSA key a provider may leave the secret empty.
    if not is_token(token) or not (secret == "" or is_token(secret)):
        raise ProviderMalformed(f"{host_of(url)} answered with something that is not a token.")
    return given


def _form(answer: Response) -> dict[str, str]:
    """The answer's form; none if it is another thing, or says something twice."""
    try:
        pairs = _parsed(answer.content.decode())
    except ValueError:
        return {}
    given = dict(pairs)
    return given if len(given) == len(pairs) else {}


def _reason(given: dict[str, str], status: int, refused: str) -> str:
    problem = given.get("oauth_problem", "")
    if ERROR_CODE.fullmatch(problem):
        return problem
    return refused if status in (400, 401, 403) else f"http_{status}"
