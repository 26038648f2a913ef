from .changing import authorize, delete, edit, rename, revoke, test
from .creating import callback, gallery, new
from .looking import listing, profile_connections, summary
from .rehearsing import try_service
from .signing_in import (
    everybodys_sign_ins,
    own_sign_ins,
    remove_persons_sign_in,
    remove_sign_in,
    sign_in_to,
)
from .trying import try_operation

__all__ = [
    "authorize", "callback", "delete", "edit", "everybodys_sign_ins", "gallery", "listing", "new",
    "own_sign_ins", "profile_connections", "remove_persons_sign_in", "remove_sign_in", "rename",
    "revoke", "sign_in_to", "summary", "test", "try_operation", "try_service",
]  # fmt: skip
