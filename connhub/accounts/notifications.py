"""Which letters people get, besides those about signing in, which everybody gets."""

from collections.abc import Iterable, Mapping
from typing import Any

from connhub.forms import Described

from . import mail
from .models import User

SHARED, NEEDS_ME = "shared", "needs_me"
KINDS = (
    (
        SHARED,
        Described(
            "Shared with me", "Somebody made you an admin, or put you into a team or integration"
        ),
    ),
    (NEEDS_ME, Described("Something needs me", "A connection of yours lost its authorization")),
)
# To whom, under which subject, from which template and with what.
Letter = tuple[User, str, str, Mapping[str, Any]]


def wants(person: User, kind: str) -> bool:
    return person.is_active and kind not in person.unwanted_letters


def tell(person: User, kind: str, subject: str, template: str, context: Mapping[str, Any]) -> None:
    """Write them a letter of this kind, if they want such letters. In the caller's transaction."""
    tell_each(kind, [(person, subject, template, context)])


def tell_each(kind: str, letters: Iterable[Letter]) -> None:
    """Write several letters of one kind, as `tell` does each, in one query."""
    mail.send_all(
        (person.email, subject, template, context)
        for person, subject, template, context in letters
        if wants(person, kind)
    )
