"""What the calls have in common by which engines say what uses which connection."""

from typing import Any

from ninja import Schema
from pydantic import Field

from ..declaring import Changed, Saved
from ..models import IntegrationKey
from ..registration import NotRegistered
from ..selecting import NotOfTheApp
from .fields import LinkName

NEXT = Field(None, description="Where there is more: the next call's `after`.")
OVER = Field(description="The connection's link name.")
# How declaring can be refused, whatever is declared.
REFUSALS = (NotRegistered, NotOfTheApp, Changed)


class Registered(Schema):
    """What came of it for the integration."""

    registered: list[LinkName] = Field(description="Link names registered because of this call.")
    reminder: str | None = Field(None, description="Who gained access by that.")


def registered_by(saved: Saved, key: IntegrationKey) -> dict[str, Any]:
    """What was registered by saving, and how many people gained access."""
    names = sorted(connection.link_name for connection in saved.registered)
    return {"registered": names, "reminder": _reminder(saved.gained, key) if names else None}


def _reminder(gained: int, key: IntegrationKey) -> str:
    """Its members see by name what runs elsewhere over what is registered."""
    who = "1 person" if gained == 1 else f"{gained} people" if gained else "nobody new"
    members = key.integration.memberships.count()
    see = "1 member sees" if members == 1 else f"{members} members see"
    return (
        f"{key.integration}: {who} gained access to these connections; {see} exports and imports "
        "over them elsewhere, by name."
    )
