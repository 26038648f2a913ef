from contextvars import ContextVar
from typing import NamedTuple


class Context(NamedTuple):
    """Where the present request comes from."""

    ip: str = ""
    request_id: str = ""
    # The admin token by which somebody acts, as its name and beginning.
    admin_token: str = ""


NOWHERE = Context()
current: ContextVar[Context] = ContextVar("audit_context", default=NOWHERE)
