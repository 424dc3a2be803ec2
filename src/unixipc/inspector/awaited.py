"""From a system call and its arguments to what the thread waits for. -- proc_pid_syscall(5), proc_pid_mem(5)"""

from __future__ import annotations

import os
import stat
import struct

from . import futexes
from .calls import READS, WRITES
from .descriptors import descriptor, ended
from .files import stat_in
from .namespaces import elsewhere, pid_here
from .procfs import Call, children_of, has_ended, identity, info_of, memory_of
from .scene import Ender, Scene, Thing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .locks import LockRow
    from .system_v import SemaphoreRow

__all__ = ["things"]

F_SETLKW, F_OFD_SETLKW = 7, 38
F_RDLCK = 0
POLLIN, POLLPRI, POLLOUT = 1, 2, 4
P_ALL, P_PID, P_PGID, P_PIDFD = range(4)
SHARED = 1  # LOCK_SH
SEMBUF = struct.Struct("=Hhh")
FLOCK = struct.Struct("=hhxxxxqqi")
POLLFD = struct.Struct("=ihh")


def things(scene: Scene, call: Call, name: str) -> list[Thing]:
    """What the call waits for; several if any of them would do (poll); nothing if that is nothing of ours."""
    if name in READS or name in WRITES:
        return descriptor(scene, call.pid, _int(call.arguments[0]), name in READS)
    how = CALLS.get(name)
    return [] if how is None else how(scene, call)


def _int(register: int) -> int:
    """A C int in a register."""
    return (register & 0xFFFFFFFF) - ((register & 0x80000000) << 1)


# locks ----------------------------------------------------------------------------------------------------------------


def _flock(scene: Scene, call: Call) -> list[Thing]:
    shared = bool(call.arguments[1] & SHARED)
    return _lock(scene, call, ("flock",), lambda row: not (shared and row.shared))


def _fcntl(scene: Scene, call: Call) -> list[Thing]:
    if call.arguments[1] not in (F_SETLKW, F_OFD_SETLKW):
        return []
    raw = memory_of(call.pid, call.arguments[2], FLOCK.size)
    if raw is None:
        return _lock(scene, call, ("ofd", "posix"), lambda row: True)
    kind, whence, start, length, _pid = FLOCK.unpack(raw)
    mine = call.pid if call.arguments[1] == F_SETLKW else None

    def excludes(row: LockRow) -> bool:
        if (kind == F_RDLCK and row.shared) or (mine is not None and row.pid == mine):
            return False
        return whence != os.SEEK_SET or _overlap(row.start, row.length, start, length)

    return _lock(scene, call, ("ofd", "posix"), excludes)


def _overlap(start: int, length: int, at: int, count: int) -> bool:
    """Whether two ranges have a byte in common; length 0: to the end; a negative one: before the start."""
    if count < 0:
        at, count = at + count, -count
    return (not length or at < start + length) and (not count or start < at + count)


def _lock(scene: Scene, call: Call, types: tuple[str, ...], excludes: Callable[[LockRow], bool]) -> list[Thing]:
    number = _int(call.arguments[0])
    try:
        found = scene.seen.stat(call.pid, number)
        path = os.readlink(f"/proc/{call.pid}/fd/{number}")
    except OSError:
        return []
    rows = [row for row in _locks_on(scene, found, path) if row.type in types and excludes(row)]
    pids = {pid for row in rows for pid in row.holders or ((row.pid,) if row.pid else ())}
    text = f"{path} is locked ({', '.join(sorted({row.type for row in rows})) or 'by nobody who is seen'})"
    file = rows[0].id if rows else identity(found.st_dev, found.st_ino)
    return [Thing("lock", file, "acquires", text, scene.enders(pids, "holds it"), not pids)]


def _locks_on(scene: Scene, found: os.stat_result, path: str) -> list[LockRow]:
    """By device and inode; or by inode and path: btrfs tells two devices for one file."""
    rows = scene.locks_by_inode.get(str(found.st_ino), ())
    exact = [row for row in rows if row.id == identity(found.st_dev, found.st_ino)]
    return exact or [row for row in rows if row.path == path]


