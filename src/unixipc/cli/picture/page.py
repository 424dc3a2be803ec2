"""The picture as one page that asks nobody for anything: the drawing, the facts as JSON, our style and our script.

What comes from the machine is escaped, and the page's own policy lets no other script or style in.
"""

from __future__ import annotations

import json
from base64 import b64encode
from hashlib import sha256
from html import escape

from .svg import SIGNS, STYLE, drawing, style
from .words import LEGEND, clean, facts_of, heading, left_out, sentence, state_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .layout import Layout
    from .model import Picture

__all__ = ["page"]

CANNOT_BE = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"})
"""Inside of a script element nothing may look like its end."""


def page(picture: Picture, layout: Layout) -> str:
    """The whole page as HTML."""
    css, script = style(STYLE) + style("page.css"), style("page.js")
    policy = (
        f"default-src 'none'; style-src {_hash(css)}; script-src {_hash(script)}; base-uri 'none'; form-action 'none'"
    )
    parts = {
        "policy": policy,
        "title": escape(clean(f"ipc map of {picture.host}")),
        "css": css,
        "heading": escape(clean(heading(picture))),
        "time": escape(picture.time),
        "left_out": escape(clean(left_out(picture))),
        "drawing": drawing(picture, layout),
        "legend": _legend(),
        "facts": json.dumps(_facts(picture)).translate(CANNOT_BE),
        "script": script,
    }
    text = style("page.html")
    head, *pieces = text.split("{{")  # not one after the other: a value may hold what looks like a place
    found = [head]
    for piece in pieces:
        name, _end, rest = piece.partition("}}")
        found += [parts[name], rest]
    return "".join(found)


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def _legend() -> str:
    opening = '<svg class="map sign" width="30" height="18" viewBox="-2 -10 30 19" aria-hidden="true">'
    return "".join(f"<li>{opening}{SIGNS[name]}</svg> {escape(meaning)}</li>" for name, meaning in LEGEND)


def _facts(picture: Picture) -> dict[str, Any]:
    """What the script needs to know: nodes, links and circles, with words for people."""
    nodes = {node.key: node for node in picture.nodes}
    return {
        "nodes": [
            {
                "key": clean(node.key),
                "role": node.role,
                "kind": node.kind,
                "label": clean(node.label),
                "note": node.note,
                "state": node.state,
                "told": state_of(node),
                "members": [clean(each) for each in node.members],
                "facts": [[name, clean(value)] for name, value in facts_of(node) if name != "state"],
            }
            for node in picture.nodes
        ],
        "links": [
            {
                "process": clean(link.process),
                "thing": clean(link.thing),
                "hows": link.hows,
                "flow": link.flow,
                "leads": link.leads,
                "stuck": link.stuck,
                "sure": link.sure,
                "sentence": clean(sentence(link, nodes)),
                "details": [clean(each) for each in link.details],
            }
            for link in picture.links
        ],
        "circles": [
            {
                "sure": each.sure,
                "steps": [clean(step) for step in each.steps],
                "keys": [clean(key) for key in each.keys],
            }
            for each in picture.circles
        ],
    }
