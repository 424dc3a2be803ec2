"""``ipc lock FILE -- COMMAND ...``: run a command while a file is locked, as flock(1) does."""

from __future__ import annotations

import sys

import click

from .main import explain
from .running import run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..locks import FileLock, Holder, RecordLock

    Lock = FileLock | RecordLock


class Range(click.ParamType[tuple[int, int]]):
    """START:LENGTH."""

    name = "START:LENGTH"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """Two numbers; no LENGTH, or 0: to the end."""
        start, _, length = value.partition(":")
        try:
            return int(start), int(length or 0)
        except ValueError:
            self.fail(f"{value!r} is not START:LENGTH", param, ctx)


@click.command(context_settings={"ignore_unknown_options": False, "allow_interspersed_args": False})
@click.option("-s", "--shared", is_flag=True, help="Others may share the lock.")
@click.option("-w", "--timeout", type=click.FloatRange(min=0), metavar="SECONDS", help="Wait so long at most.")
@click.option("-n", "--nonblock", is_flag=True, help="Do not wait.")
@click.option("-r", "--range", "span", type=Range(), help="A record lock on these bytes.")
@click.option("-E", "--conflict-exit-code", "conflict", type=click.IntRange(0, 255), default=1, show_default=True,
              help="The exit status if somebody else holds it.")  # fmt: skip
@click.option("-o", "--close", is_flag=True,
              help="COMMAND does not get the descriptor: should we be killed, nobody has the lock.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Without COMMAND: the holders as JSON.")
@click.argument("file", type=click.Path())
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def lock(
    shared: bool,
    timeout: float | None,
    nonblock: bool,
    span: tuple[int, int] | None,
    conflict: int,
    close: bool,
    as_json: bool,
    file: str,
    command: tuple[str, ...],
) -> None:
    """Run COMMAND while FILE is locked; its exit status is ours (128 + n if signal n ended it).

    When COMMAND has ended the lock is gone, whatever it has left running. If we are killed, COMMAND keeps it (but with
    --close).

    Without COMMAND: print who holds locks on FILE; the status is 0 if we could lock it now.
    """
    if command[:1] == ("--",):
        command = command[1:]
    made = _make(file, span, shared, create=bool(command))
    if not command:
        sys.exit(_show(made, conflict, as_json))
    if not _acquired(made, 0 if nonblock else timeout):
        sys.exit(conflict)
    # It inherits the opening: should we be killed, the lock is held until the command has ended, as with flock(1).
    status = run("lock", command, {} if close else {made.fileno(): made})
    made.close()  # which unlocks it, also for what the command has left running with the opening
    sys.exit(status)


def _make(file: str, span: tuple[int, int] | None, shared: bool, create: bool) -> Lock:
    from ..locks import FileLock, RecordLock

    mode = 0o666 if create else -1  # less the umask, as flock(1)
    if span is not None:
        return RecordLock(file, *span, shared=shared, mode=mode)
    return FileLock(file, shared=shared, mode=mode)


def _acquired(made: Lock, timeout: float | None) -> bool:
    """Whether we have it; on a conflict who has it is told."""
    try:
        made.acquire(timeout)
    except TimeoutError as error:
        click.echo(f"ipc lock: {explain(error)}", err=True)
        return False
    return True


def _show(made: Lock, conflict: int, as_json: bool) -> int:
    """Print who holds it: 0 if we could have it, else the status of a conflict."""
    holders = made.holders()
    free = made.try_acquire()
    made.close()
    if as_json:
        import json

        click.echo(json.dumps([{name: getattr(each, name) for name in FIELDS} for each in holders]))
    else:
        _print(holders, free)
    return 0 if free else conflict


FIELDS = ("pid", "kind", "shared", "start", "length")


def _print(holders: list[Holder], free: bool) -> None:
    from .render import print_table

    rows = [_row(each) for each in holders]
    if rows:
        print_table(("pid", "kind", "how", "start", "length"), rows)
    elif not free:
        print("somebody holds it who cannot be seen from here")


def _row(holder: Holder) -> tuple[str, ...]:
    how = "shared" if holder.shared else "alone"
    return str(holder.pid or "?"), holder.kind, how, str(holder.start), str(holder.length or "to the end")
