"""How a set gets its initial values without anybody seeing it before. -- semget(2)

The kernel makes a set and sets its values in two calls. sem_otime, 0 until the first semop, is the flag that the values
are in place: we set them all with SETALL and raise the flag with an operation that changes nothing. Who makes a set, or
finds one whose flag is down, first takes the *creation lock*: flock(2) on the file of the IPC namespace, which exactly
the processes that can see the set share, and which the kernel releases however its holder ends. Drawn, argued and
model-checked in docs/design/semaphore-initialisation.md.
"""

from __future__ import annotations

import errno
import os

from .. import _wait
from .._call import explained, failure
from .._native import sysv as _sysv
from .._native.file import flock_once, open_owned
from ..errors import ObjectRemoved
from ._object import CREATE, EXCLUSIVE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    S = TypeVar("S", bound="_sysv.SetCalls")

NAMESPACE = "/proc/thread-self/ns/ipc"
LOCK_EX, LOCK_UN = 2, 8
HIGHEST_VALUE = 32767
STRANGERS_GRACE_S = 2
"""A program that does not know the lock has this long between its semget and its first semop or semctl."""
LOOK_AGAIN_NS = 20_000_000
"""A stranger's progress can only be looked at; this often."""


def create(cls: type[S], key: int, initial: tuple[int, ...], mode: int, timeout: float | None) -> S:
    """A new set, with its values in place. FileExistsError if the key is in use."""
    _check(initial)
    if not key:
        return _make(cls, key, initial, mode)
    with CreationLock(timeout):
        return _make(cls, key, initial, mode)


def temporary(cls: type[S], initial: tuple[int, ...], mode: int) -> S:
    """A new set without a key, which ends with its handle."""
    _check(initial)
    made = _sysv.get_set(cls, 0, len(initial), CREATE | mode, True)
    _initialise(made, initial)
    return made


def open(cls: type[S], key: int, timeout: float | None) -> S:
    """The set of this key, with its values in place. FileNotFoundError if there is none."""
    deadline = _wait.Deadline(timeout)
    while True:  # ends: the flag is raised, the set goes, or the grace is over
        found = _sysv.get_set(cls, key, 0, 0)
        if _flag_is_up(found):
            return found
        with CreationLock(deadline.left()):
            if _settled(found) and _accepted(found, None):
                return found
        _look_again(deadline, key)


def ensure(cls: type[S], key: int, initial: tuple[int, ...], mode: int, timeout: float | None) -> S:
    """The set of this key, made if it is missing, with its values in place whoever made it."""
    _check(initial)
    if not key:
        return _make(cls, key, initial, mode)
    deadline = _wait.Deadline(timeout)
    while True:  # ends: each turn somebody has removed the set meanwhile, or a stranger has his grace
        found = _existing(cls, key, len(initial))
        if found is not None and _flag_is_up(found):
            return found
        with CreationLock(deadline.left()):
            made = _made_or_taken_over(cls, key, initial, mode)
        if made is not None:
            return made
        _look_again(deadline, key)


def _made_or_taken_over(cls: type[S], key: int, initial: tuple[int, ...], mode: int) -> S | None:
    """Under the lock; None to look again."""
    try:
        return _make(cls, key, initial, mode)
    except FileExistsError:
        found = _existing(cls, key, len(initial))
    except ObjectRemoved:
        return None
    return found if found is not None and _settled(found) and _accepted(found, initial) else None


def _check(initial: tuple[int, ...]) -> None:
    """Refuse what no set can have before there is one."""
    if not initial:
        raise failure(errno.EINVAL, "semget(2)", None, "a set has at least one semaphore")
    for value in initial:
        if not 0 <= value <= HIGHEST_VALUE:
            hint = f"a semaphore's value is 0..{HIGHEST_VALUE} (SEMVMX), not {value}"
            raise failure(errno.ERANGE, "semctl(SETALL)", None, hint)


def _existing(cls: type[S], key: int, count: int) -> S | None:
    """The set of this key, which must have as many semaphores; None if there is none."""
    try:
        return _sysv.get_set(cls, key, count, 0)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        _refuse_size(key, count, error)
        return None


