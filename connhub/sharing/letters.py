"""What people are told by e-mail when something is shared."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.conf import settings
from django.db import models

from connhub.accounts import mail
from connhub.accounts.models import User
from connhub.accounts.notifications import SHARED, Letter, tell_each

from .kinds import kind_of

LISTED = 50


def shared(things: Sequence[models.Model], people: Iterable[User], *, by: User) -> None:
    """Tell people what they administer from now on, if they want to know; all are of one kind."""
    if not things:
        return
    context = _about(things) | {"by": by, "kind": kind_of(things[0])}
    subject = f"{by} shared {context['names']} with you"
    template = "sharing/shared.txt"
    others = (person for person in people if person.pk != by.pk)
    tell_each(SHARED, ((each, subject, template, context | {"person": each}) for each in others))


def shared_to_self(thing: models.Model, people: Iterable[User], *, by: User) -> None:
    """Tell the admins that a super admin is one of them now. Everybody gets this letter."""
    url = settings.CONNHUB_URL + kind_of(thing).url("admins", thing)
    context = {"by": by, "name": str(thing), "url": url}
    subject = f"{by} shared {thing} to themself"
    mail.send_all(
        (person.email, subject, "sharing/shared_to_self.txt", context | {"person": person})
        for person in people
    )


def transferred(
    things: Sequence[models.Model], people: Iterable[User], *, person: User, by: User
) -> None:
    """Tell people whose place they took, and that person who took it."""
    if not things:
        return
    people = list(people)
    context = _about(things) | {"by": by, "before": person, "now": people}
    said = f"{by} transferred {context['names']} to"
    told: list[Letter] = [
        (each, f"{said} you", "sharing/transferred.txt", context | {"person": each})
        for each in people
        if each.pk != by.pk
    ]
    told.append((person, f"{said} somebody else", "sharing/handed_over.txt", context))
    tell_each(SHARED, told)


def _about(things: Sequence[Any]) -> dict[str, Any]:
    """Their name or number, and the first of them with where they are."""
    nouns = str(things[0]._meta.verbose_name_plural)
    links = [(str(each), settings.CONNHUB_URL + each.get_absolute_url()) for each in things]
    return {
        "nouns": nouns,
        "names": str(things[0]) if len(things) == 1 else f"{len(things)} {nouns}",
        "links": links[:LISTED],
        "more": max(0, len(links) - LISTED),
    }
