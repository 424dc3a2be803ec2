"""``ipc who``: who holds, reads, writes, maps or waits for a thing."""

from __future__ import annotations

import click

from .main import printable
from .seeing import plain


@click.command()
@click.argument("thing")
@click.option(
    "--json", "as_json", is_flag=True, help="Print a list of objects: pid, command, how, kind, id, sure, detail."
)
def who(thing: str, as_json: bool) -> None:
    """Print who has to do with THING, whatever it is called: who holds, reads, writes, maps or waits for it.

    THING: a path; a key ("0x4b1d"); an id, or the inode number of a pipe or socket; "kind:id" as `ipc ls` prints it;
    "pid:fd"; the name of a POSIX object ("/name"), channel, memory file or abstract socket ("@name").

    "likely" is said where the kernel does not tell: of a System V semaphore only who changed it last. Processes of
    others that you may not look into are not listed.

    \b
    Examples:
      ipc who /run/app.lock
      ipc who 0x4b1d
      ipc who 1234:5
      ipc who channel:frames

    Exit status: 0 if somebody has, 1 if nobody who can be seen has, or there is no such thing. See also fuser(1).
    """  # noqa: D301
    from ..inspector import who as edges_of
    from .render import print_json, print_table

    edges = edges_of(thing)
    if as_json:
        print_json([plain(edge) for edge in edges])
    elif edges:
        lines = [
            (str(e.pid), e.command, e.how, f"{e.kind}:{plain(e.id)}", "" if e.sure else "likely", e.detail)
            for e in edges
        ]
        print_table(
            ("pid", "command", "how", "what", "", "more"),
            [tuple(printable(cell) for cell in line) for line in lines],
            right=frozenset({"pid"}),
        )
    if not edges:
        click.echo(f"ipc: {printable(thing)} exists, and nobody who can be seen from here uses it", err=True)
        raise click.exceptions.Exit(1)
