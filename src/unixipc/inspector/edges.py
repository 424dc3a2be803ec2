"""From a row to who has to do with it. The waits are `waits`'s."""

from __future__ import annotations

from .._record import record
from .channels import ChannelRow, TopicRow
from .futexes import members_here
from .locks import LockRow
from .mapped import MappingRow, MemFdRow
from .pipes import PipeRow
from .posix import MemoryRow, SemaphoreRow
from .posix import QueueRow as PosixQueueRow
from .robust import RobustRow
from .sockets import SocketRow
from .system_v import QueueRow, SegmentRow, SetRow

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, Literal, TypeAlias

    from .listing import Row
    from .scene import Scene

    How: TypeAlias = Literal["holds", "reads", "writes", "maps", "waits for"]
    Use: TypeAlias = tuple[int, How, bool, str]

__all__ = ["Edge", "edges_of"]


@record
class Edge:
    """A process has to do with an object: it "holds", "reads", "writes", "maps" or "waits for" it.

    `sure` is False where it is only likely: who was the last to change a semaphore, or to use a queue.
    """

    pid: int
    command: str
    how: How
    kind: str
    id: int | str
    sure: bool
    detail: str


def edges_of(scene: Scene, row: Row) -> list[Edge]:
    """Everybody who is known to use it."""
    uses = USES.get(type(row))
    if uses is None:
        return []
    found = dict.fromkeys(uses(row))
    return [
        Edge(pid, scene.seen.command(pid), how, row.kind, row.id, sure, text) for pid, how, sure, text in found if pid
    ]


def _pipe(row: PipeRow) -> Iterator[Use]:
    yield from ((end.pid, "reads", True, f"fd {end.number}") for end in row.readers)
    yield from ((end.pid, "writes", True, f"fd {end.number}") for end in row.writers)


def _socket(row: SocketRow) -> Iterator[Use]:
    yield from ((end.pid, "holds", True, f"fd {end.number}") for end in row.holders)
    yield from ((end.pid, "holds", True, f"fd {end.number}, the other side") for end in row.peer_holders)


def _lock(row: LockRow) -> Iterator[Use]:
    how = f"{'shared ' if row.shared else ''}{row.type} lock"
    end = "the end" if not row.length else str(row.start + row.length - 1)
    span = "" if row.type == "flock" else f", bytes {row.start} to {end}"
    for pid in row.holders or ((row.pid,) if row.pid else ()):
        yield pid, "holds", True, how + span


def _set(row: SetRow) -> Iterator[Use]:
    for each in row.semaphores or ():
        yield each.last_pid, "holds", False, f"changed semaphore {each.index} last; it is {each.value} now"


def _queue(row: QueueRow) -> Iterator[Use]:
    yield row.last_sender_pid, "writes", False, "was the last to send"
    yield row.last_receiver_pid, "reads", False, "was the last to receive"


def _segment(row: SegmentRow) -> Iterator[Use]:
    yield from _all(row.attached_by, "maps", "attached")


def _all(pids: Iterable[int], how: How, text: str) -> Iterator[Use]:
    yield from ((pid, how, True, text) for pid in pids)


def _opened(row: MemoryRow | SemaphoreRow | MemFdRow) -> Iterator[Use]:
    yield from _all(row.used_by, "maps", "open or mapped")


def _mapping(row: MappingRow) -> Iterator[Use]:
    for pid in row.mapped_by:
        yield pid, "maps", True, "for writing" if pid in row.written_by else "for reading"


def _channel(row: ChannelRow) -> Iterator[Use]:
    unfinished = members_here(row, [] if row.unfinished is None else [row.unfinished])
    yield from _all(unfinished, "writes", "sender; the next message is its, and unfinished")
    yield from _all(set(members_here(row, row.senders)) - set(unfinished), "writes", "sender")
    yield from _all(members_here(row, row.receivers), "reads", "receiver")
    yield from _all(row.used_by, "maps", "open or mapped")


def _topic(row: TopicRow) -> Iterator[Use]:
    yield from _all(members_here(row, row.publishers), "writes", "publisher")
    for each in row.subscribers:
        for pid in members_here(row, [each.pid]):
            yield pid, "reads", True, f"subscriber, {each.lag} behind, {each.missed} missed"
    yield from _all(row.used_by, "maps", "open or mapped")


def _robust(row: RobustRow) -> Iterator[Use]:
    what = {"semaphore": "has a permit", "rwlock": "reads"}.get(row.type, f"has the {row.type}")
    yield from _all((each.pid or 0 for each in row.holders), "holds", what)
    if row.writer is not None:
        yield row.writer.pid or 0, "holds", True, "writes" if row.writing else "waits until nobody reads, and is next"
    yield from _all(row.used_by, "maps", "open or mapped")


USES: dict[type, Callable[[Any], Iterator[Use]]] = {
    PipeRow: _pipe,
    SocketRow: _socket,
    LockRow: _lock,
    SetRow: _set,
    QueueRow: _queue,
    SegmentRow: _segment,
    PosixQueueRow: lambda row: _all(row.used_by, "holds", "open"),
    MemoryRow: _opened,
    SemaphoreRow: _opened,
    MemFdRow: _opened,
    MappingRow: _mapping,
    ChannelRow: _channel,
    TopicRow: _topic,
    RobustRow: _robust,
}
