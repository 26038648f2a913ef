"""Which letters people get, besides those about signing in, which everybody gets."""

from collections.abc import Mapping
from typing import Any

from connhub.forms import Described

from . import mail
from .models import User

SHARED, NEEDS_ME = "shared", "needs_me"
KINDS = (
    (SHARED, Described("Shared with me", "Somebody made you an admin of a connection")),
    (NEEDS_ME, Described("Something needs me", "A connection of yours lost its authorization")),
)


def wants(person: User, kind: str) -> bool:
    return person.is_active and kind not in person.unwanted_letters


def tell(person: User, kind: str, subject: str, template: str, context: Mapping[str, Any]) -> None:
    """Write them a letter of this kind, if they want such letters. In the caller's transaction."""
    if wants(person, kind):
        mail.send(person.email, subject, template, context)
