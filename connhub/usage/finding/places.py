"""Where a connection is used, declared beside observed, as far as a person may see."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import chain

from django.utils.text import get_text_list

from connhub.connections.models import Connection

from ..models import Availability, Integration
from ..reach.drawing import counted
from .observed import NOTHING, Observed, together


@dataclass(slots=True)
class Use:
    """A step or function that uses the connection: declared, observed, or both."""

    name: str
    kind: str = ""  # export, import or function; of a caller that nobody declared, none is known
    is_declared: bool = False
    is_undeclared: bool = False  # and ought to be
    observed: Observed = NOTHING
    url: str = ""  # of the function's page

    @property
    def is_never(self) -> bool:
        """Whether it is declared, and no call named it so far."""
        return self.is_declared and not self.observed.calls

    @property
    def needs_look(self) -> bool:
        return self.is_undeclared or self.observed.is_failing


@dataclass(slots=True)
class UsedFlow:
    """A flow with its steps over the connection; without a name, calls that name no flow."""

    name: str
    slug: str = ""
    steps: list[Use] = field(default_factory=list)
    url: str = ""

    @property
    def is_undeclared(self) -> bool:
        return bool(self.steps) and all(step.is_undeclared for step in self.steps)

    @property
    def needs_look(self) -> bool:
        return any(step.needs_look for step in self.steps)


class Standing(StrEnum):
    """How an integration stands to the connection."""

    REGISTERED = "registered"
    OF_PROJECT = "of its project"
    UNREGISTERED = "in use, not registered"
    FORMER = "no longer registered"
    ELSEWHERE = "not available here"
    ALONE = "stands alone"


@dataclass(slots=True)
class Place:
    """An integration in which the connection is registered, in use, or both (None: no integration)."""

    integration: Integration | None
    is_registered: bool = False
    availability: Availability | None = None
    flows: dict[str, UsedFlow] = field(default_factory=dict)
    functions: dict[str, Use] = field(default_factory=dict)

    def __str__(self):
        return str(self.integration or "No integration")

    @property
    def slug(self) -> str:
        return self.integration.slug if self.integration else "none"

    @property
    def uses(self) -> Iterator[Use]:
        steps = chain.from_iterable(flow.steps for flow in self.flows.values())
        return chain(steps, self.functions.values())

    @property
    def is_used(self) -> bool:
        return self.is_registered or bool(self.flows or self.functions)

    @property
    def observed(self) -> Observed:
        return together(use.observed for use in self.uses)

    @property
    def standing(self) -> Standing:
        if self.integration is None:
            return Standing.ALONE
        if not self._is_available:
            return Standing.ELSEWHERE
        if self.is_registered:
            return Standing.REGISTERED
        if self.availability and self.availability.project_id:
            return Standing.OF_PROJECT
        declared = any(use.is_declared for use in self.uses)
        return Standing.UNREGISTERED if declared else Standing.FORMER

    @property
    def _is_available(self) -> bool:
        to, here = self.availability, self.integration
        if to is None or here is None:
            return True
        return to.integration_id == here.pk or to.project_id == here.project_id

    @property
    def is_irregular(self) -> bool:
        """Whether it uses what it can't, or could lose by the next save of a flow."""
        return self.standing in (Standing.UNREGISTERED, Standing.ELSEWHERE)

    @property
    def needs_look(self) -> bool:
        return self.is_irregular or any(use.needs_look for use in self.uses)

    def observe(self, flow: str, step: str, calls: Observed) -> None:
        """Add what was observed of a caller to the step or function it names, or beside them."""
        function = self.functions.get(flow)
        if function and not step and flow not in self.flows:
            function.observed += calls
            return
        used = self.flows.setdefault(flow, UsedFlow(flow, flow))
        found = next((use for use in used.steps if use.name == step), None)
        if found is None:
            found = Use(step)
            used.steps.append(found)
        found.observed += calls

    def settle(self) -> None:
        """Mark what ought to be declared, and put what needs a look first.

        A call that names no step is no sign of one that is missing, where the integration has
        declared some: it may be any of these.
        """
        declares = any(use.is_declared for use in self.uses)
        for use in self.uses:
            use.is_undeclared = not use.is_declared and not (declares and not use.name)
        for flow in self.flows.values():
            flow.steps.sort(key=first_look)
        self.flows = {flow.slug: flow for flow in sorted(self.flows.values(), key=first_look)}
        self.functions = {use.name: use for use in sorted(self.functions.values(), key=first_look)}


def first_look(thing: Place | UsedFlow | Use) -> tuple[bool, str]:
    """The order in which they show: what needs a look first, then by name."""
    return not thing.needs_look, str(getattr(thing, "name", thing)).casefold()


@dataclass(slots=True)
class UsingApp:
    """An app with its external data objects over the connection; `url` is its page, if one sees it."""

    name: str = ""
    url: str = ""
    objects: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Usage:
    connection: Connection
    places: list[Place]
    elsewhere: list[Use]  # names of steps in integrations that the person doesn't see
    apps: list[UsingApp]
    hidden: dict[str, int]  # how many of which things the person may not see

    @property
    def counts(self) -> dict[str, int]:
        """How many of which things the person sees; functions only where there are some."""
        flows = sum(bool(flow.name) for place in self.places for flow in place.flows.values())
        functions = sum(len(place.functions) for place in self.places)
        return {
            "integration": sum(place.integration is not None for place in self.places),
            "flow": flows,
            "data object": sum(len(app.objects) for app in self.apps),
            **({"function": functions} if functions else {}),
        }

    @property
    def hidden_in_words(self) -> str:
        return get_text_list([counted(n, noun) for noun, n in self.hidden.items() if n], "and")

    def __bool__(self) -> bool:
        return bool(self.places or self.elsewhere or self.apps or any(self.hidden.values()))
