"""The only reader of other processes' /proc. What vanishes or may not be read while we look is left out. -- proc(5)

`snapshot` goes over all processes once, for every kind of object at the same time; what costs more (mappings) it reads
when somebody asks for it.
"""

from __future__ import annotations

import errno
import os
import stat
import sys

from .._native import look as _look
from .._record import record
from ..process import Process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import TypeAlias

    Glance: TypeAlias = tuple[bytes, tuple[int, int, int] | None, int | None]
    Identity: TypeAlias = tuple[int, int]
    RawEnd: TypeAlias = tuple[int, int, int]

__all__ = [
    "Call",
    "End",
    "Mapped",
    "Snapshot",
    "calls_of",
    "children_of",
    "command_of",
    "ends",
    "first_bytes",
    "glances",
    "goes_on",
    "has_ended",
    "identity",
    "info_of",
    "lines_of",
    "memory_of",
    "owner_of",
    "process_of",
    "processes",
    "shows_calls",
    "snapshot",
    "threads_of",
    "turns_of",
    "way_to",
    "wchan_of",
    "words_after",
]

NO_OBJECTS = ("/dev/null", "/dev/pts/", "/dev/tty", "/dev/urandom", "/dev/zero", "/proc/", "/sys/")
"""What many have open and nobody talks through: not looked at more closely."""
OTHER_NUMBERS = -1
"""The number of a call whose real number is another machine's."""
REMOTE = ("nfs", "cifs", "smb3", "fuse", "afs", "ceph", "9p")
"""File systems whose files are not asked for anything."""


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


def snapshot() -> Snapshot:
    """Every descriptor of every process that this one may look into, by what it leads to, in one pass. -- proc(5)"""
    return Snapshot()


class Snapshot:
    """All processes at (nearly) one moment: who has which object open. `hidden`: those we may not look into.

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
        self._maps: dict[Identity, list[Mapped]] | None = None
        self._commands: dict[int, str] = {}
        self._neighbours: dict[int, bool] = {}
        self._remote = _remote_mounts()
        self._namespace = os.readlink("/proc/thread-self/ns/ipc")
        for pid in self.pids:
            self._look_into(pid)

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

    def _look_into(self, pid: int) -> None:
        try:
            folder = os.open(f"/proc/{pid}/fd", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            if error.errno == errno.EACCES:  # else it has ended
                self.hidden.add(pid)
            return
        try:
            for number in os.listdir(folder):
                try:
                    self._sort_in(pid, folder, number)
                except OSError:  # closed meanwhile
                    pass
        except OSError:  # it has ended
            pass
        finally:
            os.close(folder)

    def _sort_in(self, pid: int, folder: int, number: str) -> None:
        link = os.readlink(number, dir_fd=folder)
        if link.startswith("socket:["):
            self.sockets.setdefault(int(link[8:-1]), []).append((pid, int(number), 0o600))
        elif link.startswith("pipe:["):
            mode = os.lstat(number, dir_fd=folder).st_mode
            self.pipes.setdefault(int(link[6:-1]), []).append((pid, int(number), mode))
        elif link.startswith("anon_inode:"):
            self.anonymous.setdefault(link[11:], []).append((pid, int(number), 0o600))
        elif link.startswith("/") and not link.startswith(NO_OBJECTS) and not link.startswith(self._remote):
            self._sort_in_file(pid, folder, number, link)

    def _sort_in_file(self, pid: int, folder: int, number: str, link: str) -> None:
        found = os.stat(number, dir_fd=folder)
        if stat.S_ISREG(found.st_mode) or stat.S_ISFIFO(found.st_mode):
            which = (found.st_dev, found.st_ino)
            mode = os.lstat(number, dir_fd=folder).st_mode
            self.stats[which] = found
            self.paths.setdefault(which, link)
            self.files.setdefault(which, []).append((pid, int(number), mode))


def _remote_mounts() -> tuple[str, ...]:
    """Where files of other machines and of other processes are: to ask for one may wait for ever, if that is dead."""
    rows = (line.split(" - ") for line in os.fsdecode(_bytes_of("/proc/self/mountinfo") or b"").splitlines())
    return tuple(f"{own.split()[4]}/" for own, system in rows if system.startswith(REMOTE))


def ends(raw: Iterable[RawEnd]) -> tuple[End, ...]:
    """The records of raw ends: the link's own permissions tell what a descriptor was opened for."""
    return tuple(
        End(pid, number, bool(mode & stat.S_IRUSR), bool(mode & stat.S_IWUSR)) for pid, number, mode in sorted(raw)
    )


def _shared_mappings(pid: int) -> Iterator[tuple[Identity, Mapped]]:
    for line in (_bytes_of(f"/proc/{pid}/maps") or b"").splitlines():
        words = line.split(None, 5)
        if words[1][3:4] == b"s" and (words[4] != b"0" or b"/SYSV" in line):  # the first segment has id 0
            start, end = (int(each, 16) for each in words[0].split(b"-"))
            major, minor = (int(each, 16) for each in words[3].split(b":"))
            path = os.fsdecode(words[5]) if len(words) > 5 else ""
            mapped = Mapped(pid, start, end, int(words[2], 16), words[1][1:2] == b"w", path)
            yield (os.makedev(major, minor), int(words[4])), mapped


