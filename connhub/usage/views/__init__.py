from .availability import availability
from .calls import calls, connection_calls, connection_latency
from .connecting import connections, deregister, register
from .finding import usage
from .flows import attach_flow, detach_flow
from .integrations import create, delete, edit, integrations
from .keys import issue_key, keys, revoke_key, rotate_key
from .leaving import leaving, leaving_act
from .members import add_member, members, remove_member
from .problems import problem, problems
from .projects import delete_project, new_project, project, projects, rename_project
from .reaching import access, own_access, person_access
from .replacing import replace
from .things import delete_thing, edit_thing, new_thing, standalone_things, thing, things

__all__ = [
    "access", "add_member", "attach_flow", "availability", "calls", "connection_calls", "connection_latency",
    "connections", "create", "delete", "delete_project", "delete_thing", "deregister", "detach_flow", "edit",
    "edit_thing", "integrations", "issue_key", "keys", "leaving", "leaving_act", "members", "new_project",
    "new_thing", "own_access", "person_access", "problem", "problems", "project", "projects", "register",
    "remove_member", "rename_project", "replace", "revoke_key", "rotate_key", "standalone_things", "thing",
    "things", "usage",
]  # fmt: skip
