from .availability import availability
from .connecting import connections, deregister, register, usage
from .integrations import create, flows, integrations
from .keys import issue_key, keys, revoke_key
from .members import add_member, members, remove_member
from .replacing import replace

__all__ = [
    "add_member", "availability", "connections", "create", "deregister", "flows", "integrations", "issue_key",
    "keys", "members", "register", "remove_member", "replace", "revoke_key", "usage",
]  # fmt: skip
