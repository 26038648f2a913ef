"""The uses of a connection as a picture; of many, the first few and how many more."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from connhub.tags import span_in_words

from ..reach.drawing import Node, counted, more
from .places import Place, Standing, Usage, Use, UsedFlow, UsingApp
from .tree import Branch, Tree, draw

MOST_ROWS = 20
# How many integrations, flows of each and steps of each flow are drawn, the first that fits.
LIMITS = ((8, 8, 8), (8, 6, 4), (8, 4, 3), (7, 3, 2), (6, 2, 2), (5, 2, 1), (4, 1, 1))


def picture_of(usage: Usage, table_url: str) -> Tree:
    """The connection, its integrations with their flows and functions, their steps; apps.

    What is folded leads to the table at `table_url`. Failing, undeclared and unregistered uses
    come first, and are counted where they are folded nevertheless.
    """
    for limits in LIMITS:
        root = _Picture(usage, table_url, *limits).root()
        if root.rows <= MOST_ROWS:
            break
    return draw(root)


class _Picture:
    def __init__(self, usage: Usage, url: str, places: int, flows: int, steps: int) -> None:
        self.usage, self.url = usage, url
        self.most_places, self.most_flows, self.most_steps = places, flows, steps

    def root(self) -> Branch:
        usage, connection = self.usage, self.usage.connection
        branches = [
            *_few(usage.places, self.most_places, self._place, "integration", self.url),
            *_few(usage.apps, self.most_places, _app, "app", self.url),
        ]
        if usage.elsewhere:
            note = counted(len(usage.elsewhere), "step")
            node = Node("Other integrations", note, "folded", url=self.url)
            branches.append(Branch(node))
        if hidden := usage.hidden_in_words:
            branches.append(Branch(Node("You cannot see", hidden, "folded")))
        return Branch(Node(connection.name, str(connection.service), "target"), branches)

    def _place(self, place: Place) -> Branch:
        here = f"{self.url}&in={place.slug}"
        kind = place.integration.get_kind_display().lower() if place.integration else ""
        is_plain = place.standing in (Standing.REGISTERED, Standing.OF_PROJECT)
        note = f"{kind} · {place.standing}" if is_plain else str(place.standing)
        url = place.integration.get_absolute_url() if place.integration else ""
        tone = "warn" if place.is_irregular else ""
        return Branch(
            Node(str(place), note, tone, url=url),
            [
                *_few(
                    [*place.flows.values()],
                    self.most_flows,
                    partial(self._flow, here),
                    "flow",
                    here,
                ),
                *_few([*place.functions.values()], self.most_flows, _use, "function", here),
            ],
        )

    def _flow(self, url: str, flow: UsedFlow) -> Branch:
        if not flow.name:
            node = Node("No flow named", "calls without a flow", _tone(flow))
        elif flow.is_undeclared:
            node = Node(flow.name, "used, not declared", "warn")
        else:
            node = Node(flow.name, "flow", url=flow.url)
        return Branch(node, _few(flow.steps, self.most_steps, _use, "step", url))


def _few(
    things: Sequence[Any], most: int, box: Callable[[Any], Branch], noun: str, url: str
) -> list[Branch]:
    """A box for each if they are few; else for the first, and one for how many more."""
    if len(things) <= most:
        return [box(thing) for thing in things]
    kept, rest = things[: most - 1], things[most - 1 :]
    node = more(len(rest), noun) if kept else Node(counted(len(rest), noun))
    if look := sum(getattr(thing, "needs_look", False) for thing in rest):
        node.note = f"{node.note}, {look:,} to look at".removeprefix(", ")
    node.tone, node.url = "folded warn" if look else "folded", url
    return [*map(box, kept), Branch(node)]


def _use(use: Use) -> Branch:
    if use.is_undeclared:
        note = "used, not declared"
    elif use.is_never:
        note = f"{use.kind} · never"
    else:
        note = " · ".join(filter(None, [use.kind, _when(use)]))
    node = Node(use.name or "No step named", note, _tone(use), url=use.url)
    return Branch(node, is_dashed=use.is_never)


def _when(use: Use) -> str:
    calls = use.observed
    last = span_in_words(calls.last_at) if calls.last_at else ""
    return f"failed {last}" if calls.is_failing else last


def _tone(thing: Use | UsedFlow) -> str:
    if isinstance(thing, Use) and thing.observed.is_failing:
        return "bad"
    return "warn" if thing.is_undeclared else ""


def _app(app: UsingApp) -> Branch:
    note = counted(len(app.objects), "external data object")
    return Branch(Node(app.name, note, url=app.url))
