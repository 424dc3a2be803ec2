"""One look at the machine, with what is looked up in it again and again; the words that answers are made of."""

from __future__ import annotations

from functools import cached_property

from .._record import record
from . import channels, locks, posix, sockets, system_v
from .procfs import Mapped, info_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..locks._table import Line
    from .channels import ChannelRow, TopicRow
    from .locks import LockRow
    from .procfs import Identity, Snapshot
    from .sockets import SocketRow
    from .system_v import QueueRow, SetRow

__all__ = ["Ender", "Scene", "Thing"]


@record
class Ender:
    """A process that could end a wait, what it would have to do, and whether it is sure that it can."""

    pid: int
    command: str
    why: str
    sure: bool


@record
class Thing:
    """What a thread waits for: an object, in words what has to happen to it, and who could do that.

    `others`: somebody else could as well, whom the kernel does not tell (who has the key, who connects, the clock).
    """

    kind: str
    id: int | str
    does: str
    text: str
    enders: tuple[Ender, ...]
    others: bool = False


class Scene:
    """A snapshot with what is looked up in it again and again."""

    def __init__(self, seen: Snapshot) -> None:
        self.seen = seen
        self._enders: dict[tuple[str, bool], dict[int, Ender]] = {}

    @cached_property
    def sockets(self) -> dict[int, SocketRow]:
        """Every Unix socket by its inode; nothing where the kernel does not tell."""
        try:
            return {row.id: row for row in self.seen.once(sockets.socket_rows)}
        except OSError:
            return {}

    @cached_property
    def lock_table(self) -> list[Line]:
        """The kernel's table of locks, with those who wait."""
        return self.seen.once(locks.lines)

    @cached_property
    def locks(self) -> list[LockRow]:
        """Every lock that is held."""
        return self.seen.once(locks.lock_rows)

    @cached_property
    def locks_by_inode(self) -> dict[str, list[LockRow]]:
        """The same, by the inode number at the end of the id."""
        found: dict[str, list[LockRow]] = {}
        for row in self.locks:
            found.setdefault(row.id.rpartition(":")[2], []).append(row)
        return found

    @cached_property
    def eventfds(self) -> dict[str, list[tuple[int, int]]]:
        """Who has which counter, by the kernel's number of it."""
        found: dict[str, list[tuple[int, int]]] = {}
        for pid, number, _mode in self.seen.anonymous.get("[eventfd]", ()):
            found.setdefault(info_of(pid, number).get("eventfd-id", ""), []).append((pid, number))
        return found

    @cached_property
    def sets(self) -> dict[int, SetRow]:
        """Every semaphore set by its id."""
        return {row.id: row for row in self.seen.once(system_v.set_rows)}

    @cached_property
    def queues(self) -> dict[int, QueueRow]:
        """Every System V queue by its id."""
        return {row.id: row for row in self.seen.once(system_v.queue_rows)}

    @cached_property
    def channels(self) -> dict[Identity, ChannelRow | TopicRow]:
        """Every channel and topic by its file."""
        return channels.by_file(self.seen)

    @cached_property
    def names(self) -> dict[Identity, str]:
        """What is in /dev/shm, by the file; who has made it may have it mapped under another name."""
        return {(found.st_dev, found.st_ino): name for name, found in posix.files()}

    @cached_property
    def mappings(self) -> dict[int, list[tuple[Identity, Mapped]]]:
        """What each process has mapped shared."""
        found: dict[int, list[tuple[Identity, Mapped]]] = {}
        for which, mappings in self.seen.maps.items():
            for each in mappings:
                found.setdefault(each.pid, []).append((which, each))
        return found

    def enders(self, pids: Iterable[int], why: str, sure: bool = True) -> tuple[Ender, ...]:
        """These processes, each once."""
        known = self._enders.setdefault((why, sure), {})
        pids = set(pids)
        known |= {pid: Ender(pid, self.seen.command(pid), why, sure) for pid in pids - known.keys()}
        return tuple([known[pid] for pid in sorted(pids)])
