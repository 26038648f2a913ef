from .changing import authorize, delete, edit, rename, revoke, test
from .creating import callback, gallery, new
from .looking import listing, profile_connections, readiness, summary

__all__ = [
    "authorize", "callback", "delete", "edit", "gallery", "listing", "new", "profile_connections",
    "readiness", "rename", "revoke", "summary", "test",
]  # fmt: skip
