"""Which connections the steps of a flow may select, and which of these that registers."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from django.db.models import BooleanField, ExpressionWrapper, Q, QuerySet

from connhub.accounts.models import User
from connhub.accounts.permissions import may
from connhub.audit.log import Entry
from connhub.connections.models import Connection
from connhub.connections.policies import usable_by
from connhub.errors import Refusal

from .models import Integration, IntegrationKey, Kind, Registration
from .registration import (
    NotRegistered,
    RegistrationNotOffered,
    available_to_project_of,
    entry_of,
    insert_new,
    not_elsewhere,
    registered_with,
)

UNKNOWN = "There is no connection of this name that you may use here."
ELSEWHERE = "It is available to another project or integration only."
OF_AN_APP = "An integration app comes with its connections; none can be added."


class NotSelectable(Refusal):
    """`reasons` are by link name."""

    code = "not-selectable"

    def __init__(self, reasons: dict[str, str]) -> None:
        self.reasons = reasons
        super().__init__(" ".join(f"{name}: {why}" for name, why in reasons.items()))


class NotOfTheApp(RegistrationNotOffered):
    """What an integration app is to use isn't among what it comes with."""

    def __init__(self, *link_names: str) -> None:
        self.link_names = link_names
        super().__init__(f"{self.text} It doesn't come with: {', '.join(link_names)}.")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a flow is saved (None: it stands alone), by whom, and whether that may register there."""

    integration: Integration | None
    by: User | IntegrationKey
    registers: bool = False


@dataclass(frozen=True, slots=True)
class Selection:
    """What is selected newly: all that may be, what is registered by that, and why others may not."""

    connections: list[Connection]
    to_register: list[Connection]
    refused: dict[str, str]


def place_of(integration: Integration | None, by: User | IntegrationKey) -> Place:
    """A key registers what its integration may use anyway; a person needs the right to register."""
    if integration is None:
        return Place(None, by)
    if isinstance(by, IntegrationKey):
        return Place(integration, by, registers=integration.kind != Kind.APP)
    return Place(integration, by, registers=may(by, "integration.register", integration))


def choosable(place: Place) -> QuerySet[Connection]:
    """All that a new step may select there; `is_registered` says what is not new to it."""
    here = place.integration
    if here is None:
        return Connection.objects.live().filter(_brought(place))
    registered = ExpressionWrapper(registered_with(here), BooleanField())
    wanted = registered_with(here) | available_to_project_of(here)
    if place.registers:
        wanted |= _brought(place)
    found = Connection.objects.live().filter(not_elsewhere(here), wanted)
    return found.annotate(is_registered=registered)


def select(link_names: Collection[str], place: Place) -> Selection:
    """Sort what a flow selects that it hasn't yet; one that is refused says why."""
    named = Connection.objects.live().filter(link_name__in=link_names).select_related("service")
    found = {each.link_name: each for each in _standing(named, place)}
    reasons = {name: _why_not(found.get(name), place) for name in sorted(link_names)}
    taken = [found[name] for name, why in reasons.items() if not why]
    new = [each for each in taken if place.registers and not each.is_registered]
    return Selection(taken, new, {name: why for name, why in reasons.items() if why})


def _standing(connections: QuerySet[Connection], place: Place) -> QuerySet:
    """Each with how it stands to the place."""
    conditions = {"is_brought": _brought(place)}
    if here := place.integration:
        conditions |= {
            "is_registered": registered_with(here),
            "is_of_project": available_to_project_of(here),
            "is_open": not_elsewhere(here),
        }
    return connections.annotate(
        **{name: ExpressionWrapper(q, BooleanField()) for name, q in conditions.items()}
    )


def _brought(place: Place) -> Q:
    """The condition that a connection is theirs to bring: a key brings what its project has."""
    if isinstance(place.by, User):
        return usable_by(place.by)
    assert place.integration is not None
    return available_to_project_of(place.integration)


def _why_not(connection, place: Place) -> str:
    if place.integration is None:
        return "" if connection and connection.is_brought else UNKNOWN
    is_here = connection and (connection.is_registered or connection.is_of_project)
    if connection is None or not (connection.is_brought or (is_here and connection.is_open)):
        return UNKNOWN
    if not connection.is_open:
        return ELSEWHERE
    if is_here or place.registers:
        return ""
    if place.integration.kind == Kind.APP:
        return OF_AN_APP
    return f"It isn't registered here, and only admins of {place.integration} register connections."


def select_locked(link_names: Collection[str], place: Place) -> Selection:
    """As `select`; nobody deletes these, or narrows who may use them, until the commit.

    Raises: NotSelectable; with a key NotRegistered, NotOfTheApp.
    """
    if not link_names:
        return Selection([], [], {})
    _lock(link_names)
    selection = select(link_names, place)
    if not selection.refused:
        return selection
    if isinstance(place.by, User):
        raise NotSelectable(selection.refused)
    is_app = place.integration and place.integration.kind == Kind.APP
    raise (NotOfTheApp if is_app else NotRegistered)(*selection.refused)


def registered_by(selection: Selection, place: Place) -> list[Entry]:
    """Register what the selection is to; what goes on record of it."""
    if place.integration is None or not selection.to_register:
        return []
    pairs = [(place.integration, each) for each in selection.to_register]
    new = insert_new(pairs, how=Registration.How.AUTOMATIC, by=place.by)
    return [entry_of(registration) for registration in new]


def _lock(link_names: Iterable[str]) -> None:
    rows = Connection.objects.select_for_update(of=("self",), no_key=True).filter(
        link_name__in=link_names
    )
    list(rows.order_by("pk").values_list("pk"))
