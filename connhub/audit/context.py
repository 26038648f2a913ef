from contextvars import ContextVar
from typing import NamedTuple


class Context(NamedTuple):
    """Where the present request comes from."""

    ip: str = ""
    request_id: str = ""


NOWHERE = Context()
current: ContextVar[Context] = ContextVar("audit_context", default=NOWHERE)
