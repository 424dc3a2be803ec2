"""``ipc watch``: what processes talk through, live: on the whole screen, or a line of JSON a look."""

from __future__ import annotations

import click

from .choices import Kind, Pid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .screen.looking import Look, Wanted


@click.command()
@click.argument("kinds", nargs=-1, metavar="[KIND]...", type=Kind())
@click.option("--interval", default=1.0, show_default=True, metavar="SECONDS", type=click.FloatRange(0.1, 86400),
              help="From one look to the next; longer if a look costs more than a third of it.")  # fmt: skip
@click.option("--mine", is_flag=True, help="Only what belongs to you, or a process of yours has.")
@click.option("--pid", "pids", multiple=True, metavar="PID", type=Pid(),
              help="Only what this process has to do with, and who else; may be given several times.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="No screen: print an object for each look, one a line.")
@click.option("--count", metavar="LOOKS", type=click.IntRange(min=1), help="With --json: end after so many.")
def watch(
    kinds: tuple[str, ...], interval: float, mine: bool, pids: tuple[int, ...], as_json: bool, count: int | None
) -> None:
    """Watch what processes talk through, who waits for whom, and what was left behind, on the whole screen.

    With KIND: only that, or that family (sysv, posix). Four sheets: objects, with the rates of channels and how queues
    grow; waits, circles first; orphans; processes. Below them every field of the chosen line, and who has to do with
    it: Enter follows, Esc comes back. Press ? for all keys. Nothing is ever removed.

    An object of --json has the lists objects (the fields of `ipc ls --json`, and "since": what is new since the look
    before: new, changed, and growth, in, out, lost in a second, null at the first look), gone, waits (with "for_s"),
    cycles, orphans, edges; and at, took_s, processes (names by pid) and hidden.

    \b
    Examples:
      ipc watch
      ipc watch channel topic --interval 0.5
      ipc watch --json sysv-queue | jq -c '.objects[] | {key, messages}'
      ipc watch --json --count 1 | jq '.cycles'

    Exit status: 0; 1 without a terminal; 2 if not understood, or Textual is missing; 130 after Ctrl-C. See also top(1).
    """  # noqa: D301
    from .screen.looking import Wanted

    wanted = Wanted(kinds, mine, pids)
    if as_json:
        _print_looks(wanted, interval, count)
    elif count is not None:
        raise click.UsageError("--count goes with --json; the screen ends with q")
    else:
        raise click.exceptions.Exit(_show(wanted, interval))


def _show(wanted: Wanted, interval: float) -> int:
    from importlib.util import find_spec

    if find_spec("textual") is None:
        click.echo('ipc: the screen needs textual: pip install "unixipc[cli]"; or use ipc watch --json', err=True)
        return 2
    from .screen.terminal import why_not

    if reason := why_not():
        click.echo(f"ipc: no screen: {reason}; use ipc ls, or ipc watch --json --count 1", err=True)
        return 1
    from .screen.app import run

    return run(wanted, interval)


def _print_looks(wanted: Wanted, interval: float, count: int | None) -> None:
    """The clock goes on while a look is taken: the interval is from beginning to beginning."""
    import json
    import sys
    import time

    from .screen.looking import Looks, period_s

    looks, taken = Looks(wanted), 0
    while count is None or taken < count:
        began, cost = time.monotonic(), time.process_time()
        look = looks.take()
        sys.stdout.write(f"{json.dumps(_told(look))}\n")
        sys.stdout.flush()
        taken += 1
        if taken != count:
            due = began + period_s(interval, time.process_time() - cost)
            time.sleep(max(0.0, due - time.monotonic()))


def _told(look: Look) -> dict[str, Any]:
    from .screen.changes import key_of, wait_key
    from .seeing import plain

    since = look.changes
    return {
        "at": look.at,
        "took_s": round(look.took_s, 4),
        "objects": [plain(row) | {"since": plain(since.of[key_of(row)])} for row in look.objects],
        "gone": [plain(row) for row in since.gone],
        "waits": [plain(wait) | {"for_s": since.waiting_s[wait_key(wait)]} for wait in look.waits],
        "cycles": plain(look.cycles),
        "orphans": plain(look.orphans),
        "edges": plain(look.edges),
        "processes": plain(look.commands),
        "hidden": plain(look.hidden),
    }
