# cython: language_level=3, binding=False, auto_pickle=False, embedsignature=True, embedsignature.format=python
"""The only blocking loop: try, then sleep until it is worth trying again.

A mechanism offers a *try* that never waits: it returns the result, or None for "not now". `wait` repeats it, and
sleeps in between in one of three ways:

========================= ========================================== =============================================
the thing to wait for     how we sleep                               who wakes us
========================= ========================================== =============================================
descriptors               ppoll(2) with the time that is left        the kernel; `Descriptor.close` in a thread
a word in shared memory   futex(2) with the time that is left        who changes the word
the kernel itself         the call sleeps; an alarm interrupts it    the kernel; the alarm; `Interrupt.set`
========================= ========================================== =============================================

Deadlines (monotonic), EINTR, Ctrl-C and Python's signal handlers are handled here and nowhere else.

Why there is a *beat*: Python's own C handler only notes a signal; its Python handler runs when the interpreter
looks. A signal that arrives after our last look and before the thread is asleep would end nothing. So the main
thread, the only one that runs Python handlers, never sleeps longer than it has waited already (at least
`FIRST_BEAT_NS`): a signal from that window is noticed then. A wait of an hour costs some twenty wake-ups.

Compiled, because a parent that waits for a child pays for every page that it touches meanwhile (a page fault each,
after fork), and because a sleep should cost what ppoll costs.
"""

import errno
from _thread import _local

from libc.stdint cimport int64_t

from unixipc._native import wait as _sleeps
from unixipc._native.wait cimport plain_timeout, timeout_ns
from unixipc._native.wait import Interrupt, check_signals, is_main_thread, monotonic_ns, sleep_on_descriptors

ready_now, wake_thread, checked_ns = _sleeps.ready_now, _sleeps.wake_thread, _sleeps.checked_ns
READABLE, WRITABLE = 1, 4  # POLLIN, POLLOUT
FIRST_BEAT_NS = 10_000_000

cdef int64_t BEAT_NS = FIRST_BEAT_NS


cdef class Deadline:
    """When a wait ends, and when the main thread looks for signals again on the way."""

    cdef readonly object timeout
    cdef readonly int64_t began_ns, at_ns
    cdef readonly bint beats

    def __init__(self, timeout):
        self.timeout = plain_timeout(timeout)
        self.began_ns = monotonic_ns()
        self.at_ns = -1 if timeout is None else self.began_ns + timeout_ns(self.timeout)
        self.beats = is_main_thread()

    cpdef int64_t next_look_ns(self) except? -2:
        """Sleep until then at most (CLOCK_MONOTONIC); -1: for as long as it takes."""
        cdef int64_t now_ns, beat_ns
        if not self.beats:
            return self.at_ns
        now_ns = monotonic_ns()
        beat_ns = now_ns + max(BEAT_NS, now_ns - self.began_ns)
        return beat_ns if self.at_ns < 0 else min(beat_ns, self.at_ns)

    def left(self):
        """The seconds that are left, at least 0; None for as long as it takes: a `timeout` for the next part of it."""
        return None if self.at_ns < 0 else max(0, self.at_ns - <int64_t>monotonic_ns()) / 1e9

    cpdef check(self, name, doing):
        """Raise TimeoutError once the time is up."""
        if 0 <= self.at_ns <= <int64_t>monotonic_ns():
            raise timed_out(name, doing, self.timeout)


def timed_out(name, doing, timeout):
    """The TimeoutError every waiting method raises: it has consumed and changed nothing."""
    error = TimeoutError(errno.ETIMEDOUT, f"timed out after {timeout} s", name)
    error.add_note(f"{doing}: not possible within {timeout} s; nothing was consumed or changed")
    return error


def wait(attempt, sleep, deadline, name, tried=False):
    """Repeat `attempt` until it gives something; between two attempts `sleep` until a deadline in nanoseconds.

    `tried`: the caller has just made the first attempt.
    """
    result = None if tried else attempt()
    while result is None:
        deadline.check(name, "wait")
        sleep(deadline.next_look_ns())
        result = attempt()
    return result


def on_descriptor(descriptor, events, attempt, *args, timeout, tried=False):
    """Wait until `attempt(*args)` gives something, sleeping while `descriptor` is not ready. -- poll(2)"""
    waiting = OnDescriptor(((descriptor, events),), attempt, args)
    return wait(waiting.attempt, waiting.sleep, Deadline(timeout), descriptor.name, tried)


cdef class OnDescriptor:
    """One wait for one descriptor: what to try and what to sleep on."""

    cdef tuple watched, args
    cdef object call

    def __init__(self, tuple watched, call, tuple args):
        self.watched, self.call, self.args = watched, call, args

    def attempt(self):
        return self.call(*self.args)

    def sleep(self, until_ns):
        sleep_on_descriptors(self.watched, until_ns)


def on_descriptors(watched, attempt, timeout, name):
    """The same for several descriptors: `watched()` says, after each try, which of them were not ready."""
    return wait(attempt, lambda until_ns: sleep_on_descriptors(watched(), until_ns), Deadline(timeout), name)


def on_word(word, attempt, timeout, name=None, look_ns=None):
    """Wait until `attempt()` gives something, sleeping while `word` keeps the value from before the try. -- futex(2)

    `look_ns`: look at least so often, where who changes the word may be killed before the wake-up that goes with it.
    """
    looking = LookingAtWord(word, attempt, look_ns)
    return wait(looking.attempt, looking.sleep, Deadline(timeout), name)


class LookingAtWord:
    """The word's value is noted before each try: a change during it makes the sleep return at once."""

    def __init__(self, word, attempt, look_ns):
        self.word, self.next_try, self.look_ns, self.seen = word, attempt, look_ns, 0

    def attempt(self):
        self.seen = self.word.load()
        return self.next_try()

    def sleep(self, until_ns):
        if self.look_ns is not None:
            soon = monotonic_ns() + self.look_ns
            until_ns = soon if until_ns < 0 else min(soon, until_ns)
        self.word.sleep(self.seen, until_ns)


this_thread = _local()
"""`this_thread.interrupt`: how the waits in the kernel of a whole thread can be cancelled from outside (aio does)."""


class Closing:
    """While a thread sleeps in a call on a handle, closing it calls `wake`, and the interruption is ClosedError."""

    def __init__(self, handle, wake):
        self.handle, self.wake = handle, wake

    def __enter__(self):
        if self.handle is not None:
            self.handle.add_sleeper(self.wake)

    def __exit__(self, kind, error, where):
        if self.handle is not None:
            self.handle.remove_sleeper(self.wake)
            if kind is InterruptedError:
                self.handle.check_open()


def in_kernel(call, *args, timeout, name=None, interrupt=None, on=None):
    """Let `call(*args)` sleep in the kernel; an alarm interrupts it at the deadline, or `interrupt.set()` at any time.

    `call` makes one system call and raises InterruptedError when a signal ended it. After `interrupt.set()` the
    wait ends with InterruptedError, unless the call had succeeded: then its result is returned, never lost.
    Without an `interrupt` it is this thread's own, if somebody gave it one (`this_thread.interrupt`).
    Closing the handle `on` in another thread ends the wait with ClosedError.
    """
    deadline = Deadline(timeout)
    with interrupt or getattr(this_thread, "interrupt", None) or Interrupt() as alarm, Closing(on, alarm.set):

        def attempt():
            if not alarm.arm(deadline.next_look_ns()):
                raise InterruptedError(errno.EINTR, "the wait was cancelled")
            try:
                return call(*args)
            except InterruptedError:
                return None

        return wait(attempt, lambda _until_ns: check_signals(), deadline, name)
