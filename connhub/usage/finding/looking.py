"""Look for the uses of a connection: a few queries, however many there are."""

from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from connhub.accounts.models import User
from connhub.connections.models import Connection

from .. import policies
from ..models import App, Flow, Function, Integration
from .observed import observed_over
from .places import Place, Usage, Use, UsedFlow, UsingApp, first_look


def usage_of(connection: Connection, user: User) -> Usage:
    """Everything that is declared to use the connection, or was observed to.

    What the person may not see is only counted. Members of an integration that the connection is
    registered with see the names of all exports and imports over it, wherever those are.
    """
    search = _Search(connection, user)
    search.place_steps()
    search.place_functions()
    search.place_calls()
    places = [place for place in search.places.values() if place.is_used]
    for place in places:
        place.settle()
    search.hidden |= {"integration": len(search.unseen)}
    apps = search.apps()
    return Usage(
        connection, sorted(places, key=first_look), search.names_elsewhere(), apps, search.hidden
    )


class _Search:
    def __init__(self, connection: Connection, user: User) -> None:
        self.connection, self.user = connection, user
        self.places, self.unseen = self._places()
        self.elsewhere: list[Use] = []
        self.flows_elsewhere: set[int] = set()
        self.hidden = {"integration": 0, "flow": 0, "data object": 0, "function": 0}

    def _places(self) -> tuple[dict[int | None, Place], set[int]]:
        """Those the person sees by their integration, and the others' keys."""
        availability = getattr(self.connection, "availability", None)
        places: dict[int | None, Place] = {None: Place(None)}
        unseen = set()
        for integration in _with_seen(_involved(self.connection), self.user):
            if integration.is_seen:
                place = Place(integration, integration.is_registered, availability)
                places[integration.pk] = place
            else:
                unseen.add(integration.pk)
        return places, unseen

    def place_steps(self) -> None:
        steps = _with_seen(self.connection.steps.order_by("flow__name", "name"), self.user)
        of_flow = ("flow__integration", "flow", "flow__name", "flow__slug")
        for place, flow, flow_name, slug, name, kind, is_seen in steps.values_list(
            *of_flow, "name", "kind", "is_seen"
        ):
            use = Use(name, kind, is_declared=True)
            if is_seen:
                here = self.places[place]
                url = _page(Flow, here.integration, slug)
                flow_here = here.flows.setdefault(slug, UsedFlow(flow_name, slug, url=url))
                flow_here.steps.append(use)
            else:
                self.elsewhere.append(use)
                self.flows_elsewhere.add(flow)

    def place_functions(self) -> None:
        functions = _with_seen(self.connection.functions.order_by("name"), self.user)
        for place, name, is_seen in functions.values_list("integration", "name", "is_seen"):
            if is_seen:
                here = self.places[place]
                url = _page(Function, here.integration, name)
                here.functions[name] = Use(name, "function", is_declared=True, url=url)
            else:
                self.hidden["function"] += 1

    def place_calls(self) -> None:
        """Those of integrations that the person doesn't see, or that are gone, stay out."""
        for caller, calls in observed_over(self.connection).items():
            if place := self.places.get(caller.integration):
                place.observe(caller.flow, caller.step, calls)

    def names_elsewhere(self) -> list[Use]:
        if self.elsewhere and self._sees_names():
            return self.elsewhere
        self.hidden["flow"] = len(self.flows_elsewhere)
        return []

    def _sees_names(self) -> bool:
        belonging = policies.belonging_to(self.user)
        registered = policies.in_force().filter(connection=self.connection)
        return registered.filter(integration__in=belonging).exists()

    def apps(self) -> list[UsingApp]:
        objects = _with_seen(self.connection.data_objects.order_by("app__name", "name"), self.user)
        apps: dict[int, UsingApp] = {}
        for app, name, is_seen in objects.values_list("app", "name", "is_seen"):
            if is_seen:
                apps.setdefault(app, UsingApp()).objects.append(name)
            else:
                self.hidden["data object"] += 1
        ours = App.objects.filter(pk__in=apps).select_related("integration")
        for app in _with_seen(ours, self.user):
            apps[app.pk].name = app.name
            apps[app.pk].url = app.get_absolute_url() if app.is_seen else ""
        return list(apps.values())


def _involved(connection: Connection) -> QuerySet[Integration]:
    """The integrations that it is registered with, declared in, or was called from."""
    sources = (
        connection.registrations.values("integration"),
        connection.steps.values("flow__integration"),
        connection.functions.values("integration"),
        connection.call_steps.values("integration"),
        connection.call_tallies.values("integration"),
    )
    found = Q()
    for source in sources:
        found |= Q(pk__in=source)
    here = connection.registrations.filter(integration=OuterRef("pk"))
    integrations = Integration.objects.filter(found).annotate(is_registered=Exists(here))
    return integrations.only("slug", "name", "kind", "project")


def _page(kind: type[Flow | Function], integration: Integration | None, key: str) -> str:
    return kind(**{kind.KEY: key, "integration": integration}).get_absolute_url()


def _with_seen(things: QuerySet, user: User) -> QuerySet[Any]:
    """With `is_seen`: whether the person may see each, by the rule of its model."""
    model: Any = things.model
    seen = model.objects.visible_to(user).filter(pk=OuterRef("pk"))
    return things.annotate(is_seen=Exists(seen))