# System V -------------------------------------------------------------------------------------------------------------


def _semop(scene: Scene, call: Call) -> list[Thing]:
    number, address, count = _int(call.arguments[0]), call.arguments[1], min(call.arguments[2], 500)
    if (other := elsewhere(scene.seen, call.pid, number)) is not None:
        return [Thing("sysv-set", other, "acquires", f"a semaphore of set {other}", (), True)]
    row = scene.sets.get(number)
    raw = memory_of(call.pid, address, SEMBUF.size * count)
    if row is None or row.semaphores is None or raw is None:
        return [Thing("sysv-set", number, "acquires", f"a semaphore of set {number}", (), True)]
    for index, change, _flags in SEMBUF.iter_unpack(raw):
        of = row.semaphores[index] if index < len(row.semaphores) else None
        if of is not None and ((change < 0 and of.value < -change) or (change == 0 and of.value)):
            return [_semaphore(scene, number, of, change)]
    return [Thing("sysv-set", number, "acquires", f"set {number}: it may go on now", (), True)]


def _semaphore(scene: Scene, number: int, of: SemaphoreRow, change: int) -> Thing:
    """Who holds a System V semaphore the kernel does not tell; who changed it last, it does."""
    wants = f"wants {-change}" if change else "wants 0"
    text = f"semaphore {of.index} of set {number} is {of.value}, it {wants}"
    if not of.last_pid:
        return Thing("sysv-set", number, "acquires", f"{text}; nobody who changed it is known", (), True)
    if has_ended(of.last_pid):
        return Thing(
            "sysv-set", number, "acquires", f"{text}; last changed by {of.last_pid}, which has ended", (), True
        )
    enders = scene.enders([of.last_pid], "changed it last", False)
    return Thing("sysv-set", number, "acquires", text, enders, True)


def _msgrcv(scene: Scene, call: Call) -> list[Thing]:
    return [_queue(scene, call, True)]


def _msgsnd(scene: Scene, call: Call) -> list[Thing]:
    return [_queue(scene, call, False)]


def _queue(scene: Scene, call: Call, reads: bool) -> Thing:
    own = _int(call.arguments[0])
    other = elsewhere(scene.seen, call.pid, own)
    number, row = (own, scene.queues.get(own)) if other is None else (other, None)
    last = 0 if row is None else row.last_sender_pid if reads else row.last_receiver_pid
    enders: tuple[Ender, ...] = ()
    if last and not has_ended(last):
        enders = scene.enders([last], "was the last to send" if reads else "was the last to receive", False)
    messages = "" if row is None else f" ({row.messages} messages in it)"
    if reads:
        return Thing("sysv-queue", number, "receives", f"no message for it in queue {number}{messages}", enders, True)
    return Thing("sysv-queue", number, "sends", f"queue {number} is full{messages}", enders, True)


# processes ------------------------------------------------------------------------------------------------------------


def _wait4(scene: Scene, call: Call) -> list[Thing]:
    return _children(scene, call, max(_int(call.arguments[0]), 0))


def _waitid(scene: Scene, call: Call) -> list[Thing]:
    how, number = call.arguments[0], _int(call.arguments[1])
    if how == P_PIDFD:
        pid = int(info_of(call.pid, number).get("Pid", "0"))
        return [ended(scene, pid)] if pid > 0 else []
    return _children(scene, call, number if how == P_PID else 0)


def _children(scene: Scene, call: Call, number: int) -> list[Thing]:
    """All of them, or the one that the process itself calls so."""
    found = children_of(call.pid)
    if number:
        one = pid_here(number, found)
        found = [] if one is None else [one]
    return [ended(scene, each) for each in found]


# several descriptors --------------------------------------------------------------------------------------------------


def _poll(scene: Scene, call: Call) -> list[Thing]:
    raw = memory_of(call.pid, call.arguments[0], POLLFD.size * min(call.arguments[1], 65536)) or b""
    return [
        thing
        for number, events, _found in POLLFD.iter_unpack(raw)
        if number >= 0
        for thing in _events(scene, call.pid, number, events)
    ]


