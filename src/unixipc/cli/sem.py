"""``ipc sem URL [ACTION]``: look at a semaphore, acquire, release, or run a command while it is held."""

from __future__ import annotations

import signal
import sys

import click

from .running import run
from .words import SECONDS, Number, Url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    from .. import posix, sysv
    from .addresses import Address

    Semaphore: TypeAlias = posix.Semaphore | sysv.Semaphore

EPILOG = """\b
Examples:
  ipc mk sysv-set 0x4b1d --values 2            two at once
  ipc sem sysv:0x4b1d hold -- make -C part1    ... may do this
  ipc sem sysv:0x4b1d                          the values, and who waits
  ipc sem posix:/ready acquire --timeout 5 && echo ready
  ipc sem posix:/ready release

\b
See semop(2), sem_overview(7), sem_post(3), sem_wait(3); ipc lock --help.
"""


@click.command(epilog=EPILOG)
@click.option("-i", "--index", type=Number(), default="0", show_default=True, help="sysv: which one of the set.")
@click.option("-n", "--number", "n", type=click.IntRange(min=1), default=1, show_default=True,
              help="sysv: acquire, release or hold so many in one step.")  # fmt: skip
@click.option("-w", "--timeout", type=SECONDS, metavar="SECONDS", help="Wait so long at most.")
@click.option("--nonblock", is_flag=True, help="Do not wait: exit status 1 if it is not possible now.")
@click.option("--json", "as_json", is_flag=True, help="Without ACTION: print a list of objects.")
@click.argument("url", type=Url("sysv", "posix"))
@click.argument("action", required=False, type=click.Choice(["value", "acquire", "release", "zero", "hold"]))
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[VALUE | -- COMMAND...]")
def sem(
    index: int, n: int, timeout: float | None, nonblock: bool, as_json: bool,
    url: Address, action: str | None, words: tuple[str, ...],
) -> None:  # fmt: skip
    """Do ACTION with the semaphore at URL: sysv:KEY, sysv:id=N (a set), or posix:/NAME. Without one: list its values.

    \b
    value          print its value
    value VALUE    set it (sysv; for repairs: every process's undo is forgotten)
    acquire        take one, waiting for it; nobody gives it back but release
    release        give one
    zero           wait until its value is 0 (sysv)
    hold COMMAND   acquire, run COMMAND, release; its exit status is ours

    If ipc is killed while it holds a System V semaphore, the kernel gives it back and COMMAND gets SIGTERM. A POSIX
    semaphore that a killed process held is gone for ever.

    Exit status: 0; 1 refused, or not possible now (--nonblock); 2 not understood; 124 the time was up; 130 Ctrl-C;
    that of COMMAND (128 + n if signal n ended it, 126 and 127 if it could not be started).
    """  # noqa: D301 (the \b is for click)
    if words and action not in ("value", "hold"):
        raise click.UsageError(f"{action} takes no further words")
    limit = 0 if nonblock else timeout
    try:
        if url.scheme == "sysv":
            status = _with_set(url, index, n, limit, action, words, as_json)
        else:
            if index or n != 1 or action == "zero" or (action == "value" and words):
                raise click.UsageError("that is for System V sets: a POSIX semaphore is one, and cannot be set")
            status = _with_posix(url, limit, action, words, as_json)
    except TimeoutError:
        if not nonblock:
            raise
        click.echo(f"ipc sem: {url}: not possible now", err=True)
        status = 1
    sys.exit(status)


def _with_set(
    url: Address, index: int, n: int, limit: float | None, action: str | None, words: tuple[str, ...], as_json: bool
) -> int:
    from ..sysv import SemaphoreSet

    with SemaphoreSet(url.id or 0) if url.key is None else SemaphoreSet.open(url.key) as found:
        if action is None:
            _show_set(found, as_json)
            return 0
        try:
            one = found[index]
        except IndexError as error:
            raise ValueError(str(error)) from None
        if action == "value" and words:
            one.value = _value(words)
        elif action == "zero":
            one.wait_zero(limit)
        elif action == "acquire":
            one.acquire(n, timeout=limit)
        elif action == "release":
            one.release(n)
        elif action == "hold":
            with one.hold(n, timeout=limit):
                return run("sem", _command(words), death_signal=signal.SIGTERM)
        else:
            click.echo(one.value)
    return 0


def _with_posix(url: Address, limit: float | None, action: str | None, words: tuple[str, ...], as_json: bool) -> int:
    from ..posix import Semaphore

    with Semaphore.open(url.name) as one:
        if action == "acquire":
            one.acquire(limit)
        elif action == "release":
            one.release()
        elif action == "hold":
            with one.hold(limit):
                return run("sem", _command(words))
        elif as_json and action is None:
            _print([{"index": 0, "value": one.value}], as_json)
        else:
            click.echo(one.value)
    return 0


def _value(words: tuple[str, ...]) -> int:
    if len(words) != 1:
        raise click.UsageError("value takes one number")
    return Number().convert(words[0], None, None)


def _command(words: tuple[str, ...]) -> tuple[str, ...]:
    command = words[1:] if words[:1] == ("--",) else words
    if not command:
        raise click.UsageError("hold needs a COMMAND")
    return command


def _show_set(found: sysv.SemaphoreSet, as_json: bool) -> None:
    names = ("value", "waiters", "zero_waiters", "last_pid")
    _print([{"index": one.index, **{name: getattr(one, name) for name in names}} for one in found], as_json)


def _print(rows: list[dict[str, int]], as_json: bool) -> None:
    from .render import print_json, print_table

    if as_json:
        print_json(rows)
    else:
        headings = tuple(rows[0])
        shown = [tuple(str(value) for value in row.values()) for row in rows]
        print_table([each.replace("_", " ") for each in headings], shown,
                    frozenset(each.replace("_", " ") for each in headings))  # fmt: skip
