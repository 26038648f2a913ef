"""Somebody who gave the right password and still owes a code."""

import hmac
import time

from .models import User

KEY = "half_way"
LASTS_S = 600


def enter(request, person: User, *, then: str) -> None:
    """Remember whose password was right, and where the sign-in leads."""
    request.session.cycle_key()
    request.session[KEY] = {
        "person": person.pk,
        "hash": person.get_session_auth_hash(),
        "at": int(time.time()),
        "then": then,
    }


def person(request) -> User | None:
    """Who it is, unless it took longer than ten minutes, or their account changed meanwhile."""
    known = request.session.get(KEY)
    if not known or time.time() - known["at"] > LASTS_S:
        return None
    found = User.objects.filter(pk=known["person"], is_active=True).first()
    if found and hmac.compare_digest(found.get_session_auth_hash(), known["hash"]):
        return found
    return None


def leave(request) -> str:
    """Where the sign-in leads; nothing of it is remembered."""
    return request.session.pop(KEY)["then"]
