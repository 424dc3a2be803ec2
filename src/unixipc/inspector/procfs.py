"""The only reader of other processes' /proc. What vanishes or may not be read while we look is left out. -- proc(5)

`snapshot` goes over all processes once, for every kind of object at the same time; what costs more (mappings) it reads
when somebody asks for it.
"""

from __future__ import annotations

import gc
import os
import re
import stat
import struct
import sys
from contextlib import contextmanager

from .._native import look as _look
from .._record import record
from .._text import text_of
from ..process import Process
from .files import Files, hides_processes
from .reading import OURS_TO_MEND, bytes_of, info_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, TypeAlias, TypeVar

    T = TypeVar("T")

    Identity: TypeAlias = tuple[int, int]
    RawEnd: TypeAlias = tuple[int, int, int]

__all__ = [
    "Call",
    "End",
    "Mapped",
    "Snapshot",
    "arguments_of",
    "calls_of",
    "children_of",
    "command_of",
    "ends",
    "has_ended",
    "holds_nothing",
    "identity",
    "info_of",
    "lines_of",
    "memory_of",
    "nothing_collected",
    "owner_of",
    "process_of",
    "processes",
    "shows_calls",
    "snapshot",
    "threads_of",
    "turns_of",
    "wchan_of",
    "words_after",
]

OTHER_NUMBERS = -1
"""The number of a call whose real number is another machine's."""
KERNEL_THREAD = 0x00200000
"""PF_KTHREAD among the flags of a process. -- proc_pid_stat(5)"""


@record
class End:
    """A descriptor of a process: its number there, and what it was opened for."""

    pid: int
    number: int
    reads: bool
    writes: bool


@record
class Mapped:
    """A shared mapping in a process: addresses, where in the file it begins, what it is called there."""

    pid: int
    start: int
    end: int
    offset: int
    writes: bool
    path: str


@record
class Call:
    """The system call that a thread sleeps in. `number` is None where that may not be looked at."""

    pid: int
    tid: int
    number: int | None
    arguments: tuple[int, ...] = ()


def identity(device: int, inode: int) -> str:
    """A file as /proc/locks and /proc/PID/maps write it: major:minor:inode."""
    return f"{os.major(device):02x}:{os.minor(device):02x}:{inode}"


