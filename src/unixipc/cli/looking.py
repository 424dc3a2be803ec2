"""One look at the machine, and what `ls` works out about its rows: only what a column or a filter asks for."""

from __future__ import annotations

import os
from fnmatch import fnmatchcase

from .._record import record
from ..inspector import short_ids
from ..inspector.connections import everybody, waits_in
from ..inspector.edges import edges_of
from ..inspector.leftovers import orphans_in
from ..inspector.listing import ASKED_FOR, KINDS, is_of, rows_in
from ..inspector.procfs import owner_of, snapshot
from ..inspector.scene import Scene
from .seeing import name_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, TypeAlias

    Name: TypeAlias = tuple[str, int | str]

FOUND_BY_PROCESS = frozenset(KINDS) - {"sysv-queue", "sysv-set", "signals"}
"""Kinds of which the kernel tells everything, or the users, only through the processes that have one."""


@record
class User:
    """A process that has to do with an object; `sure` is False if it is only known to have had."""

    pid: int
    command: str
    sure: bool


class Look:
    """The rows of some kinds (or families; none: of all), and who has to do with them."""

    def __init__(self, kinds: tuple[str, ...] = (), only_orphans: bool = False) -> None:
        self.scene = Scene(snapshot())
        self.pids = set(self.scene.seen.pids)
        self.kinds = tuple(kind for kind in KINDS if (is_of(kind, kinds) if kinds else kind not in ASKED_FOR))
        self.only_orphans = only_orphans
        if only_orphans:
            self.rows = [row for row in orphans_in(self.scene.seen) if row.kind in self.kinds]
        else:
            self.rows = self._rows_of(self.kinds)
        self._short: dict[Name, str] | None = None
        self._users: dict[int, tuple[User, ...]] = {}
        self._waiting: dict[Name, set[int]] | None = None
        self._owners: dict[int, int | None] = {}

    def short_id(self, row: Any) -> str:
        """Unique among everything that is there, not only among what is shown."""
        if self._short is None:
            self._short = short_ids(
                self._rows_of({each.kind for each in self.rows}) if self.only_orphans else self.rows
            )
        return self._short.get((row.kind, row.id), "")

    def _rows_of(self, kinds: Iterable[str]) -> list[Any]:
        return [row for kind in kinds for row in rows_in(self.scene.seen, kind)]

    def users(self, row: Any) -> tuple[User, ...]:
        """The processes that live, and are known to have to do with it."""
        if id(row) not in self._users:
            found: dict[int, User] = {}
            for edge in edges_of(self.scene, row):
                if edge.pid in self.pids and not (edge.pid in found and found[edge.pid].sure):
                    found[edge.pid] = User(edge.pid, edge.command, edge.sure)
            self._users[id(row)] = tuple(found[pid] for pid in sorted(found))
        return self._users[id(row)]

    def waiting(self, row: Any) -> set[int]:
        """The processes that are seen to wait for it."""
        if self._waiting is None:
            self._waiting = {}
            for wait in waits_in(everybody(self.scene).values()):
                self._waiting.setdefault((wait.kind or "", wait.id or 0), set()).add(wait.pid)
        return self._waiting.get((row.kind, row.id), set())

    def waiters(self, row: Any) -> int:
        """How many wait for it: as the kernel counts, where it does, or as are seen."""
        counted = getattr(row, "waiters", None) or 0
        if isinstance(counted, tuple):
            counted = len(counted)
        for each in getattr(row, "semaphores", None) or ():
            counted += each.waiters + each.zero_waiters
        return max(counted, len(self.waiting(row)))

    def belongs_to(self, row: Any, uid: int) -> bool:
        """By its owner; what has none, as a pipe, by who has it."""
        owner = getattr(row, "owner_uid", getattr(row, "uid", None))
        if owner is not None or hasattr(row, "owner_uid"):
            return bool(owner == uid)
        if row.kind == "signals":
            return self._owner(row.id) == uid
        return any(self._owner(user.pid) == uid for user in self.users(row))

    def is_used_by(self, row: Any, pid: int) -> bool:
        """Whether a process has to do with it, or waits for it."""
        return (row.kind, row.id) == ("signals", pid) or pid in self.waiting(row) | {
            user.pid for user in self.users(row)
        }

    def hidden(self, pid: int | None = None, uid: int | None = None) -> tuple[int, ...]:
        """Who may not be looked into, and could have or use what these rows are about, or should be."""
        if not FOUND_BY_PROCESS.intersection(self.kinds):
            return ()
        return tuple(
            each
            for each in sorted(self.scene.seen.hidden)
            if (pid is None or each == pid) and (uid is None or self._owner(each) == uid)
        )

    def _owner(self, pid: int) -> int | None:
        if pid not in self._owners:
            try:
                self._owners[pid] = owner_of(pid)
            except OSError:  # it has ended
                self._owners[pid] = None
        return self._owners[pid]


def is_called(row: Any, pattern: str) -> bool:
    """By its path or name or id as a whole, or by the last part of its path."""
    names = {name_of(row), str(row.id)}
    return any(fnmatchcase(each, pattern) for name in names for each in (name, os.path.basename(name)) if each)
