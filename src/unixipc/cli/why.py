"""``ipc why``: what processes wait for, who could end that, and who waits in a circle."""

from __future__ import annotations

import click

from .main import printable
from .seeing import hidden_line, plain


@click.command()
@click.argument("pid", type=click.IntRange(min=1), required=False)
@click.option("--json", "as_json", is_flag=True, help="Print an object with the lists waits, cycles and hidden.")
def why(pid: int | None, as_json: bool) -> None:
    """Print what the process PID waits for and who could end that; without PID every wait for others, and every circle.

    A line a wait: who, what it does, for what, and who could end it; "?" behind a name that is only likely. A circle is
    found across mechanisms: a process that waits for a semaphore whose holder waits for a file lock, and so on.

    \b
    Examples:
      ipc why 4711
      ipc why
      ipc why --json | jq '.cycles'

    Exit status: 0, 1 if a circle was found or there is no such process.
    """  # noqa: D301
    from ..inspector import why as ask
    from .render import print_json

    found = ask(pid)
    if as_json:
        print_json(plain(found))
    else:
        for wait in found.waits:
            click.echo(printable(str(wait)))
        for cycle in found.cycles:
            click.secho(printable(str(cycle)), bold=True)
        if not found.waits:
            click.echo("nobody waits" if pid is None else f"{pid} waits for nothing")
        hidden_line(found.hidden)
    if found.cycles:
        raise click.exceptions.Exit(1)
