"""Nobody leaves, and no team loses people, while something would be left without an admin."""

from django.db import models
from django.db.models import Q

from connhub.accounts.models import Team, User
from connhub.errors import Link

from . import roles
from .admins import LastAdmin
from .kinds import Kind, kinds

LISTED = 10


def when_leaving(sender, person: User, **signal) -> None:
    """Raises: LastAdmin, with a list of what only this person administers."""
    left = [
        kind.live().filter(
            roles.administered_by(person, kind.model),
            roles.unadministered(kind.model, without=person),
        )
        for kind in kinds.values()
    ]
    _refuse(f"{person} is the only active admin of", left)


def when_shrunk(sender, team: Team, **signal) -> None:
    """Raises: LastAdmin, with a list of what only this team administered."""
    left = [
        kind.live().filter(_of_team(kind, team), roles.unadministered(kind.model))
        for kind in kinds.values()
    ]
    _refuse(f"Without them, nobody active in {team} would administer", left)


def _of_team(kind: Kind, team: Team) -> Q:
    return Q(pk__in=roles.team_grants(kind.model).filter(group=team).values("content_object"))


def _refuse(said: str, left: list[models.QuerySet]) -> None:
    first, *others = (things.order_by().values("pk") for things in left)
    if not first.union(*others, all=True).exists():
        return
    links: list[Link] = []
    total = 0
    for kind, things in zip(kinds.values(), left, strict=True):
        links += [(str(each), kind.url("admins", each)) for each in things[:LISTED]]
        total += things.count()
    more = f" Of {total:,}, the first {LISTED}:" if total > LISTED else ""
    text = f"{said} what is listed here. Add another admin there first.{more}"
    raise LastAdmin(text, links=links[:LISTED])
