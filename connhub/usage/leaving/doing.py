"""What is done about many things at once: what came of each is said."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.urls import reverse

from connhub.accounts import admin_tokens
from connhub.accounts.models import AdminToken, User
from connhub.connections import lifecycle, login_users, reauthorizing, tasks
from connhub.connections.bulk import Gone, NotYours, UsedLately, attempt
from connhub.connections.impact import used_lately
from connhub.connections.models import Credential
from connhub.errors import Link, Refusal
from connhub.sharing import transferring
from connhub.sharing.admins import Admin

from .. import data_objects, declaring, flows, functions, keys
from ..models import IntegrationKey
from .rows import to_self

STANDING_ALONE = {each.SORT.model: each.SORT for each in (flows, data_objects, functions)}
NOT_THEIRS = "They don't administer it any more."
NOBODY_ELSE = "Nobody else administers it. Transfer it first."
NOT_YOURS = "You don't administer it. Share it to yourself first: its admins see that."


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it for one thing."""

    thing: Any
    done: bool
    text: str
    links: Sequence[Link] = ()


@dataclass(frozen=True, slots=True)
class Action:
    """What may be done; `breaks` says what would stop, `takes_one` that one person follows."""

    label: str
    run: Callable[..., list[Outcome]]
    breaks: str = ""
    takes_admins: bool = False
    takes_one: bool = False
    is_dangerous: bool = False


def transfer(things: Sequence[Any], *, person: User, to: Sequence[Admin], by: User) -> list:
    """Make others admins instead of the person. Raises: as `transferring.transfer` does."""
    if not things:
        return []
    found = type(things[0])._default_manager.filter(pk__in=[thing.pk for thing in things])
    theirs = transferring.transfer(found, person=person, to=to, by=by)
    done = {each.pk for each in theirs}
    said = f"Transferred to {', '.join(map(str, to))}."
    return [
        Outcome(thing, thing.pk in done, said if thing.pk in done else NOT_THEIRS)
        for thing in things
    ]


def hand_over(
    things: Sequence[Any], *, person: User, to: Sequence[User], by: User
) -> list[Outcome]:
    """Make one other person the owner of each. Raises: as `declaring.hand_over` does."""
    if not things:
        return []
    (owner,) = to
    sort = STANDING_ALONE[type(things[0])]
    done = {each.pk for each in declaring.hand_over(sort, things, of=person, to=owner, by=by)}
    gone = "It doesn't stand alone any more, or isn't theirs."
    return [
        Outcome(each, each.pk in done, f"Transferred to {owner}." if each.pk in done else gone)
        for each in things
    ]


def ask(things: Sequence[Credential], *, person: User, by: User) -> list[Outcome]:
    """Ask the other admins to authorize anew. Raises: as `reauthorizing.ask` does."""
    connections = {each.connection_id: each.connection for each in things}
    asked = reauthorizing.ask(list(connections.values()), person=person, by=by)
    done, transferring_url = "Its admins are asked.", _page(person, "alone")
    return [
        Outcome(each, True, done)
        if each.connection_id in asked
        else Outcome(each, False, NOBODY_ELSE, [("Administered alone", transferring_url)])
        for each in things
    ]


def revoke(things: Sequence[Credential], *, person: User, by: User) -> list[Outcome]:
    """Revoke each, but what the highest environment used lately: that asks for its link name."""
    busy = used_lately(each.connection for each in things)
    outcomes = [_revoke(each, busy, by) for each in things]
    tasks.tell_providers()
    return outcomes


def _revoke(credential: Credential, busy: set[int], by: User) -> Outcome:
    connection = credential.connection
    act = partial(lifecycle.revoke, by=by, environment=credential.environment, later=True)
    refusal = attempt(act, connection, busy, by=by)
    if not isinstance(refusal, Refusal):
        return Outcome(credential, True, "Revoked.")
    if isinstance(refusal, NotYours):
        return Outcome(credential, False, NOT_YOURS, [to_self(connection)])
    if isinstance(refusal, UsedLately):
        url = reverse("connections:revoke", args=[connection.link_name])
        refusal.links.append(("Revoke", url))
    return Outcome(credential, False, refusal.text, refusal.links)


def end(things: Sequence[Credential], *, person: User, by: User) -> list[Outcome]:
    """End the person's own sign-ins. Raises: as `login_users.end` does."""
    chosen = Credential.objects.filter(pk__in=[each.pk for each in things])
    ended = {each.pk for each in login_users.end(chosen, of=person, by=by)}
    tasks.tell_providers()
    return [
        Outcome(each, each.pk in ended, "Revoked." if each.pk in ended else Gone.text)
        for each in things
    ]


def revoke_keys(things: Sequence[IntegrationKey], *, person: User, by: User) -> list[Outcome]:
    """End each key: the next call with it fails."""
    return [_ended(key, partial(keys.revoke, key, by=by)) for key in things]


def revoke_tokens(things: Sequence[AdminToken], *, person: User, by: User) -> list[Outcome]:
    """End each admin token: the next call with it fails."""
    return [_ended(token, partial(admin_tokens.revoke, token, by=by)) for token in things]


def _ended(thing: Any, revoke: Callable[[], None]) -> Outcome:
    try:
        revoke()
    except Refusal as refusal:
        return Outcome(thing, False, refusal.text)
    return Outcome(thing, True, "Revoked.")


def _page(person: User, kind: str) -> str:
    return f"{reverse('leaving', args=[person.public_id])}?kind={kind}"


ACTIONS = {
    "transfer": Action("Transfer", transfer, takes_admins=True),
    "hand_over": Action("Transfer", hand_over, takes_admins=True, takes_one=True),
    "ask": Action("Ask to re-authorize", ask),
    "revoke": Action(
        "Revoke",
        revoke,
        "Their secrets are destroyed here and at the services, and calls over them fail at once. "
        "One for all environments takes its connection's others along.",
        is_dangerous=True,
    ),
    "end": Action(
        "Revoke",
        end,
        "These sign-ins are destroyed here and at the services: calls in this person's name fail.",
        is_dangerous=True,
    ),
    "revoke_keys": Action(
        "Revoke",
        revoke_keys,
        "The very next call with these keys fails. New keys have to take their place.",
        is_dangerous=True,
    ),
    "revoke_tokens": Action(
        "Revoke",
        revoke_tokens,
        "The very next call with these admin tokens fails.",
        is_dangerous=True,
    ),
}
