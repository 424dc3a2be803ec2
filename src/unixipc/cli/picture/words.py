"""The words of the picture: what a link says, what was left out, what the signs mean."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .model import Link, Node, Picture

__all__ = ["LEGEND", "clean", "facts_of", "heading", "left_out", "sentence", "state_of"]

UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
"""What XML does not allow, and what would turn the text around it."""

LEGEND = (
    ("process", "a process, or several that are alike"),
    ("object", "an object: what they talk through"),
    ("flow", "data goes this way; from a lock to who has it"),
    ("waiting", "waits there now"),
    ("blocked", "waits for what somebody has"),
    ("stuck", "waits in a circle"),
    ("likely", "only likely"),
)
"""The signs: which, and what they mean."""


def clean(text: str) -> str:
    """With a sign in place of what cannot be shown."""
    return UNSEEN.sub("\N{REPLACEMENT CHARACTER}", text)


def heading(picture: Picture) -> str:
    """What it is a picture of."""
    processes = sum(node.count for node in picture.nodes if node.role == "process")
    objects = sum(len(node.members) for node in picture.nodes if node.role == "object")
    what = f"{picture.host}: {_count(processes, 'process', 'es')}, {_count(objects, 'object')}"
    return f"{what} ({picture.scope})" if picture.scope else what


def left_out(picture: Picture) -> str:
    """What is not in it, "" if nothing."""
    parts = []
    if picture.folded:
        parts.append(f"{_count(picture.folded, 'object')} that join nobody, shown by --all")
    if picture.ended:
        parts.append(f"{_count(picture.ended, 'process', 'es')} that ended, shown by --all")
    if picture.hidden:
        parts.append(f"what {_count(picture.hidden, 'process', 'es')} of other users do, which root may see")
    return f"left out: {'; '.join(parts)}" if parts else ""


def sentence(link: Link, nodes: dict[str, Node]) -> str:
    """What the link says."""
    process, thing = nodes[link.process], nodes[link.thing]
    many = process.count > 1
    verbs = " and ".join(_plural(how) if many else how for how in link.hows)
    what = f"{thing.kind} {thing.label}" if thing.role == "object" else f"{thing.label} ({thing.note})"
    more = ", likely" if not link.sure else ""
    return f"{process.label} ({process.note}) {verbs} {what}{more}"


def _plural(how: str) -> str:
    return "wait for" if how == "waits for" else how.removesuffix("s")


def state_of(node: Node) -> str:
    """Its state in words, "" if it is nothing special."""
    if node.state == "waits":
        return "waits for somebody"
    if node.state == "stuck":
        return "part of a circle of waits" if node.role == "process" else "what a circle waits for"
    return "has ended" if node.state == "ended" else ""


def facts_of(node: Node) -> list[tuple[str, str]]:
    """What is known of it, as names and values."""
    first = ("pid" if node.role == "process" else "kind", node.note)
    state = [("state", state_of(node))] if node.state else []
    return [first if node.count == 1 or node.role == "object" else ("count", node.note), *state, *node.facts]


def _count(number: int, what: str, more: str = "s") -> str:
    return f"{number} {what}{more if number != 1 else ''}"
