"""A stack of their own for C handlers: G24."""

from __future__ import annotations

import ctypes
import errno
import faulthandler
import os
import re
import resource
import signal
import threading
from signal import SIGRTMIN, SIGSEGV, SIGUSR2

import pytest

from unixipc import Exited, Killed, fork, pipe
from unixipc.signals import Counter, action_of, alternate_stack, handling, send

WAIT = 20
ME = os.getpid


def touched_kib(address):
    """How much of the mapping that begins there is in memory."""
    with open("/proc/self/smaps") as lines:
        for line in lines:
            if re.match(f"{address:x}-", line):
                return next(int(each.split()[1]) for each in lines if each.startswith("Rss:"))
    pytest.fail("there is no such mapping")


def mapped(address):
    with open("/proc/self/maps") as lines:
        return any(line.startswith(f"{address:x}-") for line in lines)


@pytest.mark.parametrize("kind", ["python", "counter"])
def test_G24_the_c_handlers_run_on_it(kind):
    def child():
        with alternate_stack() as stack:
            address = stack.address
            assert stack.size_bytes == 1 << 16 and touched_kib(address) == 0
            if kind == "counter":
                with Counter(SIGRTMIN) as counter:
                    send(ME(), SIGRTMIN)
                    assert counter.wait(WAIT) == 1
            else:
                with handling(SIGRTMIN, lambda *_: None):
                    assert action_of(SIGRTMIN).on_stack
                    send(ME(), SIGRTMIN)
            assert touched_kib(address) > 0
        assert stack.address is None and not mapped(address)

    with fork(child) as process:
        assert process.wait(WAIT) == Exited(0)


@pytest.mark.parametrize("with_a_stack", [True, False])
def test_with_it_faulthandler_can_tell_of_a_thread_s_overflow(with_a_stack):
    reader, writer = pipe()

    def overflows():
        if with_a_stack:
            with alternate_stack():
                faulthandler._stack_overflow()
        faulthandler._stack_overflow()

    def child():
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        faulthandler.enable(writer.fileno())
        threading.stack_size(1 << 18)
        thread = threading.Thread(target=overflows)
        thread.start()
        thread.join()

    with reader, writer, fork(child) as process:
        assert process.wait(WAIT) == Killed(SIGSEGV)
        said = reader.try_read(10_000) or b""
    assert b"Fatal Python error" in said or not with_a_stack  # without it, there may be room enough by luck


def test_nested_ones_come_back_in_order():
    with alternate_stack() as outer:
        with alternate_stack(1 << 17) as inner:
            assert inner.address != outer.address and inner.size_bytes == 1 << 17
            with pytest.raises(RuntimeError, match="take that away first"):
                outer.__exit__()
        assert mapped(outer.address)


def test_it_is_kept_while_a_handler_runs_on_it():
    """A C handler that is Python's in the end, as no sane program has it; raised by the thread itself."""

    def child():
        errors = []
        libc = ctypes.CDLL(None)
        stack = alternate_stack(1 << 20)

        @ctypes.CFUNCTYPE(None, ctypes.c_int)
        def handler(_number):
            for use in (stack.__exit__, alternate_stack().__enter__):
                try:
                    use()
                except OSError as error:
                    errors.append((error.errno, error.__notes__[0]))

        with handling(SIGUSR2, lambda *_: None):  # puts back what was there
            action = (ctypes.c_byte * 152)()
            libc.sigaction(SIGUSR2, None, action)
            ctypes.cast(action, ctypes.POINTER(ctypes.c_void_p))[0] = ctypes.cast(handler, ctypes.c_void_p)
            libc.sigaction(SIGUSR2, action, None)
            with stack:
                libc.raise_ = getattr(libc, "raise")
                libc.raise_(int(SIGUSR2))
                assert mapped(stack.address)
        assert [code for code, _ in errors] == [errno.EPERM] * 2 and "runs on it" in errors[0][1]

    with fork(child) as process:
        assert process.wait(WAIT) == Exited(0)


@pytest.mark.parametrize(("size_bytes", "error"), [(0, errno.ENOMEM), (1 << 60, errno.ENOMEM)])
def test_too_small_or_too_large_is_refused(size_bytes, error):
    with pytest.raises(OSError) as caught, alternate_stack(size_bytes):
        pytest.fail("it was entered")
    assert caught.value.errno == error


def test_sizes_that_are_none():
    for bad in (-1, 2**64):
        with pytest.raises(OverflowError):
            alternate_stack(bad)
    with pytest.raises(TypeError):
        alternate_stack("64k")


def test_it_is_the_thread_s_and_entered_once():
    errors = []

    def leaves(stack):
        try:
            stack.__exit__()
        except RuntimeError as error:
            errors.append(str(error))

    with alternate_stack() as stack:
        with pytest.raises(RuntimeError, match="entered already"):
            stack.__enter__()
        with pytest.raises(RuntimeError, match="entered already"):
            stack.__init__(1 << 16)
        thread = threading.Thread(target=leaves, args=(stack,))
        thread.start()
        thread.join()
    with pytest.raises(RuntimeError, match="not entered"):
        stack.__exit__()
    assert len(errors) == 1 and "another thread" in errors[0]


def test_fork_the_child_leaves_its_own():
    with alternate_stack() as stack:

        def child():
            stack.__exit__()
            assert stack.address is None

        with fork(child) as process:
            assert process.wait(WAIT) == Exited(0)
        assert mapped(stack.address)
        assert action_of(signal.SIGINT).on_stack
