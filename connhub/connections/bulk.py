"""The same done to many connections: each by itself, so that one that fails stops no other."""

from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass
from functools import partial
from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied

from connhub.accounts.models import Environment, User
from connhub.errors import Link, Refusal
from connhub.sharing import admins as sharing
from connhub.sharing import roles

from . import lifecycle
from .impact import used_lately
from .models import Connection
from .tagging import retag

Act = Callable[[Connection], str | None]


class NotYours(Refusal):
    code = "not-yours"
    text = "You don't administer it."


class Gone(Refusal):
    code = "gone"
    text = "It is gone, or not shared with you."


class UsedLately(Refusal):
    code = "used-lately"

    def __init__(self) -> None:
        highest = Environment.objects.order_by("position").last()
        super().__init__(
            f"{highest} used it in the last 7 days. Do this on its own page, where its link name is "
            "asked for."
        )


class AlreadyShared(Refusal):
    code = "already-shared"
    text = "They administer it already."


@dataclass(frozen=True, slots=True)
class Action:
    """What may be done to many.

    `breaks` says what would stop, where something would. `form`, made with `by` and `link_names`, asks
    what has to be chosen first, and once more while it `asks_again`; `run` gets the answers by name,
    and may return what to say in place of `done`.
    """

    name: str
    label: str
    done: str
    run: Callable[..., str | None]
    breaks: str = ""
    takes_tags: bool = False
    takes_admins: bool = False
    form: Callable[..., forms.Form] | None = None


def _disable(connection: Connection, by: User) -> None:
    lifecycle.set_disabled(connection, True, by=by)


def _enable(connection: Connection, by: User) -> None:
    lifecycle.set_disabled(connection, False, by=by)


def _delete(connection: Connection, by: User) -> None:
    lifecycle.delete(connection, by=by, later=True)


def _tag(connection: Connection, by: User, tags: Sequence[str]) -> None:
    retag(connection, add=tags, by=by)


def _untag(connection: Connection, by: User, tags: Sequence[str]) -> None:
    retag(connection, remove=tags, by=by)


def _share(connection: Connection, by: User, admins: Sequence[sharing.Admin]) -> None:
    if not sharing.add(connection, admins, by=by, tell=False):
        raise AlreadyShared


# Added to in the `ready()` of the app that knows more to do.
ACTIONS = {
    action.name: action
    for action in (
        Action("tag", "Add tags", "Tagged.", _tag, takes_tags=True),
        Action("untag", "Remove tags", "Untagged.", _untag, takes_tags=True),
        Action("share", "Share", "Shared.", _share, takes_admins=True),
        Action("enable", "Enable", "Enabled.", _enable),
        Action(
            "disable",
            "Disable",
            "Disabled.",
            _disable,
            breaks="Every call over them fails until somebody enables them again.",
        ),
        Action(
            "delete",
            "Delete",
            "Deleted.",
            _delete,
            breaks="Their secrets are destroyed here and at the services. Their link names stay taken.",
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it for one connection (None: there is no such one to be seen)."""

    link_name: str
    connection: Connection | None
    done: bool
    text: str
    links: Sequence[Link] = ()


def run(action: Action, link_names: Iterable[str], *, by: User, **given: Any) -> list[Outcome]:
    """Do it to each, in a transaction of its own, and say what came of it in the order asked for.

    What would break calls of the highest environment is left alone: that asks for its link name.
    Whoever something is shared with gets one letter for all.
    """
    wanted = list(dict.fromkeys(link_names))
    visible = Connection.objects.visible_to(by).named(wanted)
    found = {each.link_name: each for each in visible.select_related("service")}
    busy = used_lately(found.values()) if action.breaks else set()
    act = partial(action.run, by=by, **given)
    outcomes = [_one(name, found.get(name), action, act, busy, by) for name in wanted]
    if action.takes_admins:
        done = [each.connection for each in outcomes if each.done and each.connection]
        sharing.tell(done, given["admins"], by=by)
    return outcomes


def _one(
    name: str, connection: Connection | None, action: Action, act: Act, busy: Set[int], by: User
) -> Outcome:
    came = attempt(act, connection, busy, by=by) if connection else Gone()
    if isinstance(came, Refusal):
        seen = None if isinstance(came, Gone) else connection
        return Outcome(name, seen, False, came.text, came.links)
    return Outcome(name, connection, True, came or action.done)


def attempt(act: Act, connection: Connection, busy: Set[int], *, by: User) -> str | Refusal | None:
    """Do it to one of many and give what it says; what stands in the way is given, not raised.

    `busy` are those that the highest environment used lately, which are left alone.
    """
    if connection.pk in busy:
        return UsedLately() if roles.is_admin(by, connection) else NotYours()
    try:
        return act(connection)
    except PermissionDenied:
        return NotYours()
    except Connection.DoesNotExist:
        return Gone()
    except Refusal as refusal:
        return refusal
