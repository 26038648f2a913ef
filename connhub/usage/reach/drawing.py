"""Boxes and lines from left to right, for a plain SVG: where each one goes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

# In the units of the picture: the left edges of the columns, a box, and from one row to the next.
COLUMNS = (5, 275, 545, 815)
BOX = (180, 44)
ROW = 56
BEND = 80
LONGEST = (20, 26)  # characters of a box's title and note


@dataclass(slots=True)
class Node:
    """A box with a title and, below it, a note; `tone` is the CSS class that colours it."""

    title: str
    note: str = ""
    tone: str = ""
    x: int = 0
    y: int = 0

    @property
    def short_title(self) -> str:
        return _shortened(self.title, LONGEST[0])

    @property
    def short_note(self) -> str:
        return _shortened(self.note, LONGEST[1])


@dataclass(slots=True)
class Band:
    """A part of the picture that lines run through from left to right, to what all bands lead to."""

    left: list[Node] = field(default_factory=list)
    middle: Node | None = None
    right: list[Node] = field(default_factory=list)
    is_open: bool = True  # whether it leads there; if not, its last line is dashed

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
    target: Node
    lines: Sequence[Line]
    height: int

    @property
    def nodes(self) -> list[Node]:
        return [n for band in self.bands for column in band.columns for n in column] + [self.target]


def draw(bands: Sequence[Band], target: Node) -> Drawing:
    """Give every box its place: each band below the one before, the target beside their middle."""
    top = 0
    for band in bands:
        for x, column in zip(COLUMNS, band.columns, strict=False):
            _stack(column, x, top, band.height)
        top += band.height
    height = max(top, ROW)
    _stack([target], COLUMNS[-1], 0, height)
    lines = [line for band in bands for line in _lines(band, target)]
    return Drawing(bands, target, lines, height)


def _stack(column: Sequence[Node], x: int, top: int, height: int) -> None:
    """One below the other, in the middle of the height."""
    first = top + (height - ROW * len(column)) // 2 + (ROW - BOX[1]) // 2
    for place, node in enumerate(column):
        node.x, node.y = x, first + ROW * place


def _lines(band: Band, target: Node) -> Iterator[Line]:
    filled = [column for column in band.columns if column]
    for here, there in pairwise(filled):
        yield from (Line(_curve(a, b)) for a in here for b in there)
    for node in filled[-1] if filled else ():
        yield Line(_curve(node, target), not band.is_open)


def _curve(start: Node, end: Node) -> str:
    """Straight on as far as may be, then bent to the other box."""
    x, y = start.x + BOX[0], start.y + BOX[1] // 2
    to_x, to_y = end.x, end.y + BOX[1] // 2
    bend = to_x - BEND
    half = to_x - BEND // 2
    return f"M{x} {y}H{bend}C{half} {y} {half} {to_y} {to_x} {to_y}"


def _shortened(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"
