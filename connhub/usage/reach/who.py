"""Who and what reaches a connection, as far as a person may see."""

from dataclasses import dataclass
from typing import Any

from django.db.models import CharField, Count, Exists, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Cast, Concat, Lower

from connhub.accounts.models import Role, Team, User
from connhub.connections.models import Connection
from connhub.paging import Order
from connhub.sharing import roles

from .. import acting, policies, registration
from ..models import Availability, Integration, IntegrationKey

# Names repeat; with the primary key they don't.
NAME_AND_KEY = Concat("name", Value(" "), Cast("pk", CharField()))
ORDERS = {
    "people": Order("name", Lower("name"), "pk"),
    "teams": Order("name", Lower("name"), "pk"),
    "integrations": Order("name", Lower("name"), "slug"),
    "keys": Order("integration", Lower("integration__name"), "tie"),
}
SEARCHED = {
    "people": ("name", "email"),
    "teams": ("name",),
    "integrations": ("name",),
    "keys": ("name", "prefix", "integration__name"),
}


@dataclass(frozen=True, slots=True)
class Leading:
    """Integrations that lead to a connection: `calling` by their flows, `opening` by their people."""

    calling: QuerySet[Integration]
    opening: QuerySet[Integration]

    @classmethod
    def to(cls, connection: Connection) -> "Leading":
        return cls(registration.calling(connection), policies.opening(connection))

    def seen_by(self, viewer: User) -> "Leading":
        seen = Integration.objects.visible_to(viewer).values("pk")
        return Leading(self.calling.filter(pk__in=seen), self.opening.filter(pk__in=seen))

    def unseen_by(self, viewer: User) -> "Leading":
        seen = Integration.objects.visible_to(viewer).values("pk")
        return Leading(self.calling.exclude(pk__in=seen), self.opening.exclude(pk__in=seen))


def people(connection: Connection, leading: Leading) -> QuerySet[User]:
    """The active people who may see it, use it, or have calls made in their name."""
    admins = roles.administering(Connection.objects.filter(pk=connection.pk))
    signed_in = Q(pk__in=acting.sign_ins().filter(connection=connection).values("user"))
    return User.objects.filter(
        admins
        | Q(role=Role.SUPER_ADMIN)
        | policies.belonging_in(leading.opening)
        | (signed_in & policies.belonging_in(leading.calling)),
        is_active=True,
    )


def teams(connection: Connection, leading: Leading) -> QuerySet[Any]:
    """Those that pass on to their people that they may use it, with how many people they have."""
    of_it = roles.team_grants(Connection).filter(content_object=connection)
    through = roles.team_grants(Integration).filter(content_object__in=leading.opening.values("pk"))
    reaching = Q(pk__in=of_it.values("group")) | Q(pk__in=through.values("group"))
    active = Count("user", filter=Q(user__is_active=True))
    return Team.objects.filter(reaching).annotate(size=active)


def integrations(connection: Connection, leading: Leading) -> QuerySet[Integration]:
    """Those whose flows may call over it, and whether it is because it is their project's."""
    of_project = Availability.objects.filter(connection=connection, project=OuterRef("project"))
    return leading.calling.annotate(is_of_project=Exists(of_project))


def keys(connection: Connection, leading: Leading) -> QuerySet[IntegrationKey]:
    """Those that calls over it may be made with."""
    usable = IntegrationKey.objects.usable().annotate(tie=NAME_AND_KEY)
    return usable.filter(integration__in=leading.calling.values("pk"))


OF_KIND: dict[str, Any] = {
    "people": people, "teams": teams, "integrations": integrations, "keys": keys,
}  # fmt: skip


def matching(kind: str, found: QuerySet, text: str) -> QuerySet:
    """Those of a kind whose name has the text in it, or all if it is empty."""
    wanted = Q()
    for name in SEARCHED[kind] if text else ():
        wanted |= Q(**{f"{name}__icontains": text})
    return found.filter(wanted)


@dataclass(frozen=True, slots=True)
class Tally:
    """How many of a kind reach the connection: those that may be named, and the rest."""

    seen: int
    hidden: int


def tallies(connection: Connection, viewer: User) -> dict[str, Tally]:
    """By kind; a super admin sees all."""
    every = Leading.to(connection)
    seen = {kind: of(connection, every.seen_by(viewer)).count() for kind, of in OF_KIND.items()}
    if viewer.is_super_admin:
        return {kind: Tally(count, 0) for kind, count in seen.items()}
    total = {kind: of(connection, every).count() for kind, of in OF_KIND.items()}
    return {kind: Tally(count, total[kind] - count) for kind, count in seen.items()}
