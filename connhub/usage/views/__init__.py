from .availability import availability
from .connecting import connections, deregister, register, usage
from .integrations import create, flows, integrations
from .keys import issue_key, keys, revoke_key
from .leaving import leaving, leaving_act
from .members import add_member, members, remove_member
from .reaching import access, own_access, person_access
from .replacing import replace

__all__ = [
    "access", "add_member", "availability", "connections", "create", "deregister", "flows", "integrations", "issue_key",
    "keys", "leaving", "leaving_act", "members", "own_access", "person_access", "register", "remove_member", "replace", "revoke_key", "usage",
]  # fmt: skip
