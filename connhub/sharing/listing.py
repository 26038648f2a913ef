"""Who administers one object, as its share page shows it, in a few queries however many they are."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import Group
from django.db import models
from django.db.models import Count, F, Q
from django.db.models.functions import Lower

from connhub.accounts.models import User
from connhub.paging import Order, Page, page

from . import roles
from .kinds import kind_of

PER_PAGE, BY_NAME = 50, Order("name", Lower("user__name"), "pk")


@dataclass(frozen=True, slots=True)
class Row:
    """A person or team, since when and by whom, and where their access is removed."""

    admin: User | Group
    since: datetime
    by: User | None
    remove_url: str
    size: int | None = None
    to_self: bool = False

    @property
    def is_team(self) -> bool:
        return self.size is not None


def rows(thing: models.Model, params: Mapping[str, str]) -> Page:
    """A page of people by name; before the first of them stand all teams."""
    people = roles.user_grants(type(thing)).filter(content_object=thing)
    found = page(people.select_related("user", "granted_by"), BY_NAME, params, PER_PAGE)
    url = kind_of(thing).url
    listed = [
        Row(
            each.user,
            each.granted_at,
            each.granted_by,
            url("remove_person", thing, each.user.public_id),
            to_self=each.to_self,
        )
        for each in found.rows
    ]
    return Page(([] if found.newer else _teams(thing)) + listed, found.newer, found.older)


def _teams(thing: models.Model) -> list[Row]:
    of_it = roles.team_grants(type(thing)).filter(content_object=thing)
    size = Count("group__user", filter=Q(group__user__is_active=True))
    found = of_it.select_related("group", "granted_by").annotate(
        size=size, public_id=F("group__team_id__public_id")
    )
    url = kind_of(thing).url
    return [
        Row(
            each.group,
            each.granted_at,
            each.granted_by,
            url("remove_team", thing, each.public_id),
            each.size,
        )
        for each in found.order_by(Lower("group__name"))
    ]


def teams_of(thing: models.Model, person: User) -> list[Group]:
    """The teams through which a person administers it."""
    ids = roles.team_grants(type(thing)).filter(content_object=thing, group__user=person)
    return list(Group.objects.filter(pk__in=ids.values("group")).order_by("name"))


def only_through(thing: models.Model, team: Group) -> models.QuerySet[User]:
    """The active people who administer it through this team alone."""
    model = type(thing)
    themselves = roles.user_grants(model).filter(content_object=thing)
    others = roles.team_grants(model).filter(content_object=thing).exclude(group=team)
    elsewhere = User.groups.through.objects.filter(group__in=others.values("group"))
    people = User.objects.filter(groups=team, is_active=True)
    return people.exclude(pk__in=themselves.values("user")).exclude(pk__in=elsewhere.values("user"))
