"""The objects that an address stands for: which kinds of them there are, and how each is removed."""

from __future__ import annotations

import errno
import os
import stat

from .._call import explained, failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .addresses import Address

    Found = dict[str, Callable[[], object]]


def removers(address: Address) -> Found:
    """For each kind of object that is there: what removes it. Nothing is touched yet."""
    return {"sysv": _sysv, "posix": _posix, "fifo": _fifo, "unix": _socket}.get(address.scheme, _channel)(address)


def remove(address: Address) -> str:
    """Remove the one object that it stands for; its kind. FileNotFoundError, or ValueError if that is not just one."""
    found = removers(address)
    if address.kind is not None and address.scheme != "unix":
        found = {kind: call for kind, call in found.items() if kind == address.kind}
    if not found:
        raise failure(errno.ENOENT, "stat(2)", str(address), "there is no such object here")
    if len(found) > 1:
        kinds = " and ".join(f"a {kind}" for kind in found)
        raise ValueError(f"{address} is {kinds}; nothing was removed: write {address}?kind={next(iter(found))}, say")
    ((kind, call),) = found.items()
    call()
    return kind


def sysv_ids(kind: str, key: int) -> list[int]:
    """The id of the set, queue or segment that has this key: one or none."""
    from .. import sysv

    tables: dict[str, Callable[[], Any]] = {"queue": sysv.queues, "set": sysv.semaphore_sets, "segment": sysv.segments}
    return [each.id for each in tables[kind]() if int(each.permissions.key) == key]


def remove_sysv(kind: str, number: int) -> None:
    """Remove the object of this id. ObjectRemoved if there is none. -- msgctl(2), semctl(2), shmctl(2)"""
    from .. import sysv

    classes = {"queue": sysv.MessageQueue, "set": sysv.SemaphoreSet, "segment": sysv.SharedMemory}
    with classes[kind](number) as found:
        found.remove()


def _sysv(address: Address) -> Found:
    from .. import sysv

    found: Found = {}
    for kind, table in (("queue", sysv.queues), ("set", sysv.semaphore_sets), ("segment", sysv.segments)):
        for each in table():
            if each.id == address.id or (address.key and int(each.permissions.key) == address.key):
                found[kind] = lambda kind=kind, number=each.id: remove_sysv(kind, number)  # type: ignore[misc]
    return found


def _posix(address: Address) -> Found:
    from .. import posix

    found: Found = {}
    name = address.name
    if os.path.lexists(f"/dev/shm/sem.{name[1:]}"):
        found["semaphore"] = lambda: posix.remove_semaphore(name)
    if os.path.lexists(f"/dev/shm{name}"):
        found["memory"] = lambda: posix.remove_memory(name)
    try:
        posix.MessageQueue.open(name).close()
    except FileNotFoundError:
        return found
    except OSError:
        pass  # it is there, and not ours to open: removing it will tell
    found["queue"] = lambda: posix.remove_queue(name)
    return found


def _fifo(address: Address) -> Found:
    from ..fifo import Fifo

    try:
        return {"fifo": Fifo.open(address.name).remove}
    except FileNotFoundError:
        return {}


def _channel(address: Address) -> Found:
    from ..channel import Queue, Topic

    cls = Queue if address.scheme == "channel" else Topic

    def remove_it() -> None:
        with cls.open(address.name) as found:
            found.remove()

    try:
        cls.open(address.name).close()
    except FileNotFoundError:
        return {}
    return {address.scheme: remove_it}


def _socket(address: Address) -> Found:
    if address.name.startswith("@"):
        raise failure(errno.EINVAL, "unlink(2)", str(address), "an abstract name goes with its socket: end who has it")
    try:
        found = os.lstat(address.name)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise explained(error, "stat(2)", address.name) from None
    if not stat.S_ISSOCK(found.st_mode):
        raise failure(errno.EINVAL, "unlink(2)", address.name, "this path is no socket; it was left as it is")
    return {"socket": lambda: _remove_stale(address.name)}


def _remove_stale(path: str) -> None:
    """A socket file that nobody is bound to. OSError(EADDRINUSE) for a live one. -- unlink(2)"""
    from .. import sockets

    with sockets.listen(path, takeover=True) as taken:  # takes a stale name over, under the folder's lock
        taken.remove()
