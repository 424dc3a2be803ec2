"""What could not be seen, and how it could be: one line on stderr, and none if it is of no account."""

from __future__ import annotations

import os
import sys

import click

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

CALLS = "/proc/sys/kernel/yama/ptrace_scope"


def hidden_line(pids: Iterable[int], verb: str, so: str) -> None:
    """Say on stderr whose processes may not be looked into, what of the answer that leaves open, and what helps."""
    sys.stdout.flush()
    if line := hidden_text(list(pids), verb, so):
        click.echo(f"ipc: {line}", err=True)
    elif os.geteuid():
        unlisted_line(verb, so)


def hidden_text(pids: list[int], verb: str, so: str) -> str:
    """The line, "" if there is nothing to say."""
    from ..inspector.procfs import holds_nothing

    if not (pids := [pid for pid in pids if not holds_nothing(pid)]):
        return ""
    owners = _owners(pids)
    count = f"{len(pids)} process{'es' if len(pids) > 1 else ''}"
    whose = ", ".join(name if len(owners) == 1 else f"{number} of {name}" for name, number in owners.items())
    whose = f" of {whose}" if len(owners) == 1 else f" ({whose})"
    return f"{count}{whose} may not be looked into: {so}; {_fix(verb, owners)}"


def could_use(rows: Iterable[Any], files: Iterable[object], hidden: Iterable[int]) -> list[int]:
    """Which of the processes that may not be looked into could have one of these objects, as far as can be known.

    Permissions shut others out (but root, who has no business there); a segment's attachments are counted by the
    kernel, and so are a set's waiters. A file, a pipe or a socket anybody may have been given.
    """
    found: set[int] = set()
    for row in [*rows, *files]:
        if not _is_all_known(row):
            owner = getattr(row, "owner_uid", None)
            private = owner is not None and not getattr(row, "mode", 0o777) & 0o077
            found.update(pid for pid in hidden if not private or _belongs_to(pid, owner))
    return sorted(found)


def _is_all_known(row: Any) -> bool:
    kind = getattr(row, "kind", "")
    if kind == "sysv-segment":
        return bool(len(row.attached_by) >= row.attached)
    if kind == "sysv-set":
        return row.semaphores is not None and not any(each.waiters + each.zero_waiters for each in row.semaphores)
    return kind == "lock" and bool(row.holders)


def _belongs_to(pid: int, uid: int | None) -> bool:
    from ..inspector.procfs import owner_of

    try:
        return owner_of(pid) == uid
    except OSError:  # it has ended
        return False


def _owners(pids: list[int]) -> dict[str, int]:
    from ..inspector.procfs import owner_of
    from .seeing import user_name

    found: dict[str, int] = {}
    for pid in pids:
        try:
            name = user_name(owner_of(pid))
        except OSError:  # it has ended, or /proc does not tell
            name = "others"
        found[name] = found.get(name, 0) + 1
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def _fix(verb: str, owners: dict[str, int]) -> str:
    """Root may; but one in a container has less than the machine's; and Yama shuts a user out of what is his."""
    from .seeing import user_name

    if os.geteuid() == 0:
        return "they have rights that this root has not: CAP_SYS_PTRACE in their user namespace is needed"
    if verb == "why" and user_name(os.geteuid()) in owners and _yama():
        return f"sudo ipc {verb}, or for your own: sudo sysctl kernel.yama.ptrace_scope=0"
    return f"to see all: sudo ipc {verb}"


def _yama() -> bool:
    try:
        with open(CALLS) as value:
            return value.read().strip() != "0"
    except OSError:
        return False


def unlisted_line(verb: str, so: str) -> None:
    """Say it where /proc is mounted with hidepid: then processes of others are not there to be counted. -- proc(5)"""
    from ..inspector.machine._mounts import covering, mounts

    options = dict(each.partition("=")[::2] for each in covering("/proc", mounts()).options)
    group = options.get("gid", "0")
    is_open = options.get("hidepid", "0") in ("0", "off") or int(group) in (os.getegid(), *os.getgroups())
    if os.geteuid() and not is_open:
        join = f", or be in the group {group}" if group != "0" else ""
        line = f"processes of others are not shown here (/proc has hidepid={options['hidepid']}): {so}"
        click.echo(f"ipc: {line}; to see all: sudo ipc {verb}{join}", err=True)
