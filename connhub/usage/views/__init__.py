from .availability import availability
from .calls import calls, connection_calls, connection_latency
from .connecting import connections, deregister, register
from .finding import usage
from .flows import attach_flow, delete_flow, detach_flow, edit_flow, flow, flows, new_flow
from .integrations import create, integrations
from .keys import issue_key, keys, revoke_key, rotate_key
from .leaving import leaving, leaving_act
from .members import add_member, members, remove_member
from .problems import problem, problems
from .reaching import access, own_access, person_access
from .replacing import replace
from .standalone import (
    delete_standalone_flow,
    edit_standalone_flow,
    new_standalone_flow,
    standalone_flow,
    standalone_flows,
)

__all__ = [
    "access", "add_member", "attach_flow", "availability", "calls", "connection_calls", "connection_latency",
    "connections", "create", "delete_flow", "delete_standalone_flow",
    "deregister", "detach_flow", "edit_flow", "edit_standalone_flow", "flow", "flows", "integrations", "issue_key", "keys",
    "leaving", "leaving_act", "members", "new_flow", "new_standalone_flow", "own_access", "person_access", "problem", "problems", "register",
    "remove_member", "replace", "revoke_key", "rotate_key", "standalone_flow", "standalone_flows", "usage",
]  # fmt: skip
