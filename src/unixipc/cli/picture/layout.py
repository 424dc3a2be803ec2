"""Where everything goes: each connected part in layers from left to right, by graphlay; the parts beside each other.

Sizes are those of the text in a fixed-width font, so that no label is wider than its box on any machine.
"""

from __future__ import annotations

import os.path
from math import sqrt

from ..._record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from .model import Link, Node, Picture

    Point = tuple[float, float]

__all__ = ["Box", "Layout", "layout_of", "short"]

CELL, SMALL_CELL = 7.4, 6.4
"""How wide a character is, in the two sizes: 0.6 of 12 and 10.4 pixels, and a little."""
ROOM, HEIGHT, BETWEEN, ASPECT = 22, 38, 34, 1.5
LONGEST = 26
CAREFUL = 450
"""A part with more nodes and links is laid out with less care: it takes a second rather than several."""
OPTIONS = {
    "spacing": {"layer_gap": 46.0, "node_gap": 14.0, "dummy_gap": 12.0, "port_gap": 8.0, "stub": 12.0},
    "routing": {"style": "diagonal"},
    "wrap": {"viewport_aspect": ASPECT},
    "limits": {"max_dummies": 6000},  # what passes by other layers: beyond this it is a thicket, and takes minutes
}


WAY_OUT = "Say a THING, --kind, --mine or --waits, or leave --all; --format dot and --json have no limit"


@record
class Box:
    """A node's place: its middle, its size, and its label as it fits in there."""

    x: float
    y: float
    width: float
    height: float
    label: str


@record
class Layout:
    """Boxes by key; for each link of the picture the points of its line, from the process; the size of it all."""

    boxes: dict[str, Box]
    lines: tuple[tuple[Point, ...], ...]
    width: float
    height: float


def layout_of(picture: Picture) -> Layout:
    """Lay it out. ValueError for a thicket of lines that nobody could read."""
    sizes = {node.key: _size(node) for node in picture.nodes}
    parts = [_place(part, sizes) for part in _parts(picture)]
    shifts, width, height = _pack([part[2] for part in parts])
    boxes: dict[str, Box] = {}
    lines: dict[int, tuple[Point, ...]] = {}
    for (middles, ways, _extent), (dx, dy) in zip(parts, shifts, strict=True):
        boxes |= {key: Box(x + dx, y + dy, *sizes[key]) for key, (x, y) in middles.items()}
        lines |= {number: tuple((x + dx, y + dy) for x, y in way) for number, way in ways.items()}
    return Layout(boxes, tuple(lines[number] for number in range(len(picture.links))), width, height)


def short(text: str, most: int = LONGEST) -> str:
    """As much of it as fits: of a path the last name, of anything long the two ends."""
    from rich.cells import cell_len, set_cell_size

    if cell_len(text) > most and text.startswith("/"):
        text = f"…/{os.path.basename(text)}"
    if cell_len(text) <= most:
        return text
    half = most // 2
    tail = text[-half:]
    while cell_len(tail) > half:
        tail = tail[1:]
    return f"{set_cell_size(text, most - 1 - half).rstrip()}…{tail}"


def _size(node: Node) -> tuple[float, float, str]:
    from rich.cells import cell_len

    label = short(node.label)
    note = node.note + (f" x{node.count}" if node.count > 1 else "")
    return max(56.0, cell_len(label) * CELL + ROOM, cell_len(note) * SMALL_CELL + ROOM), HEIGHT, label


Part = tuple[list["Node"], list[tuple[int, "Link"]]]


def _parts(picture: Picture) -> list[Part]:
    """The connected parts: those with somebody who is stuck or waits first, then by their size."""
    above = {node.key: node.key for node in picture.nodes}

    def root(key: str) -> str:
        while above[key] != key:
            above[key] = key = above[above[key]]
        return key

    for link in picture.links:
        above[root(link.process)] = root(link.thing)
    found: dict[str, Part] = {}
    for node in picture.nodes:
        found.setdefault(root(node.key), ([], []))[0].append(node)
    for number, link in enumerate(picture.links):
        found[root(link.process)][1].append((number, link))
    return sorted(found.values(), key=lambda part: (min(map(_rank, part[0])), -len(part[0]), part[0][0].key))


