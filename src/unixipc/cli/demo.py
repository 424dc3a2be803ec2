"""``ipc demo NAME``: our twins of the programs of Beej's Guide to Unix IPC, and more: the folder `examples`."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import click

TYPE_CHECKING = False
if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

PLACES = (Path(__file__).parents[1] / "examples", Path(__file__).parents[3] / "examples")
"""Where the sources are: beside the installed package; in the checkout, for an editable install."""


def programs() -> dict[str, Path]:
    """Every program's source by name, in the order of the guide's chapters; then what it does not have."""
    for place in PLACES:
        if found := sorted(place.glob("*/*.py")):
            return {source.stem: source for source in found}
    raise FileNotFoundError("the folder with the examples is not installed")


def summary(source: Path) -> str:
    """The first line of the program's docstring."""
    return (ast.get_docstring(ast.parse(source.read_text())) or "").partition("\n")[0]


def _complete(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    fitting = {name: path for name, path in programs().items() if name.startswith(incomplete)}
    return [CompletionItem(name, help=summary(path)) for name, path in fitting.items()]


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("name", required=False, shell_complete=_complete)
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
@click.option("--list", "as_list", is_flag=True, help="List the programs, a line each.")
@click.option("--source", is_flag=True, help="Print the program instead of running it.")
def demo(name: str | None, args: tuple[str, ...], as_list: bool, source: bool) -> None:
    """Run our twin of a program of Beej's Guide to Unix IPC, or another example. Without NAME, list them.

    speak and tick, kirk and spock, echos and echoc are pairs: run them in two terminals.
    """
    known = programs()
    if name is None or as_list:
        _list(known)
    elif name not in known:
        raise click.BadParameter(f"{name!r} is not one of {', '.join(known)}", param_hint="NAME")
    elif source:
        click.echo(known[name].read_text(), nl=False)
    else:
        _run(known[name], args)


def _list(known: dict[str, Path]) -> None:
    from .render import print_table

    rows = [(path.parent.name[:2], name, summary(path)) for name, path in known.items()]
    print_table(("chapter", "program", "what it shows"), rows)


def _run(source: Path, args: tuple[str, ...]) -> None:
    import runpy

    sys.argv = [str(source), *args]
    runpy.run_path(str(source), run_name="__main__")
