from .changing import authorize, edit, rename, test
from .creating import callback, gallery, new
from .ending import delete, deleted, disable, duplicate, enable, reconnect, restore, revoke
from .environments import drop_environment, environment
from .looking import activity, guide, listing, profile_connections, readiness, summary

__all__ = [
    "activity",
    "authorize",
    "callback",
    "delete",
    "deleted",
    "disable",
    "drop_environment",
    "duplicate",
    "edit",
    "enable",
    "environment",
    "gallery",
    "guide",
    "listing",
    "new",
    "profile_connections",
    "readiness",
    "reconnect",
    "rename",
    "restore",
    "revoke",
    "summary",
    "test",
]  # fmt: skip
