"""The picture as SVG: a drawing for the page, or a file of its own with a heading, the circles and a legend."""

from __future__ import annotations

from math import hypot
from xml.sax.saxutils import escape, quoteattr

from .layout import CELL
from .words import LEGEND, clean, facts_of, heading, left_out, sentence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .layout import Box, Layout, Point
    from .model import Link, Node, Picture

__all__ = ["STYLE", "drawing", "standalone", "style"]

STYLE = "svg.css"
MARGIN, LINE, BEND = 28, 20, 9
LEAST_WIDTH, LEGEND_COLUMNS, LEGEND_STEP = 860, 2, 400
CIRCLES = 6
"""So many circles are told in words below the drawing."""


def style(name: str) -> str:
    """A file that lies beside this one."""
    from importlib.resources import files

    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def drawing(picture: Picture, layout: Layout) -> str:
    """The drawing alone, with a class, a key and a description at everything; its style is the page's affair."""
    width, height = layout.width + 2 * MARGIN, layout.height + 2 * MARGIN
    title = f"<title>{_text(heading(picture))}</title>"
    return "\n".join([_opening(width, height, title), *_inside(picture, layout, MARGIN), "</svg>", ""])


def standalone(picture: Picture, layout: Layout) -> str:
    """A file of its own."""
    top = MARGIN + LINE * 2
    foot = top + layout.height + MARGIN
    width = max(layout.width + 2 * MARGIN, LEAST_WIDTH)
    told = [("circle", line) for text in _circles(picture) for line in _wrapped(text, width)]
    told += [("told", line) for line in _wrapped(left_out(picture), width)]
    after = foot + LINE * len(told) + LINE / 2
    height = after + LINE * len(LEGEND) / LEGEND_COLUMNS + MARGIN
    lines = [_opening(width, height, f"<title>{_text(heading(picture))}</title>")]
    lines.append(f"<style>{style(STYLE)}</style>")
    lines.append(_words(MARGIN, MARGIN, "head", heading(picture)))
    lines.append(_words(MARGIN, MARGIN + LINE, "told", picture.time))
    lines += _inside(picture, layout, top)
    lines += [_words(MARGIN, foot + LINE * number, name, line) for number, (name, line) in enumerate(told)]
    lines.append(_legend(MARGIN, after))
    return "\n".join([*lines, "</svg>", ""])


def _opening(width: float, height: float, inside: str) -> str:
    size = f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" class="map" role="graphics-document" {size}>{inside}'


def _circles(picture: Picture) -> list[str]:
    more = len(picture.circles) - CIRCLES
    found = [
        f"{'a deadlock' if each.sure else 'probably a deadlock'}: {'; '.join(each.steps)}"
        for each in picture.circles[:CIRCLES]
    ]
    return found + ([f"and {more} circles more"] if more > 0 else [])


def _wrapped(text: str, width: float) -> list[str]:
    from textwrap import wrap

    return wrap(clean(text), int((width - 2 * MARGIN) / CELL))


def _inside(picture: Picture, layout: Layout, top: float) -> Iterator[str]:
    nodes = {node.key: node for node in picture.nodes}
    yield f'<g class="drawing" transform="translate({MARGIN} {top})">'
    for link, way in zip(picture.links, layout.lines, strict=True):
        yield _link(link, way, nodes)
    for node in picture.nodes:
        yield _node(node, layout.boxes[node.key])
    yield "</g>"


# nodes ----------------------------------------------------------------------------------------------------------------


def _node(node: Node, box: Box) -> str:
    classes = " ".join(dict.fromkeys(("node", node.role, node.kind, node.state))).strip()
    left, top = -box.width / 2, -box.height / 2
    told = clean(f"{node.label}\n" + "\n".join(f"{name}: {value}" for name, value in facts_of(node)))
    round_by = 5 if node.role == "process" else box.height / 2
    cards = (8, 4) if node.count > 2 else (4,) if node.count > 1 else ()
    behind = "".join(
        f'<rect class="box" x="{left + by:.1f}" y="{top - by * 0.75:.1f}" {_frame(box, round_by, by)}/>' for by in cards
    )
    note = node.note + (f" x{node.count}" if node.count > 1 and node.role == "object" else "")
    return (
        f'<g class="{classes}" data-key={_attribute(node.key)} transform="translate({box.x:.1f} {box.y:.1f})">'
        f"<title>{escape(told)}</title>{behind}"
        f'<rect class="box" x="{left:.1f}" y="{top:.1f}" {_frame(box, round_by)}/>'
        f'<text class="label" y="{-2 if node.role == "process" else 12}">{_text(box.label)}</text>'
        f'<text class="note" y="{12 if node.role == "process" else -4}">{_text(note)}</text></g>'
    )


