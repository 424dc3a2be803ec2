"""fork: P01 (a copy), P10 (eight processes), P11 (the child never comes back), P20 (threads), and full tables."""

import contextlib
import errno
import os
import resource
import signal
import sys
import threading

import pytest

from unixipc import Exited, Killed, fork, pipe, spawn
from unixipc.process import Child

WAIT = 20


@contextlib.contextmanager
def full_table(free=0):
    """The descriptor table has `free` numbers left."""
    taken = [os.dup(0) for _ in range(free + 1)]
    for fd in taken:
        os.close(fd)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (taken[-1], before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def run(script):
    """(what a Python program wrote to stdout, its status)."""
    reader, writer = pipe()
    with reader, spawn([sys.executable, "-c", script], stdout=writer) as child:
        writer.close()
        text = b""
        while part := reader.read(65536, timeout=WAIT):
            text += part
        return text.decode(), child.wait(timeout=WAIT)


def test_P01_the_child_works_on_its_own_copy():
    data = ["parent"]

    def change():
        data.append("child")
        return len(data)

    with fork(change) as child:
        assert child.wait(timeout=WAIT) == Exited(2)
    assert data == ["parent"]


def test_P01_the_child_is_another_process_whose_parent_we_are():
    reader, writer = pipe()
    with reader, writer, fork(lambda: writer.write_all(b"%d %d" % (os.getpid(), os.getppid()))) as child:
        writer.close()
        assert reader.read(100, timeout=WAIT) == b"%d %d" % (child.pid, os.getpid())
        assert child.pid != os.getpid()


def test_P01_arguments_reach_the_target():
    with fork(lambda a, b: a * b, 6, 7) as child:
        assert child.wait(timeout=WAIT) == Exited(42)


def test_P10_three_forks_make_eight_processes():
    reader, writer = pipe()

    def grow(forks_left):
        children = [fork(grow, left) for left in reversed(range(forks_left))]
        writer.write_all(b"x", timeout=WAIT)
        for child in children:
            with child:
                assert child.wait(timeout=WAIT) == Exited(0)

    with reader, writer, fork(grow, 3) as first:
        writer.close()
        assert first.wait(timeout=WAIT) == Exited(0)
        assert reader.read(100, timeout=WAIT) == b"x" * 8
        assert reader.read(100, timeout=WAIT) == b""


@pytest.mark.parametrize(
    ("leave", "status"),
    [
        (lambda: None, Exited(0)),
        (lambda: 255, Exited(255)),
        (lambda: 256 + 3, Exited(3)),
        (lambda: "no int", Exited(0)),
        (lambda: sys.exit(), Exited(0)),
        (lambda: sys.exit(9), Exited(9)),
        (lambda: os._exit(11), Exited(11)),
        (lambda: os.kill(os.getpid(), signal.SIGKILL), Killed(signal.SIGKILL)),
    ],
)
def test_P11_however_the_target_ends_the_child_ends_there(leave, status):
    with fork(leave) as child:
        assert child.wait(timeout=WAIT) == status


def test_P11_an_exception_is_a_traceback_and_exit_code_1(capfd):
    def fail():
        raise LookupError("lost in the child")

    with fork(fail) as child:
        assert child.wait(timeout=WAIT) == Exited(1)
    assert "LookupError: lost in the child" in capfd.readouterr().err


def test_P11_exiting_with_a_sentence_prints_it_and_is_1(capfd):
    with fork(sys.exit, "what went wrong") as child:
        assert child.wait(timeout=WAIT) == Exited(1)
    assert capfd.readouterr().err == "what went wrong\n"


def test_P11_ctrl_c_in_the_child_ends_only_the_child(capfd):
    with fork(lambda: os.kill(os.getpid(), signal.SIGINT)) as child:
        assert child.wait(timeout=WAIT) == Exited(1)
    assert "KeyboardInterrupt" in capfd.readouterr().err


def test_P11_neither_the_callers_finally_nor_atexit_runs_in_the_child_and_output_is_flushed_once():
    text, status = run(
        "import atexit, sys\n"
        "from unixipc import fork\n"
        "atexit.register(print, 'atexit')\n"
        "print('before, buffered')\n"
        "try:\n"
        "    with fork(lambda: print('in the child')) as one: pass\n"
        "    with fork(lambda: 1 / 0, ) as two: pass\n"
        "    with fork(sys.exit, 5) as three: pass\n"
        "    print(one.status.code, two.status.code, three.status.code)\n"
        "finally:\n"
        "    print('finally')\n"
    )
    assert status == Exited(0)
    assert text.splitlines() == ["before, buffered", "in the child", "0 1 5", "finally", "atexit"]


def test_P11_output_that_cannot_be_written_is_no_success():
    def print_into_a_broken_pipe():
        reader, writer = os.pipe()
        os.close(reader)
        os.dup2(writer, 1)
        sys.stdout = os.fdopen(1, "w")
        print("never read")

    with fork(print_into_a_broken_pipe) as child:
        assert child.wait(timeout=WAIT) == Exited(120)


def test_leaving_the_block_waits_for_the_child():
    with fork(lambda: 3) as child:
        pass
    assert child.status == Exited(3)
    assert child.closed


def test_an_exception_in_the_block_kills_the_child_and_passes():
    with pytest.raises(ZeroDivisionError), fork(signal.pause) as child:
        raise ZeroDivisionError
    assert child.status == Killed(signal.SIGKILL)
    assert child.closed


def test_P20_children_of_a_process_with_busy_threads_work():
    """Nobody holds a lock of ours across the fork: waits, closes and forks work in every child."""
    stop = threading.Event()

    def be_busy():
        reader, writer = pipe()
        with reader, writer:
            while not stop.is_set():
                writer.write(b"x")
                reader.read(1, timeout=WAIT)
                with contextlib.suppress(TimeoutError):
                    reader.read(1, timeout=0.001)

    def work():
        reader, writer = pipe()
        with reader, writer, fork(writer.write_all, b"deep") as grandchild:
            assert reader.read(10, timeout=WAIT) == b"deep"
            assert grandchild.wait(timeout=WAIT) == Exited(0)
            with contextlib.suppress(TimeoutError):
                reader.read(1, timeout=0.001)

    threads = [threading.Thread(target=be_busy) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(20):
            with fork(work) as child:
                assert child.wait(timeout=WAIT) == Exited(0)
    finally:
        stop.set()
        for thread in threads:
            thread.join(WAIT)


def test_P20_threads_may_fork_at_the_same_time():
    failures = []

    def fork_many():
        for code in range(20):
            with fork(lambda code=code: code) as child:
                if child.wait(timeout=WAIT) != Exited(code):
                    failures.append(child)

    threads = [threading.Thread(target=fork_many) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
        assert not thread.is_alive()
    assert failures == []


@pytest.mark.parametrize("busy", [False, True])
def test_a_full_descriptor_table_is_emfile_and_no_process_is_left(busy):
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait, args=(WAIT,))
    if busy:
        thread.start()
    try:
        with full_table(), pytest.raises(OSError) as refused:
            fork(signal.pause)
    finally:
        stop.set()
        if busy:
            thread.join(WAIT)
    assert refused.value.errno == errno.EMFILE
    assert any("RLIMIT_NOFILE" in note for note in refused.value.__notes__), "not the limit on processes"
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become a user whose processes are counted")
def test_the_limit_on_processes_is_a_clear_error():
    def fork_without_right():
        resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
        os.setgid(65534)
        os.setuid(65534)
        try:
            fork(lambda: 0)
        except BlockingIOError as refused:
            return 7 if refused.errno == errno.EAGAIN and "RLIMIT_NPROC" in refused.__notes__[0] else 1
        return 2

    with fork(fork_without_right) as child:
        assert child.wait(timeout=WAIT) == Exited(7)


def test_a_child_is_shown_with_its_state():
    reader, writer = pipe()
    with reader, writer, fork(lambda: reader.read(1, timeout=WAIT) and 5) as child:
        assert repr(child) == f"<Child {child.pid} running>"
        writer.write_all(b"!")
        child.wait(timeout=WAIT)
        assert repr(child) == f"<Child {child.pid} Exited(code=5)>"
    assert isinstance(child, Child)
