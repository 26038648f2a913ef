from .bulk import bulk_action
from .bulk_testing import bulk_test, one_bulk_test
from .bundling import export, one_import, upload
from .changing import authorize, edit, rename, test
from .connect_links import send_connect_link, withdraw_connect_link
from .creating import callback, gallery, new
from .ending import delete, deleted, disable, duplicate, enable, reconnect, restore, revoke
from .environments import drop_environment, environment
from .expiring import expiring
from .guiding import guide, try_call
from .looking import activity, listing, profile_connections, readiness, summary
from .other_account import other_account
from .preferring import columns, delete_view, keys, saved_views
from .rehearsing import try_service
from .reporting import unused
from .rotating import rotate
from .signing_in import (
    everybodys_sign_ins,
    own_sign_ins,
    remove_persons_sign_in,
    remove_sign_in,
    sign_in_to,
)
from .trying import try_operation
from .visiting import connect_link, open_connect_link

__all__ = [
    "activity", "authorize", "bulk_action", "bulk_test", "callback", "columns", "connect_link",
    "delete", "delete_view", "deleted", "disable", "drop_environment", "duplicate", "edit",
    "enable", "environment", "everybodys_sign_ins", "expiring", "export", "gallery", "guide", "keys",
    "listing", "new", "one_bulk_test", "one_import", "open_connect_link", "other_account",
    "own_sign_ins", "profile_connections", "readiness", "reconnect", "remove_persons_sign_in",
    "remove_sign_in", "rename", "restore", "revoke", "rotate", "saved_views", "send_connect_link",
    "sign_in_to", "summary", "test", "try_call", "try_operation", "try_service", "unused", "upload",
    "withdraw_connect_link",
]  # fmt: skip
