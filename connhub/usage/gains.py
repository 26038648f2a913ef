"""Who gains access to connections that are registered with an integration."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Exists, OuterRef, Q, QuerySet

from connhub.accounts.models import User
from connhub.connections.models import Connection
from connhub.sharing import roles

from . import policies
from .models import Availability, Integration

MOST_NAMED = 10
# What makes somebody one of an integration's people, from the integration on.
BELONGING = ("memberships__user", "user_grants__user", "team_grants__group__user")


@dataclass(frozen=True, slots=True)
class Gains:
    """People who may use more than before: the names that the viewer may see, and so many others."""

    names: list[str]
    others: int

    @property
    def people(self) -> int:
        return len(self.names) + self.others

    @property
    def said(self) -> str:
        """What it came to, once it is done."""
        return f"{self} gained access" if self.people else "nobody new gained access"

    def __str__(self):
        others = (
            f"{self.others} other{'' if self.others == 1 else 's'}"
            if self.names
            else (f"{self.others} {'person' if self.others == 1 else 'people'}")
        )
        parts = [*self.names, others] if self.others else self.names
        return " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]])) or "nobody"


def gains(
    integration: Integration, connections: Iterable[Connection], *, viewer: User | None
) -> Gains:
    """Who of the integration's people may not use all of the connections yet, in two queries.

    People who belong to it only through a team are named to super admins alone; to nobody, none.
    """
    here = Integration.objects.filter(pk=integration.pk)
    lacking = _lacking([connection.pk for connection in connections])
    found = User.objects.filter(policies.belonging_in(here), Exists(lacking), is_active=True)
    if viewer is None:
        return Gains([], found.count())
    named = found if viewer.is_super_admin else found.filter(_by_themself(integration))
    names = list(named.order_by("name", "pk").values_list("name", flat=True)[:MOST_NAMED])
    return Gains(names, found.count() - len(names))


def _by_themself(integration: Integration) -> Q:
    members = integration.memberships.values("user")
    admins = roles.user_grants(Integration).filter(content_object=integration).values("user")
    return Q(pk__in=members) | Q(pk__in=admins)


def _lacking(ids: list[int]) -> QuerySet[Connection]:
    """Those that a person of the query around may not use: `usable_connections`, turned round."""
    person = OuterRef(OuterRef("pk"))
    registered = policies.in_force().filter(connection=OuterRef("pk"))
    of_project = Availability.objects.filter(connection=OuterRef("pk"))
    has = roles.administers(person, Connection)
    for way in BELONGING:
        has |= Q(Exists(registered.filter(**{f"integration__{way}": person})))
        has |= Q(Exists(of_project.filter(**{f"project__integrations__{way}": person})))
    return Connection.objects.filter(~has, pk__in=ids)
