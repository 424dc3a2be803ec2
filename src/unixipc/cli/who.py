"""``ipc who``: who holds, reads, writes, maps or waits for a thing."""

from __future__ import annotations

import os

import click

from .choices import Thing
from .main import printable
from .seeing import plain

EPILOG = """\b
Examples:
  ipc who /run/app.lock                   a file, FIFO or socket by its path
  ipc who 0x4b1d                          a System V key
  ipc who q3                              a short id from `ipc ls`
  ipc who 1234:5                          whatever this process has as descriptor 5
  ipc who channel:frames
  ipc who /run/app.lock --json | jq -r '.[].pid'

\b
Exit status: 0 if somebody has; 1 if nobody who can be seen has, or there is no such thing, or the word
could be several; 2 if the command was not understood. What could not be seen is one line on stderr.

\b
See ipc ls, ipc why; fuser(1), lsof(8), lslocks(8), proc(5).
"""


@click.command(epilog=EPILOG)
@click.argument("thing", type=Thing())
@click.option("--no-headings", is_flag=True, help="Without the first line.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print a list of objects: pid, command, how, kind, id, sure, detail."
)
def who(thing: str, no_headings: bool, as_json: bool) -> None:
    """Print who has to do with THING, whatever it is called: who holds, reads, writes, maps or waits for it.

    THING: a path; a key ("0x4b1d"); an id, or the inode number of a pipe or socket; a short id, as `ipc ls` prints it;
    "kind:id"; "pid:fd"; the name of a POSIX object ("/name"), channel, memory file or abstract socket ("@name"). A word
    that is nothing of that is a file of this folder.

    One line for each process and what it does. "likely" is said where the kernel does not tell: of a System V
    semaphore only who changed it last. Processes of others that you may not look into are not listed.
    """
    from ..inspector.asking import asked_for, edges_about
    from ..inspector.procfs import snapshot
    from ..inspector.scene import Scene
    from .hidden import could_use, hidden_line
    from .render import print_json, print_rows

    scene = Scene(snapshot())
    try:
        rows, files = asked_for(scene, thing)
    except FileNotFoundError:
        if "/" in thing or not os.path.lexists(thing):
            raise
        rows, files = asked_for(scene, f"./{thing}")
    edges = edges_about(scene, rows, files)
    if as_json:
        print_json([plain(edge) for edge in edges])
    elif edges:
        lines = [
            (
                str(e.pid),
                e.command,
                e.how.partition(" ")[0],
                f"{e.kind}:{plain(e.id)}",
                "yes" if e.sure else "likely",
                e.detail,
            )
            for e in edges
        ]
        print_rows(
            ("pid", "command", "how", "what", "sure", "more"),
            [tuple(printable(cell) for cell in line) for line in lines],
            frozenset({"pid"}),
            titled=not no_headings,
        )
    else:
        click.echo(f"ipc: {printable(thing)} exists, and nobody who can be seen from here uses it", err=True)
    hidden_line(could_use(rows, files, scene.seen.hidden), f"who {thing}", "they could be among those who have it")
    if not edges:
        raise click.exceptions.Exit(1)