@contextmanager
def nothing_collected() -> Iterator[None]:
    """While a look is taken, nothing becomes garbage: the collector would walk all that is seen again and again.

    Of the time that `graph` takes with 5 000 processes that was a quarter.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


@nothing_collected()
def snapshot() -> Snapshot:
    """Every descriptor of every process that this one may look into, by what it leads to, in one pass. -- proc(5)"""
    return Snapshot()


class Snapshot:
    """All processes at (nearly) one moment: who has which object open. `hidden`: those we may not look into.

    `hides_processes`: there may be more, which are not even listed.

    The tables lead from an object to raw ends (pid, number, permissions of the link): making 50 000 records would
    take longer than all the rest. `ends` makes them.
    """

    def __init__(self) -> None:
        self.pids = processes()
        self.hidden: set[int] = set()
        self.pipes: dict[int, list[RawEnd]] = {}
        self.sockets: dict[int, list[RawEnd]] = {}
        self.files: dict[Identity, list[RawEnd]] = {}
        self.anonymous: dict[str, list[RawEnd]] = {}
        self.stats: dict[Identity, os.stat_result] = {}
        self.paths: dict[Identity, str] = {}
        self.hides_processes = hides_processes()
        self._maps: dict[Identity, list[Mapped]] | None = None
        self._commands: dict[int, str] = {}
        self._neighbours: dict[int, bool] = {}
        self._made: dict[Callable[[Snapshot], Any], Any] = {}
        self._files = Files()
        self._namespace = os.readlink("/proc/thread-self/ns/ipc")
        for pid in self.pids:
            self._look_into(pid)

    def once(self, make: Callable[[Snapshot], T]) -> T:
        """What this makes of the snapshot, made when it is first asked for."""
        if make not in self._made:
            self._made[make] = make(self)
        made: T = self._made[make]
        return made

    @property
    def maps(self) -> dict[Identity, list[Mapped]]:
        """Every shared mapping, by the file: (device, inode). Read when it is first asked for."""
        if self._maps is None:
            self._maps = {}
            for pid in self.pids:
                for found, mapped in _shared_mappings(pid):
                    self._maps.setdefault(found, []).append(mapped)
        return self._maps

    def command(self, pid: int) -> str:
        """The process's name as ps shows it."""
        if pid not in self._commands:
            self._commands[pid] = command_of(pid)
        return self._commands[pid]

    def users(self, device: int, inode: int) -> tuple[int, ...]:
        """The processes that have this file open or mapped."""
        found = (device, inode)
        opened = {end[0] for end in self.files.get(found, ())}
        return tuple(sorted(opened | {each.pid for each in self.maps.get(found, ())}))

    def shares_ipc_namespace(self, pid: int) -> bool:
        """Whether its System V ids and queue names mean what ours mean; True where it may not be asked."""
        if pid not in self._neighbours:
            try:
                self._neighbours[pid] = os.readlink(f"/proc/{pid}/ns/ipc") == self._namespace
            except OSError:
                self._neighbours[pid] = True
        return self._neighbours[pid]

    def stat(self, pid: int, number: int) -> os.stat_result:
        """Of a descriptor's file, without asking a file system that may be dead. -- statx(2)"""
        return self._files.stat(pid, number)

    def may_be_opened(self, which: Identity) -> bool:
        """Whether no file system has to be waited for then."""
        pid, number, _mode = self.files[which][0]
        return self.paths[which].startswith("/memfd:") or self._files.are_here(pid, number)

    def _look_into(self, pid: int) -> None:
        try:
            named = _look.descriptors_of(pid, self.pipes, self.sockets, self.anonymous)
        except PermissionError:
            if not holds_nothing(pid):
                self.hidden.add(pid)
            return
        except (FileNotFoundError, ProcessLookupError):  # it has ended
            return
        for number, mode, link in named:
            try:
                found = self._files.stat(pid, number)
            except OSError:  # closed meanwhile
                continue
            if stat.S_ISREG(found.st_mode) or stat.S_ISFIFO(found.st_mode):
                which = (found.st_dev, found.st_ino)
                self.stats[which] = found
                self.paths.setdefault(which, link)
                self.files.setdefault(which, []).append((pid, number, mode))


def ends(raw: Iterable[RawEnd]) -> tuple[End, ...]:
    """The records of raw ends: the link's own permissions tell what a descriptor was opened for."""
    if not raw:
        return ()
    return tuple([End(pid, number, bool(mode & 0o400), bool(mode & 0o200)) for pid, number, mode in sorted(raw)])


def _shared_mappings(pid: int) -> Iterator[tuple[Identity, Mapped]]:
    for start, end, offset, writes, major, minor, inode, path in _raw_mappings(pid):
        if inode or path.startswith("/SYSV"):  # the first segment has id 0
            yield (os.makedev(major, minor), inode), Mapped(pid, start, end, offset, writes, path)


def _raw_mappings(pid: int) -> Iterable[tuple[int, int, int, bool, int, int, int, str]]:
    try:
        return _look.shared_mappings_of(pid)
    except (PermissionError, FileNotFoundError, ProcessLookupError):
        return ()
    except OSError as error:
        if error.errno in OURS_TO_MEND:
            raise
    return _mappings_in(bytes_of(f"/proc/{pid}/maps") or b"")


SHARED = re.compile(rb"^(\w+)-(\w+) .(.).s (\w+) (\w+):(\w+) (\d+) *(.*)$", re.MULTILINE)
"""A line of /proc/PID/maps: addresses, whether it may be written, offset, device, inode, name."""


