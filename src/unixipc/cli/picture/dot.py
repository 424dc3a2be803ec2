"""The picture for Graphviz, which lays it out itself. -- dot(1)"""

from __future__ import annotations

from .words import clean, heading, left_out, sentence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .model import Link, Node, Picture

__all__ = ["dot"]

COLOURS = {"stuck": "#c8102e", "waits": "#b86a00", "ended": "#98a2ad", "": "#5a7fae"}
FILLS = {"stuck": "#ffe3e4", "waits": "#fff0d6", "ended": "#ffffff"}
DIRECTIONS = {"to": "forward", "from": "back", "both": "both", "none": "none"}
TURNED = {"to": "back", "from": "forward"}


def dot(picture: Picture) -> str:
    """A digraph from left to right."""
    return "\n".join([*_lines(picture), ""])


def _lines(picture: Picture) -> Iterator[str]:
    nodes = {node.key: node for node in picture.nodes}
    names = {node.key: f"n{number}" for number, node in enumerate(picture.nodes)}
    label = "\n".join(line for line in (heading(picture), picture.time, left_out(picture)) if line)
    yield "digraph ipc {"
    yield f'  graph [rankdir=LR, nodesep=0.15, ranksep=0.6, labelloc=t, label={_quoted(label)}, fontname="monospace"];'
    yield '  node [fontname="monospace", fontsize=11, style="filled,rounded", fillcolor=white];'
    yield '  edge [color="#8b97a3", arrowsize=0.7];'
    for node in picture.nodes:
        yield f"  {names[node.key]} [{_attributes(_of_node(node))}];"
    for link in picture.links:
        ends = (link.process, link.thing) if link.leads else (link.thing, link.process)
        yield f"  {names[ends[0]]} -> {names[ends[1]]} [{_attributes(_of_link(link, nodes))}];"
    yield "}"


def _of_node(node: Node) -> dict[str, str]:
    is_process = node.role == "process"
    note = node.note + (f" x{node.count}" if node.count > 1 and not is_process else "")
    found = {
        "label": f"{node.label}\n{note}",
        "tooltip": node.key,
        "shape": "box" if is_process else "ellipse",
        "color": COLOURS[node.state] if is_process or node.state else "#b5b9be",
        "fillcolor": FILLS.get(node.state, "#e3ecf8" if is_process else "#ffffff"),
    }
    return found | ({"penwidth": "2"} if node.state == "stuck" else {})


def _of_link(link: Link, nodes: dict[str, Node]) -> dict[str, str]:
    direction = DIRECTIONS[link.flow] if link.leads else TURNED.get(link.flow, DIRECTIONS[link.flow])
    found = {"dir": direction, "tooltip": sentence(link, nodes)}
    if not link.sure:
        found["style"] = "dashed"
    if link.stuck:
        found |= {"color": COLOURS["stuck"], "penwidth": "2.2"}
    elif link.waiting and link.flow == "to" and nodes[link.process].state:
        found |= {"color": COLOURS["waits"]}
    return found


def _attributes(found: dict[str, str]) -> str:
    return ", ".join(f"{name}={_quoted(value)}" for name, value in found.items())


def _quoted(text: str) -> str:
    """Graphviz reads a backslash and what follows as a sign of its own, and a newline as one."""
    lines = [clean(line).replace("\\", "\\\\").replace('"', '\\"') for line in text.split("\n")]
    return '"' + "\\n".join(lines) + '"'