def _events(scene: Scene, pid: int, number: int, events: int) -> list[Thing]:
    """Nothing asked for: only the other side's end wakes it, as for reading."""
    if events & POLLOUT:
        return descriptor(scene, pid, number, False) + (
            descriptor(scene, pid, number, True) if events & (POLLIN | POLLPRI) else []
        )
    return descriptor(scene, pid, number, True)


def _select(scene: Scene, call: Call) -> list[Thing]:
    count, *sets = call.arguments[:4]
    count = min(_int(count), 1 << 20)
    found: list[Thing] = []
    for address, reads in zip(sets, (True, False, True), strict=True):
        bits = int.from_bytes((address and memory_of(call.pid, address, (count + 63) // 64 * 8)) or b"", "little")
        for number in range(count):
            if bits >> number & 1:
                found += descriptor(scene, call.pid, number, reads)
    return found


def _epoll(scene: Scene, call: Call) -> list[Thing]:
    found: list[Thing] = []
    for line in info_of(call.pid, _int(call.arguments[0])).get("tfd", "").splitlines():
        words = line.split()  # 5 events: 19 data: ...
        found += _events(scene, call.pid, int(words[0]), int(words[2], 16))
    return found


# others ---------------------------------------------------------------------------------------------------------------


def _openat(scene: Scene, call: Call) -> list[Thing]:
    """Opening a FIFO waits for the other side; what it is called is in the process's memory."""
    return _opening(scene, call, call.arguments[1], _int(call.arguments[0]), call.arguments[2])


def _open(scene: Scene, call: Call) -> list[Thing]:
    return _opening(scene, call, call.arguments[0], -100, call.arguments[1])


def _opening(scene: Scene, call: Call, address: int, folder: int, flags: int) -> list[Thing]:
    raw = b""
    while b"\0" not in raw and len(raw) < 4096 and (piece := memory_of(call.pid, address + len(raw), 1)):
        raw += piece
    name = os.fsdecode(raw.partition(b"\0")[0])
    start = (
        f"/proc/{call.pid}/root" if name[:1] == "/" else f"/proc/{call.pid}/{'cwd' if folder < 0 else f'fd/{folder}'}"
    )
    try:
        found = stat_in(start, name)
    except BlockingIOError:
        return [Thing("file", name, "opens", f"{name}, on a file system that may be dead and is not asked", (), True)]
    if found is None or not stat.S_ISFIFO(found.st_mode):
        return []
    side = "writer" if flags & 3 == os.O_RDONLY else "reader"
    return [Thing("fifo", identity(found.st_dev, found.st_ino), "opens", f"{name} has no {side}", (), True)]


def _signal(_scene: Scene, _call: Call) -> list[Thing]:
    return [Thing("signal", "", "waits", "for a signal", (), True)]


def _time(_scene: Scene, _call: Call) -> list[Thing]:
    return [Thing("time", "", "sleeps", "until a moment; if it polls, for what is not known", (), True)]


CALLS: dict[str, Callable[[Scene, Call], list[Thing]]] = {
    "flock": _flock,
    "fcntl": _fcntl,
    "semop": _semop,
    "semtimedop": _semop,
    "msgrcv": _msgrcv,
    "msgsnd": _msgsnd,
    "wait4": _wait4,
    "waitid": _waitid,
    "poll": _poll,
    "ppoll": _poll,
    "select": _select,
    "pselect6": _select,
    "epoll_wait": _epoll,
    "epoll_pwait": _epoll,
    "epoll_pwait2": _epoll,
    "open": _open,
    "openat": _openat,
    "futex": futexes.slept_on,
    "futex_waitv": futexes.slept_on,
    "pause": _signal,
    "rt_sigsuspend": _signal,
    "rt_sigtimedwait": _signal,
    "nanosleep": _time,
    "clock_nanosleep": _time,
}