def _mappings_in(text: bytes) -> Iterator[tuple[int, int, int, bool, int, int, int, str]]:
    for start, end, writes, offset, major, minor, inode, name in SHARED.findall(text):
        numbers = (int(each, 16) for each in (start, end, offset))
        yield *numbers, writes == b"w", int(major, 16), int(minor, 16), int(inode), os.fsdecode(name)


def processes() -> list[int]:
    """The pid of every process that can be seen from here."""
    return sorted(int(name) for name in os.listdir("/proc") if name.isdigit())


def command_of(pid: int) -> str:
    """The process's name as ps shows it, "" once it has ended. -- proc(5), comm"""
    try:
        return os.fsdecode(_piece_of(f"/proc/{pid}/comm")).rstrip("\n")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return ""


def arguments_of(pid: int) -> list[str]:
    """Its command line, as ps shows it; nothing once it has ended, or of a kernel thread. -- proc(5), cmdline"""
    return [os.fsdecode(word) for word in (bytes_of(f"/proc/{pid}/cmdline") or b"").split(b"\0") if word]


def shows_calls() -> bool:
    """Whether this kernel shows which system call a thread sleeps in. -- proc_pid_syscall(5)"""
    return os.path.exists("/proc/self/syscall")


def calls_of(pid: int) -> Iterator[tuple[int, int]]:
    """For each thread that sleeps in a system call: the call's number and its first argument.

    PermissionError if we may not look, FileNotFoundError or ProcessLookupError once it has ended.
    """
    for call in threads_of(pid):
        if call is not None:
            if call.number is None:
                raise PermissionError(13, "Permission denied", f"/proc/{pid}/task/{call.tid}/syscall")
            yield call.number, call.arguments[0]


def threads_of(pid: int) -> Iterator[Call | None]:
    """For each thread: the call that it sleeps in, None if it runs (or sleeps outside of a call).

    FileNotFoundError once the process has ended.
    """
    for thread in _threads(pid):
        try:
            words = _piece_of(f"/proc/{pid}/task/{thread}/syscall").split()
        except PermissionError:
            yield Call(pid, thread, None)
        except (FileNotFoundError, ProcessLookupError):  # this thread has ended
            continue
        else:
            yield _call(pid, thread, words)


def _threads(pid: int) -> Iterable[int]:
    """The ids of its threads. Most have one: the folder's number of links, two more than there are threads, says so."""
    folder = f"/proc/{pid}/task"
    return (pid,) if os.stat(folder).st_nlink == 3 else map(int, os.listdir(folder))


def _piece_of(path: str, length: int = 4096, offset: int | None = None) -> bytes:
    """One read, for what comes in one piece."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(fd, length) if offset is None else os.pread(fd, length, offset)
    finally:
        os.close(fd)


def _call(pid: int, tid: int, words: list[bytes]) -> Call | None:
    """From number, six arguments, stack pointer, program counter; one word or three: it is in no call."""
    if len(words) < 9:
        return None
    number, stack = int(words[0]), int(words[7], 16)
    if sys.maxsize > 1 << 32 > stack:  # a 32-bit program: its numbers mean other calls
        number = OTHER_NUMBERS
    return Call(pid, tid, number, tuple(int(each, 16) for each in words[1:7]))


def goes_on(pid: int) -> bool:
    """Whether it is neither stopped nor dead: else what does not sleep in a call won't soon. -- proc_pid_stat(5)"""
    return (bytes_of(f"/proc/{pid}/stat") or b") X").rpartition(b")")[2][1:2] in b"RSDI"


def turns_of(pid: int) -> dict[str, tuple[bytes, ...]]:
    """Its threads' states, and how often each has gone to sleep or been interrupted. FileNotFoundError: it has ended.

    A thread that is being woken is "R" here, when its system call still looks as if it slept.
    """
    return {
        each: tuple(line.split()[1] for line in lines_of(f"/proc/{pid}/task/{each}/status") if line.startswith(TURNS))
        for each in os.listdir(f"/proc/{pid}/task")
    }