def _refuse_size(key: int, count: int, error: OSError) -> None:
    try:
        there = _sysv.get_set(_sysv.SetCalls, key, 0, 0).size()
    except (FileNotFoundError, ObjectRemoved):
        return  # it went meanwhile
    hint = f"a set of {there} semaphores has this key already, {count} were asked for"
    raise failure(errno.EINVAL, "semget(2)", error.filename, hint) from None


def _make(cls: type[S], key: int, initial: tuple[int, ...], mode: int) -> S:
    made = _sysv.get_set(cls, key, len(initial), CREATE | EXCLUSIVE | mode)
    try:
        _initialise(made, initial)
    except ObjectRemoved:
        raise
    except BaseException:
        made.remove()
        raise
    return made


def _initialise(made: _sysv.SetCalls, initial: tuple[int, ...]) -> None:
    made.set_all(initial)
    _raise_flag(made)


def _raise_flag(made: _sysv.SetCalls) -> None:
    """An operation that changes nothing: sem_otime tells that the values are in place."""
    try:
        made.try_op((0, +1), (0, -1))
    except OSError as error:
        if error.errno != errno.ERANGE:
            raise
        made.try_op((0, -1), (0, +1))  # it is at its maximum


def _flag_is_up(found: _sysv.SetCalls) -> bool:
    try:
        return bool(found.status()[3])
    except ObjectRemoved:
        return False


def _settled(found: _sysv.SetCalls) -> bool:
    """Whether the flag is up, or no stranger can be expected to be at work on it any more."""
    try:
        status = found.status()
    except ObjectRemoved:
        return False
    operated, changed = status[3], status[4]
    age_s = _sysv.seconds_now() - changed  # -1: the kernel's second has begun, and time(2) does not say so yet
    return bool(operated) or not -1 <= age_s < STRANGERS_GRACE_S


def _accepted(found: _sysv.SetCalls, initial: tuple[int, ...] | None) -> bool:
    """Under the lock, and settled: make sure that the values are in place and the flag is up. False if it was removed.

    None of us is at work on it. The flag is looked at again after the values: somebody who took the set as it was may
    have begun to use it, and have taken it back to what looks untouched.
    """
    try:
        touched = _touched(found)
        if _flag_is_up(found):
            return True
        if touched:  # a stranger set the values with semctl, and nothing tells so
            _raise_flag(found)
        elif initial is None:
            hint = "the set exists, but nobody has given it values: ensure() does, SemaphoreSet(id) takes it as it is"
            raise failure(errno.EAGAIN, "semget(2)", found.name, hint)
        else:
            _initialise(found, initial + (0,) * (found.size() - len(initial)))
    except ObjectRemoved:
        return False
    return True


def _touched(found: _sysv.SetCalls) -> bool:
    """Whether anybody has set a value, or waits already."""
    signs = ("last_pid", "waiters", "zero_waiters")
    return any(found.get_all()) or any(found.get(index, sign) for index in range(found.size()) for sign in signs)


def _look_again(deadline: _wait.Deadline, key: int) -> None:
    deadline.check(f"key 0x{key & 0xFFFFFFFF:08x}", "waiting for the set's values")
    soon, latest = _wait.monotonic_ns() + LOOK_AGAIN_NS, deadline.next_look_ns()
    _wait.sleep_on_descriptors((), soon if latest < 0 else min(soon, latest))


class CreationLock:
    """Held while a set is made or taken over, by one process of the IPC namespace at a time. -- flock(2)"""

    def __init__(self, timeout: float | None) -> None:
        self.timeout = timeout

    def __enter__(self) -> None:
        try:
            self.namespace = open_owned(NAMESPACE, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            hint = "making a semaphore set needs procfs, for the lock that keeps others out meanwhile"
            raise explained(error, "open(2)", NAMESPACE, hint) from None
        try:
            _wait.in_kernel(flock_once, self.namespace.fileno(), LOCK_EX, timeout=self.timeout, name=NAMESPACE)
        except BaseException:
            self.namespace.close()
            raise

    def __exit__(self, *_exception: object) -> None:
        try:
            flock_once(self.namespace.fileno(), LOCK_UN)  # closing would not: a child forked meanwhile has it open too
        except OSError:
            pass  # what was made is there, and closing is what is left to do
        finally:
            self.namespace.close()
