"""The tests' side door: registers clients, plans faults, counts token requests.

A WSGI layer around the authorization server, so that the protocol stays the server's own. It takes
JSON by POST under /control/, and only with the random token that the tests chose.
"""

import hmac
import io
import json
import threading
from base64 import b64decode
from collections.abc import Iterable
from contextlib import closing
from datetime import UTC, datetime
from urllib.parse import parse_qs

from oauth2_provider.models import (
    get_access_token_model,
    get_application_model,
    get_grant_model,
    get_refresh_token_model,
)

from tests.servers.oauth.claims import overrides
from tests.servers.oauth.claims import tampered as tampering
from tests.servers.oauth.faults import (
    DEFAULT_LIFETIME_S,
    ENDPOINTS,
    Application,
    Fault,
    StartResponse,
    faults,
    lifetime,
)

token_requests: list[dict] = []
# The server checks a refresh token before its transaction and then treats two simultaneous
# refreshes as one; one at a time, the second is refused as reuse.
one_at_a_time = threading.Lock()


def register(*, name: str, redirect_uri: str, client_type: str, grant: str, algorithm: str) -> dict:
    """A new client; its secret is random and hashed, for a public one it counts for nothing."""
    models = get_application_model()
    client = models(
        name=name,
        redirect_uris=redirect_uri,
        client_type=client_type,
        authorization_grant_type=grant,
        algorithm=algorithm,
    )
    secret = client.client_secret
    client.full_clean(exclude=["user"])
    client.save()
    return {"client_id": client.client_id, "client_secret": secret}


def set_lifetime(*, seconds: int) -> None:
    """Access tokens issued from now on live this long."""
    lifetime.seconds = seconds


def fail(*, kind: str, endpoint: str, times: int, seconds: float) -> None:
    """Let the next requests to an endpoint go wrong."""
    faults.plan(Fault(kind, endpoint, seconds), times=times)


def claim(*, claims: dict, tampered: bool) -> None:
    """Say this in every id_token from now on, under a broken signature if `tampered`."""
    overrides.update(claims)
    tampering.extend([True] * tampered)


def revoke_all() -> None:
    """Forget every token and code, as if the user had withdrawn every consent."""
    for model in (get_refresh_token_model(), get_access_token_model(), get_grant_model()):
        model.objects.all().delete()


def reset() -> None:
    """Back to the start: no faults, an empty log, the usual lifetime. Clients and tokens stay."""
    faults.clear()
    token_requests.clear()
    lifetime.seconds = DEFAULT_LIFETIME_S
    overrides.clear()
    tampering.clear()


def list_token_requests() -> list[dict]:
    """Every request to the token endpoint since the last reset, in the order they came."""
    return token_requests


ACTIONS = {
    "/control/register": register,
    "/control/lifetime": set_lifetime,
    "/control/claim": claim,
    "/control/fail": fail,
    "/control/revoke-all": revoke_all,
    "/control/reset": reset,
    "/control/token-requests": list_token_requests,
}


def controlled(application: Application, control_token: str) -> Application:
    """The application with the side door, and with its token requests logged one by one."""

    def answer(environ: dict, start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path in ACTIONS:
            return _act(ACTIONS[path], environ, start_response, control_token)
        if path == ENDPOINTS["token"]:
            return _logged(application, environ, start_response)
        return application(environ, start_response)

    return answer


def serialised(application: Application) -> Application:
    """The application, but one token request at a time."""

    def answer(environ: dict, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] != ENDPOINTS["token"]:
            return application(environ, start_response)
        with one_at_a_time, closing(application(environ, start_response)) as body:
            return list(body)

    return answer


def _act(
    action, environ: dict, start_response: StartResponse, control_token: str
) -> Iterable[bytes]:
    if not hmac.compare_digest(environ.get("HTTP_X_CONTROL_TOKEN", ""), control_token):
        start_response("403 Forbidden", [("Content-Length", "0")])
        return []
    body = json.dumps(action(**json.loads(_read(environ) or b"{}"))).encode()
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    start_response("200 OK", headers)
    return [body]


def _logged(
    application: Application, environ: dict, start_response: StartResponse
) -> Iterable[bytes]:
    form = parse_qs(_read(environ).decode())
    entry = {
        "grant_type": form.get("grant_type", [""])[0],
        "client_id": _client_id(environ, form),
        "client_auth": _client_auth(environ, form),
        "at": datetime.now(UTC).isoformat(),
        "status": None,  # until it is answered
    }
    token_requests.append(entry)

    def note_status(status: str, headers: list, *rest):
        entry["status"] = int(status.split()[0])
        return start_response(status, headers, *rest)

    return application(environ, note_status)


def _read(environ: dict) -> bytes:
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)  # for whoever reads it next
    return body


def _client_auth(environ: dict, form: dict) -> str:
    if environ.get("HTTP_AUTHORIZATION", "").startswith("Basic "):
        return "client_secret_basic"
    return "client_secret_post" if "client_secret" in form else "none"


def _client_id(environ: dict, form: dict) -> str:
    if "client_id" in form:
        return form["client_id"][0]
    _, _, basic = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    return b64decode(basic).decode(errors="replace").partition(":")[0]
