"""Processes by descriptor: P15 (pidfd, signals with a value), P16 (taking a descriptor), P18 (non-blocking)."""

import errno
import os
import signal
import threading

import pytest

from unixipc import ClosedError, Exited, Killed, PipeReader, Process, features, fork, pipe, sockets

WAIT = 20
pytestmark = pytest.mark.skipif(not features.available("pidfd"), reason=str(features.why_not("pidfd")))


def gone_pid():
    """The pid of a process that was reaped just now."""
    with fork(lambda: 0) as child:
        child.wait(timeout=WAIT)
    return child.pid


def test_P15_any_process_can_be_held_and_its_end_waited_for():
    with fork(signal.pause) as child, Process(child.pid) as same:
        assert (same.pid, same.has_ended(), same.try_wait_end()) == (child.pid, False, None)
        with pytest.raises(TimeoutError):
            same.wait_end(timeout=0.02)
        same.terminate()
        same.wait_end(timeout=WAIT)
        assert same.has_ended() is same.try_wait_end() is True
        assert child.wait(timeout=WAIT) == Killed(signal.SIGTERM)
        assert same.has_ended(), "also after it was reaped"


def test_P15_a_grandchild_that_is_not_ours_can_be_waited_for():
    reader, writer = pipe()

    def leave_a_grandchild():
        grandchild = fork(signal.pause)
        grandchild.detach()
        writer.write_all(b"%d" % grandchild.pid)

    with reader, writer:
        with fork(leave_a_grandchild) as child:
            with Process(int(reader.read(100, timeout=WAIT))) as orphan:
                child.wait(timeout=WAIT)
                assert not orphan.has_ended()
                orphan.kill()
                orphan.wait_end(timeout=WAIT)


def test_P15_a_signal_after_the_end_never_reaches_another_process():
    with fork(lambda: 0) as child, Process(child.pid) as same:
        child.wait(timeout=WAIT)
        for send in (same.kill, child.kill, lambda: same.send_signal(0), lambda: same.send_signal(10, value=1)):
            with pytest.raises(ProcessLookupError) as refused:
                send()
            assert (refused.value.errno, refused.value.filename) == (errno.ESRCH, f"process {child.pid}")
            assert "has ended" in refused.value.__notes__[0]


@pytest.mark.parametrize("value", [0, 42, -1, 2**31 - 1, -(2**31)])
def test_P15_a_signal_carries_a_value(value):
    """The receiver's siginfo, as the kernel shows it to a blocked waiter: si_code tells sigqueue from kill."""
    reader, writer = pipe()

    def wait_for_it():
        info = signal.sigwaitinfo({signal.SIGUSR1})
        writer.write_all(b"%d %d" % (info.si_code, info.si_pid))

    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    try:
        with reader, writer, fork(wait_for_it) as child:
            child.send_signal(signal.SIGUSR1, value=value)
            assert reader.read(100, timeout=WAIT) == b"-1 %d" % os.getpid()
            assert child.wait(timeout=WAIT) == Exited(0)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR1})


