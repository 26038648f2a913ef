"""A connection under its lock, as it is now, whatever others did to it since it was looked at."""

from collections.abc import Sequence

from connhub.accounts import people
from connhub.accounts.models import User
from connhub.accounts.permissions import require
from connhub.audit.models import Event
from connhub.audit.sentences import around
from connhub.errors import Refusal

from .models import Connection

# What moves the version on, each by one.
CHANGES = tuple(
    f"connection.{what}"
    for what in (
        *("edited", "renamed", "tagged", "disabled", "enabled", "connected", "reconnected"),
        *("revoked", "restored", "imported", "environment_set", "environment_dropped"),
    )
)
TOLD = 3


class DeletedMeanwhile(Refusal):
    code = "deleted-meanwhile"
    text = "Somebody deleted this connection meanwhile. Nothing was changed."


class EditedMeanwhile(Refusal):
    """Somebody changed it since it was looked at; `version` is the one that it has now."""

    code = "edited-meanwhile"
    text = "Somebody changed this connection meanwhile. Nothing of yours was saved."

    def __init__(self, text: str, *, version: int) -> None:
        super().__init__(text)
        self.version = version


def locked_for(
    by: User, action: str, connection: Connection, *, seen: int | None = None
) -> tuple[User, Connection]:
    """Both as they are now, locked until the transaction ends, for `by` to do something to it.

    `seen` is the version that they looked at.

    Raises:
        PermissionDenied: they may not do that.
        DeletedMeanwhile: it is gone.
        EditedMeanwhile: it is no longer what they looked at; says who did what.
    """
    by = people.locked(by)
    connection = Connection.objects.locked(connection.pk)
    if connection.deleted_at:
        raise DeletedMeanwhile
    require(by, action, connection)
    require_unchanged(connection, seen)
    return by, connection


def require_unchanged(connection: Connection, seen: int | None) -> None:
    """Raises: EditedMeanwhile, where its version is another than `seen`."""
    if seen is None or seen == connection.version:
        return
    changes = Event.objects.about(connection).filter(action__in=CHANGES)
    latest = list(changes[: max(connection.version - seen, 1)])
    raise EditedMeanwhile(
        f"{_told(latest)} Nothing of yours was saved. Look at it, then save again to put yours "
        "in its place; secrets have to be entered again.",
        version=connection.version,
    )


def _told(events: Sequence[Event]) -> str:
    """Who did what, oldest first: "Changed since you opened this: Bob edited it (name, tags)."."""
    done = [_words(event) for event in events[:TOLD]]
    done += [f"{len(events) - TOLD} earlier changes"] if len(events) > TOLD else []
    return f"Changed since you opened this: {'; '.join(reversed(done))}."


def _words(event: Event) -> str:
    before, slot, after = around(event.action, event.outcome, {})
    is_telling = event.action == "connection.edited" and event.fields
    fields = f" ({', '.join(event.fields)})" if is_telling else ""
    return f"{event.actor} {before}{'it' if slot else ''}{after}{fields}"
