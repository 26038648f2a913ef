from .bundling import export, one_import, upload
from .changing import authorize, delete, edit, rename, revoke, test
from .creating import callback, gallery, new
from .looking import listing, profile_connections, summary
from .trying import try_operation

__all__ = [
    "authorize", "callback", "delete", "edit", "export", "gallery", "listing", "new", "one_import",
    "profile_connections", "rename", "revoke", "summary", "test", "try_operation", "upload",
]  # fmt: skip