def test_P15_the_value_arrives_bit_by_bit():
    """A signalfd gives the value that the standard library's sigwaitinfo leaves out (ssi_int at offset 44)."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    reader, writer = pipe()

    def take_it():
        mask = (ctypes.c_ulong * 16)()
        mask[0] = 1 << (signal.SIGUSR1 - 1)
        fd = libc.signalfd(-1, mask, 0)
        info = os.read(fd, 128)
        writer.write_all(info[44:48])

    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    try:
        with reader, writer, fork(take_it) as child:
            child.send_signal(signal.SIGUSR1, value=-123456)
            assert int.from_bytes(reader.read(4, timeout=WAIT), "little", signed=True) == -123456
            child.wait(timeout=WAIT)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR1})


@pytest.mark.parametrize("value", [2**31, -(2**31) - 1])
def test_P15_a_value_beyond_32_bits_is_refused(value):
    with Process(os.getpid()) as me, pytest.raises(ValueError, match="32-bit"):
        me.send_signal(signal.SIGUSR1, value=value)


def test_P15_a_signal_that_does_not_exist_is_einval():
    with Process(os.getpid()) as me, pytest.raises(OSError) as refused:
        me.send_signal(999)
    assert (refused.value.errno, refused.value.filename) == (errno.EINVAL, f"process {os.getpid()}")


def test_P15_a_process_that_is_not_there_is_process_lookup_error():
    pid = gone_pid()
    with pytest.raises(ProcessLookupError) as refused:
        Process(pid)
    assert (refused.value.errno, refused.value.filename) == (errno.ESRCH, f"process {pid}")


@pytest.mark.parametrize("pid", [0, -1])
def test_P15_a_pid_below_one_is_a_value_error(pid):
    with pytest.raises(ValueError, match="at least 1"):
        Process(pid)


def test_P15_a_pidfd_from_elsewhere_is_adopted():
    with fork(signal.pause) as child:
        with Process.adopt(os.pidfd_open(child.pid)) as number, Process.adopt(child.dup()) as handle:
            assert number.pid == handle.pid == child.pid
            handle.kill()
            number.wait_end(timeout=WAIT)


def test_P15_what_is_no_pidfd_is_not_adopted_and_stays_open():
    reader, writer = pipe()
    with reader, writer:
        for thing in (reader, reader.fileno()):
            with pytest.raises(OSError) as refused:
                Process.adopt(thing)
            assert (refused.value.errno, refused.value.filename) == (errno.EINVAL, f"fd {reader.fileno()}")
            assert "no pidfd" in refused.value.__notes__[0]
        assert not reader.closed


def test_P15_adopting_the_pidfd_of_a_reaped_process_is_process_lookup_error_and_leaks_nothing():
    with fork(lambda: 0) as child:
        copy = child.dup()
        child.wait(timeout=WAIT)
    with copy:
        with pytest.raises(ProcessLookupError):
            Process.adopt(copy)
        assert not copy.closed, "a refused descriptor stays its owner's"


def test_P15_a_pidfd_travels_over_a_socket():
    a, b = sockets.pair()
    with a, b, fork(signal.pause) as child:
        a.send(b"x", descriptors=[child], timeout=WAIT)
        with b.receive(1, max_descriptors=1, timeout=WAIT) as got, Process.adopt(got.descriptors[0]) as same:
            assert same.pid == child.pid
            same.kill()
            assert child.wait(timeout=WAIT) == Killed(signal.SIGKILL)


@pytest.mark.skipif(not features.available("pidfd_getfd"), reason=str(features.why_not("pidfd_getfd")))
def test_P16_a_descriptor_can_be_taken_from_another_process():
    told, tell = pipe()

    def hold_a_pipe():
        reader, writer = pipe()
        writer.write_all(b"treasure")
        tell.write_all(b"%d" % reader.fileno())
        signal.pause()

    with told, tell, fork(hold_a_pipe) as child:
        number = int(told.read(10, timeout=WAIT))
        with child.take_descriptor(number) as taken, PipeReader(taken.detach()) as reader:
            assert os.get_inheritable(reader.fileno()) is False
            assert reader.read(100, timeout=WAIT) == b"treasure"
            child.kill()
            assert reader.read(100, timeout=WAIT) == b"", "its writer is gone with it"


@pytest.mark.skipif(not features.available("pidfd_getfd"), reason=str(features.why_not("pidfd_getfd")))
def test_P16_a_number_that_is_not_open_there_is_ebadf():
    with fork(signal.pause) as child:
        with pytest.raises(OSError) as refused:
            child.take_descriptor(9999)
        assert (refused.value.errno, refused.value.filename) == (errno.EBADF, f"process {child.pid}")
        child.kill()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become a user who may not trace the other")
def test_P16_without_the_right_to_trace_it_is_permission_denied():
    def try_to_take(pid):
        os.setgid(65534)
        os.setuid(65534)
        with Process(pid) as victim:
            try:
                victim.take_descriptor(0)
            except PermissionError as refused:
                return 7 if refused.errno == errno.EPERM and "ptrace" in refused.__notes__[0] else 1
        return 2

    with fork(try_to_take, os.getpid()) as child:
        assert child.wait(timeout=WAIT) == Exited(7)


def test_P16_nothing_is_signalled_without_permission():
    if os.getuid() != 0:
        pytest.skip("only root can become a user who may not signal the other")

    def try_to_kill(pid):
        os.setgid(65534)
        os.setuid(65534)
        with Process(pid) as victim:
            try:
                victim.send_signal(signal.SIGUSR2)
            except PermissionError as refused:
                return 7 if refused.filename == f"process {pid}" else 1
        return 2

    with fork(try_to_kill, os.getpid()) as child:
        assert child.wait(timeout=WAIT) == Exited(7)


def test_P18_a_nonblocking_pidfd_makes_waitid_say_not_now():
    with fork(signal.pause) as child, Process(child.pid, nonblocking=True) as same:
        with pytest.raises(BlockingIOError):
            os.waitid(os.P_PIDFD, same.fileno(), os.WEXITED)
        with pytest.raises(TimeoutError):
            same.wait_end(timeout=0.02)
        child.kill()
        same.wait_end(timeout=WAIT)


def test_a_closed_handle_is_a_closed_error():
    process = Process(os.getpid())
    process.close()
    assert repr(process) == f"<Process {os.getpid()} closed>"
    for use in (process.kill, process.has_ended, lambda: process.wait_end(0), lambda: process.take_descriptor(0)):
        with pytest.raises(ClosedError):
            use()


def test_closing_in_another_thread_ends_a_wait():
    with Process(os.getpid()) as me:
        closer = threading.Timer(0.05, me.close)
        closer.start()
        with pytest.raises(ClosedError):
            me.wait_end(timeout=WAIT)
        closer.join(WAIT)
