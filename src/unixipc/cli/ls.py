"""``ipc ls``: every object of this machine that processes talk through."""

from __future__ import annotations

import os

import click

from .main import printable
from .seeing import detail_of, name_of, owner_of, plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FAMILIES = ("sysv", "posix")
KINDS = (
    *("sysv-queue", "sysv-set", "sysv-segment", "posix-queue", "posix-semaphore", "posix-memory"),
    *("lock", "pipe", "fifo", "socket", "memfd", "channel", "topic", "robust", "mapping", "signals"),
)
"""As `unixipc.inspector.KINDS`, which takes longer to import than completion may."""


@click.command()
@click.argument("kinds", nargs=-1, metavar="[KIND]...", type=click.Choice((*FAMILIES, *KINDS)))
@click.option("--mine", is_flag=True, help="Only what belongs to you.")
@click.option("--orphans", is_flag=True, help="Only what nobody seems to use, and why; nothing is removed.")
@click.option("--json", "as_json", is_flag=True, help="Print a list of objects, every field of each row.")
def ls(kinds: tuple[str, ...], mine: bool, orphans: bool, as_json: bool) -> None:
    """List what processes talk through: System V and POSIX objects, locks, pipes, FIFOs, sockets, channels, memory.

    With KIND: only that, or that family (sysv, posix). `mapping` and `signals` are listed by name only.

    The fields of --json are those of the rows in the reference of `unixipc.inspector`: sizes in bytes, times in seconds
    since 1970, keys as "0x...".

    \b
    Examples:
      ipc ls sysv --mine
      ipc ls --orphans
      ipc ls socket --json | jq -r '.[].path'

    Exit status: 0, 2 if the command was not understood. See also lsipc(1), lslocks(8), lsfd(1), ss(8).
    """  # noqa: D301
    from ..inspector import ls as rows_of
    from ..inspector import orphans as all_orphans
    from .render import print_json, print_table

    rows: list[Any] = all_orphans() if orphans else [row for kind in kinds or (None,) for row in rows_of(kind)]
    if orphans and kinds:
        rows = [row for row in rows if any(kind in (row.kind, row.kind.partition("-")[0]) for kind in kinds)]
    if mine:
        rows = [row for row in rows if getattr(row, "owner_uid", None) == os.getuid()]
    if as_json:
        print_json([plain(row) for row in rows])
    elif orphans:
        print_table(("kind", "id", "name", "owner", "how sure", "why"), [_printable(_orphan(row)) for row in rows])
    else:
        print_table(
            ("kind", "id", "name", "owner", "now"), [_printable((*_object(row), detail_of(row))) for row in rows]
        )


def _object(row: Any) -> tuple[str, ...]:
    return row.kind, str(plain(row.id)), name_of(row), owner_of(row)


def _orphan(row: Any) -> tuple[str, ...]:
    return (*_object(row), row.certainty, row.why)


def _printable(line: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(printable(cell) for cell in line)
