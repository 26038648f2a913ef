from .changing import authorize, delete, edit, rename, revoke, test
from .creating import callback, gallery, new
from .looking import listing, profile_connections, summary
from .rehearsing import try_service
from .trying import try_operation

__all__ = [
    "authorize", "callback", "delete", "edit", "gallery", "listing", "new", "profile_connections",
    "rename", "revoke", "summary", "test", "try_operation", "try_service",
]  # fmt: skip