TURNS = (b"State:", b"voluntary_ctxt_switches:", b"nonvoluntary_ctxt_switches:")


def wchan_of(pid: int, tid: int) -> str:
    """The kernel's function that a thread sleeps in, "" if it may not be told. -- proc_pid_wchan(5)"""
    name = (bytes_of(f"/proc/{pid}/task/{tid}/wchan") or b"").decode()
    return "" if name == "0" else name


def memory_of(pid: int, address: int, length: int) -> bytes | None:
    """These bytes of its memory; None where we may not look, or nothing is there. -- proc_pid_mem(5)"""
    if not _is_present(pid, address, length):
        return None
    try:
        found = _piece_of(f"/proc/{pid}/mem", length, address)
    except (OSError, OverflowError):
        return None
    return found if len(found) == length else None


def holds_nothing(pid: int) -> bool:
    """Whether it is a thread of the kernel's, or a zombie: these have nothing open, and wait for nobody's objects."""
    words = (bytes_of(f"/proc/{pid}/stat") or b"").rpartition(b")")[2].split()
    return len(words) > 6 and (words[0] in (b"Z", b"X") or bool(int(words[6]) & KERNEL_THREAD))


PAGE_BYTES = os.sysconf("SC_PAGESIZE")
PRESENT_OR_SWAPPED = 3 << 62


def _is_present(pid: int, address: int, length: int) -> bool:
    """Whether these pages are there. Those of a mapped file may be on a dead server: nobody waits for them here.

    True where the kernel does not tell (CONFIG_PROC_PAGE_MONITOR). -- proc_pid_pagemap(5)
    """
    first, last = address // PAGE_BYTES, (address + max(length, 1) - 1) // PAGE_BYTES
    try:
        raw = _piece_of(f"/proc/{pid}/pagemap", 8 * (last - first + 1), 8 * first)
    except (OSError, OverflowError):
        return True
    pages = struct.unpack(f"={len(raw) // 8}Q", raw)
    return len(pages) == last - first + 1 and all(page & PRESENT_OR_SWAPPED for page in pages)


def owner_of(pid: int) -> int:
    """Its effective user."""
    lines = text_of(f"/proc/{pid}/status").split("\n")
    return next(int(line.split()[2]) for line in lines if line.startswith("Uid:"))


def process_of(tid: int) -> int | None:
    """The process that a thread belongs to; None if there is none."""
    return _number(f"/proc/{tid}/status", b"Tgid:")


def children_of(pid: int) -> list[int]:
    """The pids of its children, whichever of its threads made them."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:  # it has ended
        return []
    lists = [bytes_of(f"/proc/{pid}/task/{thread}/children") for thread in threads]
    if all(each is None for each in lists):  # a kernel without this file
        return [each for each in processes() if _number(f"/proc/{each}/status", b"PPid:") == pid]
    return sorted(int(child) for each in lists for child in (each or b"").split())


def _number(path: str, name: bytes) -> int | None:
    words = words_after(path, name)
    return int(words[0]) if words else None


def lines_of(path: str) -> list[bytes]:
    """Of a file in /proc; none if it cannot be read."""
    return (bytes_of(path) or b"").splitlines()


def words_after(path: str, name: bytes) -> list[bytes]:
    """What stands behind a field's name in a file such as /proc/PID/status; [] if it cannot be read."""
    for line in (bytes_of(path) or b"").splitlines():
        if line.startswith(name):
            return line.split()[1:]
    return []


def has_ended(pid: int) -> bool:
    """Whether no process has this pid, or only a zombie. 0 is one of another pid namespace: nothing is known of it."""
    if not pid:
        return False
    try:
        with Process(pid) as process:
            return process.has_ended()
    except ProcessLookupError:
        return True
