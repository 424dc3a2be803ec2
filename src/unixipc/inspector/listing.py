"""What is on this machine: every object of every kind, as rows. -- lsipc(1), lslocks(8), lsfd(1), ss(8)"""

from __future__ import annotations

from . import channels, locks, mapped, pipes, posix, robust, signals, sockets, system_v
from .procfs import nothing_collected, snapshot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from typing import Any, TypeAlias

    from .procfs import Snapshot

    Row: TypeAlias = (
        system_v.QueueRow | system_v.SetRow | system_v.SegmentRow | posix.QueueRow | posix.SemaphoreRow |
        posix.MemoryRow | locks.LockRow | pipes.PipeRow | sockets.SocketRow | mapped.MemFdRow | mapped.MappingRow |
        signals.SignalsRow | channels.ChannelRow | channels.TopicRow | robust.RobustRow
    )  # fmt: skip

__all__ = ["KINDS", "is_of", "ls", "no_such_kind", "rows_in"]

KINDS: dict[str, Callable[[Snapshot], Sequence[Any]]] = {
    "sysv-queue": system_v.queue_rows,
    "sysv-set": system_v.set_rows,
    "sysv-segment": system_v.segment_rows,
    "posix-queue": posix.queue_rows,
    "posix-semaphore": posix.semaphore_rows,
    "posix-memory": posix.memory_rows,
    "lock": locks.lock_rows,
    "pipe": pipes.pipe_rows,
    "fifo": pipes.fifo_rows,
    "socket": sockets.socket_rows,
    "memfd": mapped.memfd_rows,
    "channel": channels.channel_rows,
    "topic": channels.topic_rows,
    "robust": robust.robust_rows,
    "mapping": mapped.mapping_rows,
    "signals": signals.signals_rows,
}
"""Every kind, and who makes its rows."""

ASKED_FOR = ("mapping", "signals")
"""Facts about every process rather than objects: only listed by name."""


@nothing_collected()
def ls(kind: str | None = None) -> list[Row]:
    """Every object of this kind; without a kind of all kinds but "mapping" and "signals". -- lsipc(1), lslocks(8)

    `kind`: one of `KINDS`, or a family: "sysv", "posix". Of other users' objects we see what the kernel shows
    everybody; which processes have them needs root. ValueError for a kind that does not exist.
    """
    return rows_in(snapshot(), kind)


def rows_in(seen: Snapshot, kind: str | None = None) -> list[Row]:
    """The same, from a look at the processes that was taken already."""
    wanted = [each for each in KINDS if (each not in ASKED_FOR if kind is None else is_of(each, (kind,)))]
    if not wanted:
        raise no_such_kind(kind)
    return [row for each in wanted for row in seen.once(KINDS[each])]


def is_of(kind: str, kinds: Collection[str]) -> bool:
    """Whether it is one of these kinds, or of one of these families."""
    return kind in kinds or kind.partition("-")[0] in kinds


def no_such_kind(name: str | None) -> ValueError:
    """The error of a word that is neither, with the words that are."""
    return ValueError(f"{name!r} is no kind; there are {', '.join(KINDS)}, and the families sysv and posix")