def _rank(node: Node) -> int:
    return {"stuck": 0, "waits": 1}.get(node.state, 2)


Placed = tuple[dict[str, "Point"], dict[int, tuple["Point", ...]], "Point"]


def _place(part: Part, sizes: dict[str, tuple[float, float, str]]) -> Placed:
    """One part, its upper left corner at 0, 0: the middles of its nodes, the lines by number of link, its size."""
    import graphlay

    nodes, links = part
    graph = graphlay.Graph()
    for node in nodes:
        graph.node(node.key, width=sizes[node.key][0], height=sizes[node.key][1])
    for _number, link in links:
        graph.edge(*((link.process, link.thing) if link.leads else (link.thing, link.process)))
    effort = "balanced" if len(nodes) + len(links) <= CAREFUL else "fast"
    try:
        drawn = graphlay.layout(graph, options={**OPTIONS, "effort": effort})
    except graphlay.GraphlayError as error:
        raise ValueError(f"too much for a picture: {error}. {WAY_OUT}") from None
    middles = {str(key): (float(x), float(y)) for key, (x, y) in drawn.positions().items()}
    ways = {
        number: tuple((float(point["x"]), float(point["y"])) for point in edge["points"])[:: 1 if link.leads else -1]
        for (number, link), edge in zip(links, drawn.edges, strict=True)
    }
    return _to_corner(middles, ways, sizes)


def _to_corner(
    middles: dict[str, Point], ways: dict[int, tuple[Point, ...]], sizes: dict[str, tuple[float, float, str]]
) -> Placed:
    xs = [x + side * sizes[key][0] / 2 for key, (x, _y) in middles.items() for side in (-1, 1)]
    ys = [y + side * sizes[key][1] / 2 for key, (_x, y) in middles.items() for side in (-1, 1)]
    xs += [x for way in ways.values() for x, _y in way]
    ys += [y for way in ways.values() for _x, y in way]
    left, top = min(xs), min(ys)
    return (
        {key: (x - left, y - top) for key, (x, y) in middles.items()},
        {number: tuple((x - left, y - top) for x, y in way) for number, way in ways.items()},
        (max(xs) - left, max(ys) - top),
    )


def _pack(sizes: list[Point]) -> tuple[list[Point], float, float]:
    """Shelves, in this order, about as wide as a screen is; a part goes under others of its column if there is room."""
    if not sizes:
        return [], 0.0, 0.0
    area = sum((width + BETWEEN) * (height + BETWEEN) for width, height in sizes)
    limit = max(max(width for width, _height in sizes), sqrt(area * ASPECT))
    found: list[Point] = []
    columns = _Columns(limit)
    for width, height in sizes:
        found.append(columns.take(width + BETWEEN, height + BETWEEN))
    return found, max(x + w for (x, _y), (w, _h) in zip(found, sizes, strict=True)), columns.bottom - BETWEEN


class _Columns:
    """A skyline: how far down each stretch of the width is full."""

    def __init__(self, limit: float) -> None:
        self.limit = limit + BETWEEN
        self.skyline: list[Point] = [(0.0, 0.0)]  # from this x on it is full down to this y
        self.bottom = 0.0

    def take(self, width: float, height: float) -> Point:
        """The highest place where it fits, of those the leftmost."""
        y, x = min(
            (self._top(start, start + width), start)
            for start, _y in self.skyline
            if start == 0 or start + width <= self.limit
        )
        self._fill(x, x + width, y + height)
        self.bottom = max(self.bottom, y + height)
        return x, y

    def _top(self, start: float, end: float) -> float:
        return max(y for (x, y), next_x in self._stretches() if x < end and next_x > start)

    def _stretches(self) -> Iterable[tuple[Point, float]]:
        ends = [x for x, _y in self.skyline[1:]] + [float("inf")]
        return zip(self.skyline, ends, strict=True)

    def _fill(self, start: float, end: float, y: float) -> None:
        after = next(old for (x, old), next_x in self._stretches() if x <= end < next_x)
        kept = [(x, old) for x, old in self.skyline if x < start or x > end]
        self.skyline = sorted([*kept, (start, y), (end, after)])
