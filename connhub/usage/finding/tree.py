"""A tree of boxes from left to right, for a plain SVG: where each one goes."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from ..reach.drawing import BOX, COLUMN, EDGE, ROW, Line, Node, between, width_of


@dataclass(slots=True)
class Branch:
    """A box and what comes from it; the line that leads to it may be dashed."""

    node: Node
    branches: list["Branch"] = field(default_factory=list)
    is_dashed: bool = False

    @property
    def rows(self) -> int:
        return sum(branch.rows for branch in self.branches) or 1

    @property
    def columns(self) -> int:
        return 1 + max((branch.columns for branch in self.branches), default=0)

    @property
    def nodes(self) -> Iterator[Node]:
        yield self.node
        for branch in self.branches:
            yield from branch.nodes

    @property
    def lines(self) -> Iterator[Line]:
        for branch in self.branches:
            yield Line(_curve(self.node, branch.node), branch.is_dashed)
            yield from branch.lines


@dataclass(frozen=True, slots=True)
class Tree:
    root: Branch
    columns: int
    height: int

    @property
    def width(self) -> int:
        return width_of(self.columns)

    @property
    def nodes(self) -> list[Node]:
        return list(self.root.nodes)

    @property
    def lines(self) -> list[Line]:
        return list(self.root.lines)


def draw(root: Branch) -> Tree:
    """Give every box its place: the last ones one below the other, the others amid theirs."""
    return Tree(root, root.columns, _place(root, column=0, top=0))


def _place(branch: Branch, column: int, top: int) -> int:
    """Where what comes below it begins."""
    below = top
    for each in branch.branches:
        below = _place(each, column + 1, below)
    branch.node.x = EDGE + COLUMN * column
    if branch.branches:
        branch.node.y = (branch.branches[0].node.y + branch.branches[-1].node.y) // 2
        return below
    branch.node.y = top + (ROW - BOX[1]) // 2
    return top + ROW


def _curve(start: Node, end: Node) -> str:
    x, y, to_x, to_y = between(start, end)
    half = (x + to_x) // 2
    return f"M{x} {y}H{to_x}" if y == to_y else f"M{x} {y}C{half} {y} {half} {to_y} {to_x} {to_y}"
