"""``ipc ipcs``: the System V objects of this IPC namespace, spelled and laid out as ipcs(1) of util-linux does it."""

from __future__ import annotations

import sys

import click

from .words import Number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .. import sysv

EPILOG = """\b
Examples:
  ipc ipcs                 everything
  ipc ipcs -m -p           segments, who made them and who used them last
  ipc ipcs -q -i 3         one queue in detail
  ipc ipcs -l --human      the limits
  ipc ipcs --json -s       sets as JSON

\b
See ipcs(1), lsipc(1), sysvipc(7); ipc rm --help.
"""
KINDS = ("queue", "segment", "set")


@click.command(epilog=EPILOG)
@click.option("-q", "--queues", is_flag=True, help="Message queues.")
@click.option("-m", "--shmems", "segments", is_flag=True, help="Shared memory segments.")
@click.option("-s", "--semaphores", "sets", is_flag=True, help="Semaphore sets.")
@click.option("-a", "--all", "everything", is_flag=True, help="All of them (the default).")
@click.option("-t", "--time", "view", flag_value="time", help="When they were used and changed.")
@click.option("-p", "--pid", "view", flag_value="pid", help="Which processes made them and used them last.")
@click.option("-c", "--creator", "view", flag_value="creator", help="Who made them and who owns them.")
@click.option("-l", "--limits", "view", flag_value="limits", help="The limits of this namespace.")
@click.option("-u", "--summary", "view", flag_value="summary", help="How much of it is used.")
@click.option("-i", "--id", "number", type=Number(), help="One object in detail; say which kind: -q, -m or -s.")
@click.option("--human", "unit", flag_value="human", help="Sizes with K, M, G (of 1024).")
@click.option("-b", "--bytes", "unit", flag_value="bytes", help="Sizes in bytes.")
@click.option("--json", "as_json", is_flag=True, help="Objects with all that is known, instead of columns.")
def ipcs(
    queues: bool, segments: bool, sets: bool, everything: bool, view: str | None, number: int | None,
    unit: str | None, as_json: bool,
) -> None:  # fmt: skip
    """List message queues, shared memory segments and semaphore sets, whoever owns them.

    Options and layout are those of ipcs(1), in every language's locale in English. With -i an id that is not there is
    exit status 1 (ipcs(1) says 0).

    Exit status: 0; 1 there is no such id, or it may not be read; 2 not understood.
    """
    chosen = [kind for kind, wanted in zip(KINDS, (queues, segments, sets), strict=True) if wanted or everything]
    if number is not None:
        if len(chosen) != 1:
            raise click.UsageError("with --id, say which kind it is: one of -q, -m and -s")
        sys.exit(_detail(chosen[0], number, unit, as_json))
    chosen = chosen or list(KINDS)
    if as_json:
        from .render import print_json

        print_json(_facts(chosen, view))
        return
    from .ipcs_text import SECTIONS

    for kind in chosen:
        print("\n" + SECTIONS[kind](view or "default", unit), end="")
    print()


def tables(kind: str) -> list[sysv.QueueStat] | list[sysv.MemoryStat] | list[sysv.SetStat]:
    """All objects of a kind."""
    from .. import sysv

    if kind == "queue":
        return sysv.queues()
    return sysv.segments() if kind == "segment" else sysv.semaphore_sets()


def _detail(kind: str, number: int, unit: str | None, as_json: bool) -> int:
    found = [each for each in tables(kind) if each.id == number]
    if not found:
        click.echo(f"ipc ipcs: id {number} not found", err=True)
        return 1
    if as_json:
        from .render import print_json

        print_json(as_dict(found[0]) | (_semaphores(number) if kind == "set" else {}))
        return 0
    from .ipcs_text import DETAILS

    print("\n" + DETAILS[kind](found[0], unit))
    return 0


def _semaphores(number: int) -> dict[str, object]:
    from ..sysv import SemaphoreSet

    names = ("value", "waiters", "zero_waiters", "last_pid")
    with SemaphoreSet(number) as found:
        return {"values": [{name: getattr(one, name) for name in names} for one in found]}


def as_dict(stat: sysv.QueueStat | sysv.MemoryStat | sysv.SetStat) -> dict[str, object]:
    """A row as JSON takes it: the permissions' fields beside the others, names for user and group."""
    from .ipcs_text import group
    from .seeing import user_name

    facts: dict[str, object] = dict(stat._asdict())  # type: ignore[union-attr]
    permissions = stat.permissions
    facts.pop("permissions")
    return {
        "key": f"0x{int(permissions.key):08x}",
        "mode": f"{permissions.mode:o}",
        "owner": user_name(permissions.uid),
        "group": group(permissions.gid),
        "creator": user_name(permissions.creator_uid),
        "creator_group": group(permissions.creator_gid),
        "uid": permissions.uid,
        "gid": permissions.gid,
        "creator_uid": permissions.creator_uid,
        "creator_gid": permissions.creator_gid,
        **facts,
    }


def _facts(chosen: list[str], view: str | None) -> dict[str, object]:
    from .. import sysv

    if view == "limits":
        return dict(sysv.limits()._asdict())  # type: ignore[attr-defined]
    if view == "summary":
        return dict(sysv.usage()._asdict())  # type: ignore[attr-defined]
    return {f"{kind}s": [as_dict(each) for each in tables(kind)] for kind in chosen}
