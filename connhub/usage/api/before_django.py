"""What the OpenAPI document says of the calls that are answered before Django."""

from typing import Any

from connhub.connections import access
from connhub.connections.auth import METHODS
from connhub.connections.auth.oauth1 import PlaintextNeedsHTTPS, Unsignable
from connhub.connections.calling.refusals import (
    BadHeader,
    BadPath,
    FormNeeded,
    HeadersTooLarge,
    MethodNotAllowed,
    PathNotAllowed,
)
from connhub.connections.models import LINK_NAME
from connhub.connections.refresh import RenewalFailed

from .. import problems
from .openapi import MARK

SECURITY: list[dict[str, Any]] = [{"IntegrationKeyAuth": []}]
ANYTHING: dict[str, Any] = {"*/*": {}}
PRINTABLE = r"^[\x20-\x7e]*$"


def _parameter(where: str, name: str, pattern: str, longest: int, about: str) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string", "pattern": pattern}
    if longest:
        schema["maxLength"] = longest
    required = where == "path"
    return {"in": where, "name": name, "required": required, "description": about, "schema": schema}


CONNECTION = _parameter("path", "link_name", LINK_NAME, 50, "The connection's link name.")
# In clear, what paths.require_canonical lets through once it is encoded.
LETTER = (
    r"(?:[^\x00-\x1f\x7f/\\%]"
    r"|%(?!(?:25)*(?:[01][0-9A-Fa-f]|7[Ff]|2[EeFf]|5[Cc]|[Cc][01])))"
)
SEGMENT = rf"(?!\.\.?(?:[/;]|$)){LETTER}+"
PATH = _parameter(
    "path",
    "path",
    rf"^{SEGMENT}(?:/{SEGMENT})*/?$",
    0,
    "What follows the service's base URL, its slashes not encoded; without it and the slash before"
    " it, the base URL itself is called. Dot segments, empty segments, backslashes and control"
    " characters are refused, however often they are encoded.",
)
CALLER = [
    _parameter(
        "header",
        "X-ConnHub-Flow",
        "^[A-Za-z0-9_-]{0,60}$",
        60,
        "Slug of the flow that calls, or name of the function, for the log of calls.",
    ),
    _parameter(
        "header",
        "X-ConnHub-Step",
        PRINTABLE,
        80,
        "Name of the step that calls, for the log of calls.",
    ),
    _parameter(
        "header",
        "X-ConnHub-User",
        PRINTABLE,
        254,
        "E-mail address of the login user, where the connection uses the credentials of login"
        " users: somebody with access to the key's integration who has authorized. Where it doesn't,"
        " the header changes nothing; the call log notes it. It never reaches the service.",
    ),
]
# Why a connection can't be used, for whatever.
CONNECTION_FAILS = (
    *(problems.NotUsable, problems.AuthorizeAsUser, BadHeader, HeadersTooLarge, RenewalFailed),
    *(access.NotConnected, access.ReconnectNeeded, access.ConnectionRevoked),
    *(access.ConnectionDisabled, access.CredentialUnreadable, access.CredentialIncomplete),
    *(access.AppMissing, access.AddressIncomplete),
)
CALL_FAILS = (
    *(
        problems.NotHTTP,
        BadPath,
        MethodNotAllowed,
        PathNotAllowed,
        FormNeeded,
        Unsignable,
        PlaintextNeedsHTTPS,
    ),
    *(problems.RequestTooLarge, problems.RequestIncomplete),
    *(problems.UpstreamUnreachable, problems.UpstreamTimeout, problems.UpstreamMalformed),
    problems.AnswerTooLarge,
)


def _proxied(method: str) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": f"proxy_{method}",
        "summary": "Call the service through ConnHub",
        "description": "The call goes to the service's base URL with the credential added."
        " Method, query, body and status pass through: methods that are not named here as well, but"
        " for TRACE, TRACK and CONNECT.",
        "tags": ["Calls"],
        "parameters": [CONNECTION, PATH, *CALLER],
        "responses": {"default": {"description": "What the service answers.", "content": ANYTHING}},
        "security": SECURITY,
        MARK: (*CONNECTION_FAILS, *CALL_FAILS),
    }
    if method in ("post", "put", "patch"):
        operation["requestBody"] = {"content": ANYTHING}
    return operation


def _credentials_of(kind: str) -> dict[str, Any]:
    names = METHODS[kind].hands_out
    return {
        "title": METHODS[kind].label,
        "type": "object",
        "required": ["connection", "environment", "kind", "credentials", "expires_at"],
        "properties": {
            "connection": {"type": "string", "pattern": LINK_NAME},
            "environment": {"type": "string"},
            "kind": {"const": kind},
            "credentials": {
                "type": "object",
                "required": list(names),
                "properties": {name: {"type": "string"} for name in names},
                "additionalProperties": {"type": "string"},
            },
            "expires_at": {
                "type": ["string", "null"],
                "format": "date-time",
                "description": "When it ends; fetch it again before that.",
            },
            "user": {"type": "string", "description": "The login user, where it is theirs."},
        },
    }


CREDENTIALS: dict[str, Any] = {
    "operationId": "credentials",
    "summary": "Fetch the secret itself",
    "description": "Access token, API key, or database parameters and DSN: only if the connection's"
    " access mode is proxy and credentials. Each time is on record.",
    "tags": ["Calls"],
    "parameters": [CONNECTION, *CALLER],
    "responses": {
        "200": {
            "description": "What is known of the secret depends on the kind.",
            "content": {
                "application/json": {"schema": {"oneOf": [_credentials_of(k) for k in METHODS]}}
            },
        }
    },
    "security": SECURITY,
    MARK: (*CONNECTION_FAILS, problems.CredentialsNotAllowed),
}

PATHS: dict[str, Any] = {
    "/api/v1/connections/{link_name}/proxy/{path}": {
        method: _proxied(method) for method in ("get", "post", "put", "patch", "delete")
    },
    "/api/v1/connections/{link_name}/credentials": {"get": CREDENTIALS},
}
