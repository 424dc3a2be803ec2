"""``ipc why``: what processes wait for, who could end that, and who waits in a circle."""

from __future__ import annotations

import click

from .choices import Pid
from .main import printable
from .seeing import plain

EPILOG = """\b
Examples:
  ipc why 4711
  ipc why
  ipc why --json | jq '.cycles[].pids'
  ipc why > /dev/null || echo "somebody waits in a circle"

\b
Exit status: 0; 1 if a circle was found, or there is no such process; 2 if the command was not understood.
What could not be seen is one line on stderr.

\b
See ipc who, ipc ls; proc_pid_syscall(5), proc_locks(5), ps(1) (WCHAN), ptrace(2).
"""


@click.command(epilog=EPILOG)
@click.argument("pid", type=Pid(), required=False)
@click.option("--json", "as_json", is_flag=True, help="Print an object with the lists waits, cycles and hidden.")
def why(pid: int | None, as_json: bool) -> None:
    """Print what the process PID waits for and who could end that; without PID every wait for others, and every circle.

    A line a wait: who, what it does, for what, and who could end it; "?" behind a name that is only likely. A circle is
    found across mechanisms: a process that waits for a semaphore whose holder waits for a file lock, and so on.

    Your own processes need no root, unless kernel.yama.ptrace_scope says so. Who waits for which flock or POSIX lock is
    seen of everybody.
    """
    from ..inspector import why as ask
    from .hidden import hidden_line
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
    hidden_line(found.hidden, "why" if pid is None else f"why {pid}", "what they wait for is not known")
    if found.cycles:
        raise click.exceptions.Exit(1)
