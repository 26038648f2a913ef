"""Where a connection is used, as far as a person may see."""

from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter

from django.db.models import Q

from connhub.accounts.models import User
from connhub.connections.models import Connection

from . import policies
from .models import DataObject, Flow, Function, Integration, Registration, Step


@dataclass(slots=True)
class Place:
    """An integration in which the connection is registered, in use, or both (None: no integration)."""

    integration: Integration | None
    registration: Registration | None = None
    steps: list[Step] = field(default_factory=list)
    functions: list[Function] = field(default_factory=list)

    @property
    def is_used(self) -> bool:
        return bool(self.registration or self.steps or self.functions)

    @property
    def flows(self) -> list[tuple[Flow, list[Step]]]:
        """Its flows, each with its steps over the connection."""
        by_flow = groupby(self.steps, key=attrgetter("flow"))
        return [(flow, list(steps)) for flow, steps in by_flow]


@dataclass(slots=True)
class Usage:
    places: list[Place]
    elsewhere: list[Step]
    data_objects: list[DataObject]
    hidden: int

    @property
    def integrations(self) -> int:
        return sum(place.integration is not None for place in self.places)

    @property
    def flows(self) -> set[Flow]:
        return {step.flow for place in self.places for step in place.steps}

    @property
    def functions(self) -> list[Function]:
        return [function for place in self.places for function in place.functions]

    def __bool__(self) -> bool:
        return bool(self.places or self.elsewhere or self.data_objects or self.hidden)


def usage_of(connection: Connection, user: User) -> Usage:
    """What is declared to use the connection; what the person may not see is only counted.

    Members of an integration that the connection is registered with see the names of all exports
    and imports over it, whatever integration those are in.
    """
    places = _places(connection, user)
    hidden = 0
    for registration in connection.registrations.all():
        if place := places.get(registration.integration_id):
            place.registration = registration
        hidden += place is None
    for function in connection.functions.order_by("name"):
        if place := places.get(function.integration_id):
            place.functions.append(function)
        hidden += place is None
    elsewhere = _place_steps(connection, places)
    data_objects = _data_objects(connection, user)
    hidden += connection.data_objects.count() - len(data_objects)
    if elsewhere and not _sees_names(connection, user):
        hidden, elsewhere = hidden + len(elsewhere), []
    return Usage(
        [place for place in places.values() if place.is_used], elsewhere, data_objects, hidden
    )


def _places(connection: Connection, user: User) -> dict[int | None, Place]:
    """The visible integrations that have to do with it; what is in none, super admins see."""
    related = Integration.objects.visible_to(user).filter(
        Q(pk__in=connection.registrations.values("integration"))
        | Q(pk__in=connection.steps.values("flow__integration"))
        | Q(pk__in=connection.functions.values("integration"))
    )
    places: dict[int | None, Place] = {it.pk: Place(it) for it in related}
    return places | {None: Place(None)} if user.is_super_admin else places


def _place_steps(connection: Connection, places: dict[int | None, Place]) -> list[Step]:
    """Put each step in its place; those that have none there come back."""
    elsewhere: list[Step] = []
    for step in connection.steps.select_related("flow").order_by("flow__name", "name"):
        place = places.get(step.flow.integration_id)
        (place.steps if place else elsewhere).append(step)
    return elsewhere


def _sees_names(connection: Connection, user: User) -> bool:
    return policies.belonging_to(user).filter(registrations__connection=connection).exists()


def _data_objects(connection: Connection, user: User) -> list[DataObject]:
    own = DataObject.objects.visible_to(user).filter(connection=connection)
    return list(own.select_related("app").order_by("app__name", "name"))
