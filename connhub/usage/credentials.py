"""The credentials call: the secret itself, for flows that have to connect on their own."""

import json

from connhub.connections.auth import METHODS
from connhub.connections.calling.headers import Raw
from connhub.connections.calling.refusals import MethodNotAllowed
from connhub.connections.models import AccessMode, Connection
from connhub.middleware import headers_of_every_answer

from .problems import CredentialsNotAllowed
from .proxying import Call
from .routes import Ready, Route

HEADERS: list[Raw] = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]


def require_allowed(call: Call, route: Route) -> None:
    """Raises: MethodNotAllowed; CredentialsNotAllowed, by the connection's access mode."""
    if call.method != "GET":
        raise MethodNotAllowed("GET")
    if not may_hand_out(route.connection):
        raise CredentialsNotAllowed


def may_hand_out(connection: Connection) -> bool:
    """Whether keys that may use the connection may fetch its secret too."""
    return connection.access_mode == AccessMode.CREDENTIALS


async def hand_out(call: Call, route: Route, ready: Ready) -> None:
    """Answer with what a flow can use of the credential; the caller has put it on record."""
    body = _document(route, ready)
    facts = [
        (b"content-length", str(len(body)).encode()),
        (b"x-request-id", call.request_id.encode()),
    ]
    await call.start(200, [*HEADERS, *facts, *headers_of_every_answer()])
    await call.write(body, more=False)


def _document(route: Route, ready: Ready) -> bytes:
    access = ready.access
    method = access.connection.auth_method
    document = {
        "connection": access.connection.link_name,
        "environment": route.key.environment.slug,
        "kind": method.kind,
        "credentials": METHODS[method.kind].usable(access.own_values, method),
        "expires_at": access.expires_at.isoformat() if access.expires_at else None,
    }
    if route.user:
        document["user"] = route.user.email
    return json.dumps(document, ensure_ascii=False).encode()