def _frame(box: Box, round_by: float, less: float = 0) -> str:
    return f'width="{box.width - 2 * less:.1f}" height="{box.height:.1f}" rx="{round_by:.1f}"'


# links ----------------------------------------------------------------------------------------------------------------


def _link(link: Link, way: tuple[Point, ...], nodes: dict[str, Node]) -> str:
    blocked = link.waiting and link.flow == "to" and nodes[link.process].state in ("waits", "stuck")
    states = {"likely": not link.sure, "blocked": blocked and not link.stuck, "stuck": link.stuck}
    classes = " ".join(["link", *(name for name, is_so in states.items() if is_so)])
    told = clean("\n".join([sentence(link, nodes), *link.details]))
    bent = _bent(way)
    parts = [f'<path class="wide" d="{bent}"/><path class="line" d="{bent}"/>']
    if link.flow in ("to", "both"):
        parts.append(_head(way[-2], way[-1]))
    if link.flow in ("from", "both"):
        parts.append(_head(way[1], way[0]))
    if link.waiting:
        x, y = _along(way[0], way[1], 12 if link.flow in ("from", "both") else 5)
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.6"/>')
    return (
        f'<g class="{classes}" data-process={_attribute(link.process)} data-thing={_attribute(link.thing)}>'
        f"<title>{escape(told)}</title>{''.join(parts)}</g>"
    )


def _bent(way: tuple[Point, ...]) -> str:
    """Through these points, with round corners."""
    steps = [f"M{way[0][0]:.1f} {way[0][1]:.1f}"]
    for before, corner, after in zip(way, way[1:], way[2:], strict=False):
        start, end = _along(corner, before, BEND), _along(corner, after, BEND)
        steps.append(f"L{start[0]:.1f} {start[1]:.1f}Q{corner[0]:.1f} {corner[1]:.1f} {end[0]:.1f} {end[1]:.1f}")
    return "".join([*steps, f"L{way[-1][0]:.1f} {way[-1][1]:.1f}"])


def _along(start: Point, towards: Point, far: float) -> Point:
    """So far on the way from one to the other, half of it at most."""
    length = hypot(towards[0] - start[0], towards[1] - start[1]) or 1.0
    part = min(far / length, 0.5)
    return start[0] + (towards[0] - start[0]) * part, start[1] + (towards[1] - start[1]) * part


def _head(before: Point, tip: Point) -> str:
    length = hypot(tip[0] - before[0], tip[1] - before[1]) or 1.0
    dx, dy = (tip[0] - before[0]) / length, (tip[1] - before[1]) / length
    x, y = tip[0] - dx * 8, tip[1] - dy * 8
    return (
        f'<path class="head" d="M{tip[0]:.1f} {tip[1]:.1f}L{x - dy * 3.6:.1f} {y + dx * 3.6:.1f}'
        f'L{x + dy * 3.6:.1f} {y - dx * 3.6:.1f}Z"/>'
    )


# words ----------------------------------------------------------------------------------------------------------------

SIGNS = {
    "process": '<g class="process"><rect class="box" y="-8" width="26" height="15" rx="3"/></g>',
    "object": '<g class="object"><rect class="box" y="-8" width="26" height="15" rx="7.5"/></g>',
    "flow": '<g class="link"><path class="line" d="M0 0H26"/><path class="head" d="M26 0L18 -3.6L18 3.6Z"/></g>',
    "waiting": '<g class="link"><path class="line" d="M0 0H26"/><circle cx="7" cy="0" r="3.6"/></g>',
    "blocked": '<g class="link blocked"><path class="line" d="M0 0H26"/><circle cx="7" cy="0" r="3.6"/></g>',
    "stuck": '<g class="link stuck"><path class="line" d="M0 0H26"/><circle cx="7" cy="0" r="3.6"/></g>',
    "likely": '<g class="link likely"><path class="line" d="M0 0H26"/></g>',
}


def _legend(x: float, y: float) -> str:
    parts = [f'<g class="legend" transform="translate({x:.0f} {y:.0f})">']
    for number, (name, meaning) in enumerate(LEGEND):
        place = f"{number % LEGEND_COLUMNS * LEGEND_STEP} {number // LEGEND_COLUMNS * LINE}"
        parts.append(f'<g transform="translate({place})">{SIGNS[name]}<text class="note" x="34" y="4">')
        parts.append(f"{_text(meaning)}</text></g>")
    return "".join([*parts, "</g>"])


def _words(x: float, y: float, name: str, text: str) -> str:
    return f'<text class="{name}" x="{x:.0f}" y="{y:.0f}">{_text(text)}</text>'


def _text(text: str) -> str:
    return escape(clean(text))


def _attribute(text: str) -> str:
    return quoteattr(clean(text))
