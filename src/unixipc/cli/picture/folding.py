"""What a person need not see one by one: objects that one process has for itself, and processes that are all alike."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable
    from typing import TypeVar

    from .ties import Key, Tie, Ties

    T = TypeVar("T", int, "Key")

__all__ = ["fold_ended", "fold_own", "like_each_other"]

PRIVATE = ("pipe", "socket", "eventfd", "memfd")
"""Kinds that nobody else can open: if one process has it, that is its own affair."""
OURS = "/dev/shm/unixipc."
"""Where channels keep their bytes, and a lock for each member."""
MANY = 3
"""So many processes that are alike become one node."""


def fold_own(ties: Ties, asked_for: set[Key]) -> int:
    """Leave out what joins nobody: one process alone has it, or only one side of it can be seen. How many objects.

    What somebody waits for without having any part of it stays, whoever has it: a lock, a FIFO that nobody opens.
    """
    before = len(ties.things)
    alone = {key for key, users in ties.users().items() if key not in asked_for and _joins_nobody(ties, key, users)}
    ties.keep({at: tie for at, tie in ties.ties.items() if at[1] not in alone})
    return before - len(ties.things)


def _joins_nobody(ties: Ties, key: Key, users: dict[int, Tie]) -> bool:
    kind = key[0]
    if kind == "process":
        return False
    if any(tie.stuck or (set(tie.hows) == {"waits for"} and kind not in PRIVATE) for tie in users.values()):
        return False
    if len(users) == 1 or (kind == "lock" and ties.things[key].name.startswith(OURS)):
        return True
    hows = {how for tie in users.values() for how in tie.hows}
    return kind == "pipe" and not {"reads", "writes"} <= hows


def fold_ended(ties: Ties, asked_for: set[Key]) -> int:
    """Leave out who has ended, unless somebody waits for what it had; how many processes."""
    before = len(ties.processes)
    awaited = asked_for | {key for (_pid, key), tie in ties.ties.items() if "waits for" in tie.hows}
    ties.keep({at: tie for at, tie in ties.ties.items() if ties.processes[at[0]] or at[1] in awaited})
    return before - len(ties.processes)


def like_each_other(ties: Ties, apart: set[Key]) -> tuple[list[list[int]], list[list[Key]]]:
    """Processes and objects in groups that become one node each. What is stuck, or in `apart`, stays by itself."""
    users = ties.users()
    has: dict[int, dict[Key, Tie]] = {}
    for (pid, key), tie in ties.ties.items():
        has.setdefault(pid, {})[key] = tie
    processes = _groups(
        ties.processes,
        lambda pid: _like_process(ties, has.get(pid, {}), users, pid),
        lambda pid: ("process", str(pid)) in apart or any(tie.stuck for tie in has.get(pid, {}).values()),
        MANY,
    )
    group_of = {pid: group[0] for group in processes for pid in group}
    things = _groups(
        ties.things,
        lambda key: _like_thing(ties, users[key], group_of, key),
        lambda key: key in apart or any(tie.stuck for tie in users[key].values()),
        2,
    )
    return processes, things


def _groups(
    each: Iterable[T], likeness: Callable[[T], Hashable], is_apart: Callable[[T], bool], least: int
) -> list[list[T]]:
    found: dict[Hashable, list[T]] = {}
    for one in sorted(each):
        found.setdefault(("apart", one) if is_apart(one) else likeness(one), []).append(one)
    groups = []
    for group in found.values():
        groups += [group] if len(group) >= least else [[one] for one in group]
    return groups


def _like_process(ties: Ties, has: dict[Key, Tie], users: dict[Key, dict[int, Tie]], pid: int) -> Hashable:
    """Its command, and what it has to do with whom: an object that two share counts as "one such, with that other"."""
    parts = sorted(repr(_like_tie(ties, key, tie, users[key], pid)) for key, tie in has.items())
    awaited = users.get(("process", str(pid)), {})
    return ties.processes[pid], tuple(parts), tuple(sorted(awaited))


def _like_tie(ties: Ties, key: Key, tie: Tie, users: dict[int, Tie], pid: int) -> Hashable:
    others = sorted(other for other in users if other != pid)
    if key[0] == "process" or len(others) != 1:
        return key, *_hows(tie)
    return key[0], ties.things[key].name, others[0], _hows(users[others[0]]), _hows(tie)


def _like_thing(ties: Ties, users: dict[int, Tie], group_of: dict[int, int], key: Key) -> Hashable:
    by_group = sorted({(group_of[pid], _hows(tie)) for pid, tie in users.items()})
    return key[0], ties.things[key].name, tuple(by_group), len(users)


def _hows(tie: Tie) -> tuple[str, ...]:
    """Whether somebody reads just now or does something else for a moment makes no difference."""
    lasting = sorted(set(tie.hows) - {"waits for"})
    return (*(lasting or ["waits for"]), "serves" if tie.serves else "")
