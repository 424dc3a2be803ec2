"""``ipc sig``: signals with values: send, wait; what a process does with its own; the table of all."""

from __future__ import annotations

import os

import click

from .signal_table import NEVER_CAUGHT, name_of, number_of, rows
from .words import SECONDS, Number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from ..signals import SignalInfo

EPILOG = """\b
Examples:
  ipc sig table                          all signals: default action, catchable, standard or real-time
  ipc sig show $$                        what this shell blocks, ignores and catches
  ipc sig wait USR1 RTMIN+3 --json &     print the next one of these, with its value and who sent it
  ipc sig send RTMIN+3 $! --value 42

\b
See signal(7), sigqueue(3), signalfd(2), proc_pid_status(5).
"""


class Signal(click.ParamType[int]):
    """A signal by name or number."""

    name = "SIGNAL"

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read it."""
        try:
            return value if isinstance(value, int) else number_of(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Their names."""
        from click.shell_completion import CompletionItem

        names = [(str(row["name"]).removeprefix("SIG"), str(row["meaning"])) for row in rows()]
        wanted = incomplete.upper().removeprefix("SIG")
        return [CompletionItem(name, help=meaning) for name, meaning in names if name.startswith(wanted)]


@click.group(epilog=EPILOG)
def sig() -> None:
    """Signals: send them with a value, wait for them, see what a process does with them."""


@sig.command(context_settings={"ignore_unknown_options": True})
@click.option("--value", type=Number(), help="An int of 32 bits that goes with it (sigqueue(3)).")
@click.argument("signal", type=Signal())
@click.argument("pids", type=int, nargs=-1, required=True, metavar="PID...")
@click.pass_context
def send(ctx: click.Context, value: int | None, signal: int, pids: tuple[int, ...]) -> None:
    """Send SIGNAL to each PID; a negative one is a process group, as for kill(1). -- sigqueue(3), kill(2)

    Exit status: 0 all were sent; 1 one of them was refused.
    """
    from .. import signals
    from .main import explain

    refused = False
    for pid in pids:
        try:
            signals.send(pid, signal, value)
        except (OSError, ValueError) as error:
            click.echo(f"ipc sig: {pid}: {explain(error)}", err=True)
            refused = True
    if refused:
        ctx.exit(1)


@sig.command()
@click.option("-w", "--timeout", type=SECONDS, metavar="SECONDS", help="Wait so long at most for each.")
@click.option("--count", type=click.IntRange(min=1), default=1, show_default=True, metavar="N", help="End after N.")
@click.option("--follow", is_flag=True, help="Do not end.")
@click.option("-v", "--verbose", is_flag=True, help="Tell on stderr when we are ready, and our pid.")
@click.option("--json", "as_json", is_flag=True, help="A line of JSON for each.")
@click.argument("wanted", type=Signal(), nargs=-1, required=True, metavar="SIGNAL...")
def wait(
    timeout: float | None, count: int, follow: bool, verbose: bool, as_json: bool, wanted: tuple[int, ...]
) -> None:
    """Wait for one of the SIGNALs; print its name, who sent it (pid, uid) and its value. -- signalfd(2)

    Until we are ready (--verbose tells) they do what they do by default: most end us.

    Exit status: 0; 1 refused (KILL and STOP cannot be waited for); 124 the time was up; 130 Ctrl-C.
    """
    from ..signals import SignalStream

    if hopeless := NEVER_CAUGHT.intersection(wanted):
        raise ValueError(f"SIG{name_of(min(hopeless))} cannot be waited for: the kernel acts on it at once")
    with SignalStream(*wanted) as stream:
        if verbose:
            click.echo(f"ipc: process {os.getpid()} waits", err=True)
        while follow or count:
            _print(stream.receive(timeout), as_json)
            count -= 1


def _print(info: SignalInfo, as_json: bool) -> None:
    import json

    facts = {"signal": f"SIG{name_of(info.signal)}", "pid": info.pid, "uid": info.uid, "value": info.value}
    click.echo(json.dumps(facts) if as_json else " ".join(map(str, facts.values())))


@sig.command()
@click.option("--json", "as_json", is_flag=True, help="Print a list of objects.")
@click.argument("pids", type=click.IntRange(min=1), nargs=-1, required=True, metavar="PID...")
def show(as_json: bool, pids: tuple[int, ...]) -> None:
    """Tell which signals each PID blocks, ignores and catches, and which wait for it. -- proc_pid_status(5)

    No privileges are needed, whoever's process it is. Blocked: of its main thread.
    """
    from ..signals import state_of
    from .render import print_json, print_table

    table = []
    for pid in pids:
        state = state_of(pid)
        for name in ("blocked", "ignored", "caught", "pending"):
            found = [f"SIG{name_of(each)}" for each in sorted(getattr(state, name))]
            table.append((pid, name, found))
    if as_json:
        print_json([{"pid": pid} | {name: found for each, name, found in table if each == pid} for pid in pids])
    else:
        print_table(("pid", "state", "signals"), [(str(pid), name, " ".join(found)) for pid, name, found in table])


@sig.command()
@click.option("--json", "as_json", is_flag=True, help="Print a list of objects.")
def table(as_json: bool) -> None:
    """Every signal: number, name, default action, whether it can be caught, standard or real-time. -- signal(7)"""
    from .render import print_json, print_table

    found = rows()
    if as_json:
        print_json(found)
    else:
        shown = [[("yes" if each else "no") if isinstance(each, bool) else str(each) for each in row.values()]
                 for row in found]  # fmt: skip
        print_table(tuple(found[0]), shown, frozenset(("number",)))
