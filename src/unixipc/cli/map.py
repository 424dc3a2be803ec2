"""``ipc map``: who talks to whom and who waits for whom, as a picture."""

from __future__ import annotations

import os
import sys

import click

from .choices import Kind, Thing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..inspector import Graph
    from .picture.model import Picture

FORMATS = ("html", "svg", "dot", "json")
MOST = 1000
"""More nodes than this are no picture any more, and the layout would take long."""


NAMED = 4
"""So many of the things that were asked for are in the heading."""


@click.command()
@click.argument("things", nargs=-1, metavar="[THING]...", type=Thing())
@click.option("--depth", type=click.IntRange(0, 99), default=2, show_default=True, help="THING: so many steps away.")
@click.option("--kind", "kinds", multiple=True, metavar="KIND", type=Kind(),
              help="Only objects of this kind or family, as in ipc ls; may be given several times.")  # fmt: skip
@click.option("--mine", is_flag=True, help="Only my processes, what they use, and who else uses that.")
@click.option("--waits", is_flag=True, help="Only who waits for what somebody has, and circles.")
@click.option("--all", "everything", is_flag=True, help="Fold nothing: every object, each process by itself.")
@click.option("-o", "--output", metavar="FILE", type=click.Path(dir_okay=False),
              help="Write it there; its ending says the format. -: stdout.")  # fmt: skip
@click.option("--format", "form", type=click.Choice(FORMATS), help="The format, if the ending of FILE does not say it.")
@click.option("--open", "show", is_flag=True, help="Open the page in a browser.")
@click.option("--json", "as_json", is_flag=True, help="Print nodes, links and circles; as --format json.")
def map(things: tuple[str, ...], output: str | None, form: str | None, show: bool, as_json: bool, **scope: Any) -> None:
    """Draw who talks to whom: processes, what they hold, read, write, map and wait for, circles in red.

    With THING (a pid, a command, or whatever `ipc who` understands): its neighbourhood. At a terminal a page for the
    browser is written to a new file, whose name is printed; into a pipe goes DOT, for Graphviz.

    A pipeline reads from left to right: who writes, what, who reads; who waits for a lock, the lock, who has it. A dot
    at a process: it waits there now. Dashed: only likely. Processes that are alike are one box with their number,
    objects that join nobody are left out; what was left out is said.

    \b
    Examples:
      ipc map --open
      ipc map nginx --depth 1 -o nginx.svg
      ipc map --waits -o waits.html
      ipc map | dot -Tpdf -o map.pdf

    Exit status: 0, 1 if there is no such thing or the file cannot be written, 2 if the command was not understood.
    See also lsfd(1), dot(1).
    """  # noqa: D301
    wanted = _format(output, "json" if as_json else form, show)
    if show and wanted != "html":
        raise click.UsageError("--open shows a page: it goes with --format html")
    picture = _picture(things, **scope)
    text = _rendered(picture, wanted)
    _told(picture)
    place = _write(text, output, wanted, show)
    if show and place:
        import webbrowser

        if not webbrowser.open(f"file://{os.path.abspath(place)}"):
            raise FileNotFoundError(2, "no browser was found to open it with", place)


def _format(output: str | None, form: str | None, show: bool) -> str:
    ending = os.path.splitext(output or "")[1][1:].lower()
    ending = {"htm": "html", "gv": "dot"}.get(ending, ending)
    if form:
        return form
    if output not in (None, "-"):
        if ending not in FORMATS:
            raise click.UsageError(f"{output}: end its name in .html, .svg, .dot or .json, or say --format")
        return ending
    return "html" if show or (output is None and sys.stdout.isatty()) else "dot"


def _picture(
    things: tuple[str, ...], depth: int, kinds: tuple[str, ...], mine: bool, waits: bool, everything: bool
) -> Picture:
    from ..inspector import graph
    from .picture import folding, scope
    from .picture.model import picture_of
    from .picture.ties import ties_of

    seen = graph()
    ties = ties_of(seen)
    scope.without_us(ties)
    middle = scope.meant(ties, {each: key for key, thing in ties.things.items() for each in thing.ids}, things)
    ended = 0 if everything else folding.fold_ended(ties, middle)
    folded = 0 if everything else folding.fold_own(ties, middle)
    if kinds:
        scope.of_kinds(ties, kinds)
    if mine:
        scope.of_mine(ties)
    if waits:
        scope.who_waits(ties)
    if things:
        scope.around(ties, middle, depth)
    told = _scope(things, depth, kinds, mine, waits)
    return picture_of(seen, ties, middle, not everything, folded=folded, ended=ended, scope=told, **_here(seen))


def _scope(things: tuple[str, ...], depth: int, kinds: tuple[str, ...], mine: bool, waits: bool) -> str:
    from .main import printable

    shown = [printable(each) for each in things[:NAMED]]
    shown += [f"{len(things) - NAMED} more"] if len(things) > NAMED else []
    parts = [f"{', '.join(shown)} and {depth} step{'s' * (depth != 1)} around"] if things else []
    parts += [", ".join(kinds)] if kinds else []
    parts += ["mine"] if mine else []
    return "; ".join([*parts, "who waits"] if waits else parts)


def _here(seen: Graph) -> dict[str, Any]:
    import time

    return {
        "host": os.uname().nodename,
        "time": time.strftime("%Y-%m-%d %H:%M:%S %z"),
        "hidden": len(seen.hidden),
    }


def _rendered(picture: Picture, wanted: str) -> str:
    if wanted == "dot":
        from .picture.dot import dot

        return dot(picture)
    if wanted == "json":
        import json

        from .seeing import plain

        return json.dumps(plain(picture), indent=2) + "\n"
    if len(picture.nodes) > MOST:
        from .picture.layout import WAY_OUT

        raise ValueError(f"{len(picture.nodes)} nodes are too many for a picture. {WAY_OUT}")
    return _drawn(picture, wanted)


def _drawn(picture: Picture, wanted: str) -> str:
    try:
        from .picture.layout import layout_of

        layout = layout_of(picture)
    except ImportError:
        raise ValueError(
            'the layout needs graphlay: pip install "unixipc[cli]"; without it, ipc map --format dot | dot -Tsvg'
        ) from None
    if wanted == "svg":
        from .picture.svg import standalone

        return standalone(picture, layout)
    from .picture.page import page

    return page(picture, layout)


def _told(picture: Picture) -> None:
    """What is in it, and what not, on stderr."""
    from .picture.words import clean, heading, left_out

    empty = "" if picture.nodes else "nobody in this part has to do with anybody else; --all shows everything"
    lines = [heading(picture), empty, *(circle.text for circle in picture.circles), left_out(picture)]
    for line in lines:
        if line:
            click.echo(f"ipc: {clean(line)}", err=True)


def _write(text: str, output: str | None, wanted: str, show: bool) -> str | None:
    """Where to; its path, if that is a file."""
    if output is None and wanted == "html" and (show or sys.stdout.isatty()):
        import tempfile

        number, output = tempfile.mkstemp(prefix="ipc-map-", suffix=".html")
        os.close(number)
        click.echo(output)
    if output in (None, "-"):
        sys.stdout.write(text)
        return None
    with open(output, "w", encoding="utf-8") as file:
        file.write(text)
    return output
