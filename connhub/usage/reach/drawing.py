"""Boxes and lines from left to right, for a plain SVG: where each one goes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise

from .paths import SHOWN

# In the units of the picture: from one column to the next, its edge, a box, and from row to row.
COLUMN, EDGE = 270, 5
BOX = (180, 44)
ROW = 56
BEND = 80
LONGEST = (20, 27)  # characters of a box's title and note


@dataclass(slots=True)
class Node:
    """A box with a title and, below it, a note; `tone` is the CSS class that colours it.

    One with a `url` leads there.
    """

    title: str
    note: str = ""
    tone: str = ""
    x: int = 0
    y: int = 0
    url: str = ""

    @property
    def short_title(self) -> str:
        return _shortened(self.title, LONGEST[0])

    @property
    def short_note(self) -> str:
        return _shortened(self.note, LONGEST[1])


@dataclass(slots=True)
class Band:
    """A part of the picture that lines run through from left to right, to the hub or from it."""

    left: list[Node] = field(default_factory=list)
    middle: Node | None = None
    right: list[Node] = field(default_factory=list)
    is_open: bool = True  # whether it leads all the way; if not, its lines at the hub are dashed

    @property
    def height(self) -> int:
        return ROW * max(len(self.left), len(self.right), 1)

    @property
    def columns(self) -> Iterator[list[Node]]:
        yield self.left
        yield [self.middle] if self.middle else []
        yield self.right


@dataclass(frozen=True, slots=True)
class Line:
    path: str  # the `d` of an SVG path
    is_dashed: bool = False


@dataclass(frozen=True, slots=True)
class Drawing:
    bands: Sequence[Band]
    hub: Node
    lines: Sequence[Line]
    columns: int
    height: int

    @property
    def width(self) -> int:
        return width_of(self.columns)

    @property
    def nodes(self) -> list[Node]:
        return [n for band in self.bands for column in band.columns for n in column] + [self.hub]


def width_of(columns: int) -> int:
    return COLUMN * (columns - 1) + BOX[0] + 2 * EDGE


def draw(bands: Sequence[Band], hub: Node, *, is_source: bool = False) -> Drawing:
    """Give every box its place: each band below the one before, the hub beside their middle.

    The hub is what all bands lead to, at the right; as their source it stands at the left. Columns
    that no band has anything in are left out.
    """
    used = [any(column) for column in zip(*(band.columns for band in bands), strict=True)]
    places = list(accumulate(used, initial=int(is_source)))
    top = 0
    for band in bands:
        for place, column in zip(places, band.columns, strict=False):
            _stack(column, place, top, band.height)
        top += band.height
    height = max(top, ROW)
    _stack([hub], 0 if is_source else places[-1], 0, height)
    lines = [line for band in bands for line in _lines(band, hub, is_source)]
    return Drawing(bands, hub, lines, sum(used) + 1, height)


def folded(nodes: list[Node], total: int, noun: str, note: str = "") -> list[Node]:
    """All of them if they are few, else the first and how many more."""
    if total <= SHOWN:
        return nodes
    kept = nodes[: SHOWN - 1]
    return [*kept, more(total - len(kept), noun, note)]


def more(number: int, noun: str, note: str = "") -> Node:
    """The box that stands for so many."""
    word = counted(number, noun).split(" ", 1)[1]
    return Node(f"and {number:,} more", f"{word} {note}".strip(), "folded")


def counted(number: int, noun: str) -> str:
    """Such as “1 key” or “2 people”."""
    plural = "people" if noun == "person" else f"{noun}s"
    return f"{number:,} {noun if number == 1 else plural}"


def _stack(nodes: Sequence[Node], place: int, top: int, height: int) -> None:
    """One below the other in the column of that number, in the middle of the height."""
    first = top + (height - ROW * len(nodes)) // 2 + (ROW - BOX[1]) // 2
    for row, node in enumerate(nodes):
        node.x, node.y = EDGE + COLUMN * place, first + ROW * row


def _lines(band: Band, hub: Node, is_source: bool) -> Iterator[Line]:
    filled = [column for column in band.columns if column]
    for here, there in pairwise([[hub], *filled] if is_source else [*filled, [hub]]):
        is_dashed = not band.is_open and any(node is hub for node in (*here, *there))
        yield from (Line(_curve(a, b, is_source), is_dashed) for a in here for b in there)


def between(start: Node, end: Node) -> tuple[int, int, int, int]:
    """Where a line leaves a box, at the middle of its right side, and where it comes to another."""
    return start.x + BOX[0], start.y + BOX[1] // 2, end.x, end.y + BOX[1] // 2


def _curve(start: Node, end: Node, bends_first: bool) -> str:
    """Bent to the row of the other box beside the hub, where all lines meet; else straight on."""
    x, y, to_x, to_y = between(start, end)
    bend = x if bends_first else to_x - BEND
    half = bend + BEND // 2
    return f"M{x} {y}H{bend}C{half} {y} {half} {to_y} {bend + BEND} {to_y}H{to_x}"


def _shortened(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"