def _bytes_of(path: str) -> bytes | None:
    try:
        with open(path, "rb", buffering=0) as file:
            return file.readall()
    except OSError:
        return None


def processes() -> list[int]:
    """The pid of every process that can be seen from here."""
    return sorted(int(name) for name in os.listdir("/proc") if name.isdigit())


def info_of(pid: int, number: int) -> dict[str, str]:
    """What the kernel says about a descriptor; of fields that are there several times, all, by lines. -- fdinfo(5)"""
    fields: dict[str, str] = {}
    for line in (_bytes_of(f"/proc/{pid}/fdinfo/{number}") or b"").decode(errors="replace").splitlines():
        name, colon, value = line.partition(":")
        if colon:
            fields[name] = f"{fields[name]}\n{value.strip()}" if name in fields else value.strip()
    return fields


def glances(paths: Sequence[str], length: int) -> list[Glance | None]:
    """How these regular files begin, and what else only an open file tells; None for those that we may not open.

    Another process opens them: our own locks on them, and our registrations at queues, outlast the look. -- clone(2)
    """
    try:
        return _look.glance(paths, length)
    except OSError:  # no process to be had
        return [None] * len(paths)


def first_bytes(pid: int, number: int, length: int) -> bytes:
    """How a regular file that it has open begins; b"" if we may not know."""
    (found,) = glances([way_to(pid, number)], length)
    return b"" if found is None else found[0]


def way_to(pid: int, number: int) -> str:
    """A path to open what a descriptor leads to, for `glances`: who looks has a copy of each of ours."""
    return f"/proc/{'self' if pid == os.getpid() else pid}/fd/{number}"


def command_of(pid: int) -> str:
    """The process's name as ps shows it, "" once it has ended. -- proc(5), comm"""
    return os.fsdecode(_bytes_of(f"/proc/{pid}/comm") or b"").rstrip("\n")


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
    for thread in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{thread}/syscall", "rb", buffering=0) as line:
                words = line.readall().split()
        except PermissionError:
            yield Call(pid, int(thread), None)
        except OSError:  # this thread has ended
            continue
        else:
            yield _call(pid, int(thread), words)


def _call(pid: int, tid: int, words: list[bytes]) -> Call | None:
    """From number, six arguments, stack pointer, program counter; one word or three: it is in no call."""
    if len(words) < 9:
        return None
    number, stack = int(words[0]), int(words[7], 16)
    if sys.maxsize > 1 << 32 > stack:  # a 32-bit program: its numbers mean other calls
        number = OTHER_NUMBERS
    return Call(pid, tid, number, tuple(int(each, 16) for each in words[1:7]))


def goes_on(pid: int) -> bool:
    """Whether it is neither stopped nor dead: else what does not sleep in a call will not do so soon. -- proc(5)"""
    return (_bytes_of(f"/proc/{pid}/stat") or b") X").rpartition(b")")[2][1:2] in b"RSDI"


def turns_of(pid: int) -> dict[str, list[bytes]]:
    """How often each of its threads has gone to sleep or been interrupted. FileNotFoundError once it has ended."""
    switches = b"voluntary_ctxt_switches:"
    return {
        each: words_after(f"/proc/{pid}/task/{each}/status", switches)
        + words_after(f"/proc/{pid}/task/{each}/status", b"non" + switches)
        for each in os.listdir(f"/proc/{pid}/task")
    }


def wchan_of(pid: int, tid: int) -> str:
    """The kernel's function that a thread sleeps in, "" if it may not be told. -- proc_pid_wchan(5)"""
    name = (_bytes_of(f"/proc/{pid}/task/{tid}/wchan") or b"").decode()
    return "" if name == "0" else name


def memory_of(pid: int, address: int, length: int) -> bytes | None:
    """These bytes of its memory; None where we may not look, or nothing is there. -- proc_pid_mem(5)"""
    try:
        with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
            found = os.pread(memory.fileno(), length, address)
    except (OSError, OverflowError):
        return None
    return found if len(found) == length else None


def owner_of(pid: int) -> int:
    """Its effective user."""
    with open(f"/proc/{pid}/status") as lines:
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
    lists = [_bytes_of(f"/proc/{pid}/task/{thread}/children") for thread in threads]
    if all(each is None for each in lists):  # a kernel without this file
        return [each for each in processes() if _number(f"/proc/{each}/status", b"PPid:") == pid]
    return sorted(int(child) for each in lists for child in (each or b"").split())


def _number(path: str, name: bytes) -> int | None:
    words = words_after(path, name)
    return int(words[0]) if words else None


def lines_of(path: str) -> list[bytes]:
    """Of a file in /proc; none if it cannot be read."""
    return (_bytes_of(path) or b"").splitlines()


def words_after(path: str, name: bytes) -> list[bytes]:
    """What stands behind a field's name in a file such as /proc/PID/status; [] if it cannot be read."""
    for line in (_bytes_of(path) or b"").splitlines():
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
