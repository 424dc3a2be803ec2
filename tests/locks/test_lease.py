"""L19: a holder is told that somebody wants the file, and waited for; its fates; what is refused."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from unixipc import ClosedError, Exited, aio, fork
from unixipc.locks import FileLock, Lease

WAIT = 30
PATIENCE = 0.05
pytestmark = pytest.mark.usefixtures("leases")
kinds = pytest.mark.parametrize("kind", ["read", "write"])


def test_L19_who_opens_the_file_waits_until_the_holder_has_given_way(path, other, opens):
    with Lease(path, "write") as lease:
        assert lease.held == "write" and lease.breaking is None
        opens("read")
        assert lease.wait_for_break(WAIT) == lease.breaking == "nothing"
        assert other.is_asleep()
        os.pwrite(lease.fileno(), b"flushed", 0)
        lease.release()
        assert other.answer().startswith("b'flushed")
        assert lease.held is None and lease.breaking is None


def test_L19_a_reader_leaves_a_read_lease_to_who_does_not_write(path, other, opens):
    with open(path, "rb") as file, Lease(file, "write") as lease:
        opens("read")
        assert lease.wait_for_break(WAIT) == "read"
        assert other.is_asleep()
        lease.downgrade()
        other.answer()
        assert lease.held == "read" and lease.breaking is None
        opens("read")
        other.answer()
        opens("write")
        assert lease.wait_for_break(WAIT) == "nothing"
        with pytest.raises(RuntimeError, match="cannot be downgraded"):
            lease.downgrade()
        lease.give_way()
        assert other.answer() == "6"


def test_L19_a_read_lease_is_for_who_does_not_write(path, other, opens):
    with Lease(path, "read") as lease:
        opens("read")
        other.answer()
        assert lease.breaking is None
        opens("write")
        assert lease.wait_for_break(WAIT) == "nothing"
        lease.give_way()
        assert other.answer() == "6"


def test_L19_two_may_read_under_leases_and_truncation_breaks_them(path, other):
    other.do(f"from unixipc.locks import Lease; lease = Lease({os.fspath(path)!r}, 'read'); lease.acquire()")
    with Lease(path, "read") as lease:
        shorten = subprocess.Popen([sys.executable, "-c", f"import os; os.truncate({os.fspath(path)!r}, 10)"])
        assert lease.wait_for_break(WAIT) == "nothing"
        lease.give_way()
        assert other.do("_ = lease.wait_for_break(30)") == "'nothing'"
        assert shorten.poll() is None
        other.do("lease.close()")
        assert shorten.wait(WAIT) == 0
    assert path.stat().st_size == 10


@pytest.mark.parametrize(("kind", "mode"), [("read", "r+b"), ("write", "rb")])
def test_L19_who_has_the_file_open_keeps_a_lease_out(path, other, kind, mode):
    other.do(f"file = open({os.fspath(path)!r}, {mode!r})")
    lease = Lease(path, kind)
    assert lease.try_acquire() is False
    with pytest.raises(BlockingIOError) as caught:
        lease.acquire()
    assert caught.value.errno == errno.EAGAIN
    assert caught.value.filename == os.fspath(path)
    assert "have the file open" in caught.value.__notes__[0]
    other.do("file.close()")
    assert lease.try_acquire() is True
    with pytest.raises(RuntimeError, match="already"):
        lease.try_acquire()
    lease.close()


def test_opening_a_leased_file_for_a_lease_does_not_wait(path, other):
    other.do(f"from unixipc.locks import Lease; lease = Lease({os.fspath(path)!r}, 'write'); lease.acquire()")
    with pytest.raises(BlockingIOError) as caught:
        Lease(path, "read")
    assert "give way" in caught.value.__notes__[0]
    assert other.do("_ = lease.breaking") == "'nothing'"
    other.do("lease.close()")
    Lease(path, "read").close()


# who is told, and how


def test_a_break_before_the_wait_is_not_lost(path, other, opens):
    with Lease(path, "write") as lease:
        opens("read")
        assert other.is_asleep()
        assert lease.wait_for_break(WAIT) == "nothing"


def test_a_time_limit(path):
    with Lease(path, "write") as lease:
        with pytest.raises(TimeoutError) as caught:
            lease.wait_for_break(0.02)
        assert caught.value.filename == os.fspath(path)
        assert lease.held == "write"
        assert lease.try_wait_for_break() is None


def waiting(function):
    """Threads that run it; (threads, what it gave or raised)."""
    given = []

    def run():
        try:
            given.append(function())
        except BaseException as error:
            given.append(type(error))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(PATIENCE)
    return threads, given


def joined(threads):
    for thread in threads:
        thread.join(WAIT)
    return not any(thread.is_alive() for thread in threads)


def test_every_thread_that_waits_is_told(path, opens):
    with Lease(path, "write") as lease:
        threads, given = waiting(lambda: lease.wait_for_break(WAIT))
        with pytest.raises(TimeoutError):
            lease.wait_for_break(0.02)
        opens("read")
        assert joined(threads)
        assert given == ["nothing"] * 4


def test_the_others_are_told_after_the_signalled_thread_has_given_up(path, opens):
    with Lease(path, "write") as lease:
        first, short = waiting(lambda: lease.wait_for_break(0.2))
        threads, given = waiting(lambda: lease.wait_for_break(WAIT))
        assert joined(first)
        assert short == [TimeoutError] * 4
        opens("read")
        assert joined(threads)
        assert given == ["nothing"] * 4


@pytest.mark.parametrize(("end", "error"), [("close", ClosedError), ("release", RuntimeError)])
def test_close_and_release_wake_who_waits(path, end, error):
    with Lease(path, "write") as lease:
        threads, given = waiting(lambda: lease.wait_for_break(WAIT))
        getattr(lease, end)()
        assert joined(threads)
        assert given == [error] * 4


def test_no_signal_comes_to_anybody_who_does_not_wait(path, other, opens):
    """A handler for every signal that has one to spare; SIGIO, the kernel's choice, would end the process."""
    seen = []
    spare = {signal.SIGIO, signal.SIGUSR1, *range(signal.SIGRTMIN, signal.SIGRTMAX - 3)}
    before = {number: signal.signal(number, lambda number, _frame: seen.append(number)) for number in spare}
    try:
        with Lease(path, "write") as lease:
            opens("read")
            assert other.is_asleep()
            lease.wait_for_break(WAIT)
            lease.release()
            other.answer()
            lease.acquire()
            threads, _given = waiting(lambda: lease.wait_for_break(WAIT))
            opens("read")
            assert joined(threads)
            assert fcntl.fcntl(lease.fileno(), fcntl.F_GETOWN) == 0
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert seen == []


def test_a_callback_is_called_at_a_break_and_gives_way_by_returning(path, other, opens):
    seen = []
    lease = Lease(path, "write", on_break=lambda lease: seen.append((lease.breaking, other.is_asleep())))
    for _ in range(3):
        lease.acquire()
        opens("read")
        other.answer()
        lease_is_free(lease)
    lease.close()
    assert seen == [("nothing", True)] * 3


def lease_is_free(lease):
    deadline = time.monotonic() + WAIT
    while lease.held is not None and time.monotonic() < deadline:
        time.sleep(0.001)
    assert lease.held is None


def test_a_callback_keeps_what_may_be_kept(path, other, opens):
    seen = []
    with open(path, "rb") as file:
        lease = Lease(file, "write", on_break=lambda lease: seen.append(lease.breaking))
    with lease:
        opens("read")
        other.answer()
        deadline = time.monotonic() + WAIT
        while lease.held == "write" and time.monotonic() < deadline:
            time.sleep(0.001)
        assert lease.held == "read"
        opens("write")
        other.answer()
    assert seen == ["read", "nothing"]


def test_a_callback_that_fails_gives_way_too_and_is_heard_of(path, other, opens, monkeypatch):
    heard = threading.Event()
    monkeypatch.setattr(threading, "excepthook", lambda told: told.exc_type is ZeroDivisionError and heard.set())
    lease = Lease(path, "write", on_break=lambda _lease: 1 / 0)
    lease.acquire()
    opens("read")
    other.answer()
    assert heard.wait(WAIT)
    lease.close()


def test_a_lease_that_was_held_before_calls_back_once(path, other, opens):
    seen = []
    lease = Lease(path, "write", on_break=lambda lease: seen.append(lease.breaking))
    for _ in range(50):
        lease.acquire()
        lease.release()
    lease.acquire()
    opens("read")
    other.answer()
    lease_is_free(lease)
    lease.close()
    assert seen == ["nothing"]


def test_a_callbacks_thread_ends_with_the_lease(path):
    before = threading.active_count()
    lease = Lease(path, "write", on_break=print)
    for end in (lease.release, lease.close):
        lease.acquire()
        assert threading.active_count() == before + 1
        end()
        deadline = time.monotonic() + WAIT
        while threading.active_count() > before and time.monotonic() < deadline:
            time.sleep(0.001)
        assert threading.active_count() == before


# what is refused


def test_what_is_no_lease(path, tmp_path):
    with pytest.raises(ValueError, match="kind must be"):
        Lease(path, "shared")
    with pytest.raises(FileNotFoundError) as caught:
        Lease(tmp_path / "missing", "read")
    assert caught.value.filename == os.fspath(tmp_path / "missing")
    with pytest.raises(OSError, match="Bad file"):
        Lease(987654, "read")
    os.mkfifo(tmp_path / "fifo")
    for odd in (tmp_path, tmp_path / "fifo"):
        lease = Lease(odd, "read")
        with pytest.raises(OSError, match="Invalid argument") as caught:
            lease.acquire()
        assert caught.value.errno == errno.EINVAL
        assert "regular file" in caught.value.__notes__[0]
        lease.close()


@kinds
def test_what_is_not_held_is_not_given_up(path, kind):
    lease = Lease(path, kind)
    for call in (lease.release, lease.downgrade, lease.wait_for_break, lease.try_wait_for_break):
        with pytest.raises(RuntimeError, match="is not held"):
            call()
    lease.give_way()
    assert lease.breaking is None
    lease.close()
    lease.close()
    for call in (lease.release, lease.wait_for_break, lease.try_acquire, lease.fileno):
        with pytest.raises(ClosedError):
            call()
    with pytest.raises(RuntimeError, match="cannot be downgraded"), Lease(path, "read") as reading:
        reading.downgrade()
    with pytest.raises(TypeError):
        lease.detach()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_another_users_file(path):
    for part in (path, *path.parents):
        if part.stat().st_uid == os.getuid() and os.fspath(part).startswith("/tmp/"):
            part.chmod(0o755)

    def live():
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        with Lease(path, "read"):
            raise AssertionError("it is root's")

    def checked():
        with pytest.raises(PermissionError) as caught:
            live()
        assert "CAP_LEASE" in caught.value.__notes__[0]

    with fork(checked) as child:
        assert child.wait(timeout=WAIT) == Exited(0)


def test_it_tells_its_state_and_is_in_the_table_of_locks(path):
    with Lease(path, "read") as lease:
        assert repr(lease) == f"<Lease {os.fspath(path)!r} read: read>"
        lock = FileLock(lease)
        assert [(each.kind, each.pid, each.shared) for each in lock.holders()] == [("lease", os.getpid(), True)]
        lock.close()
    assert repr(lease).endswith("read: closed>")
    with pytest.raises(TypeError, match="pickle"):
        __import__("pickle").dumps(lease)


# awaitable


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_task_is_told_and_a_cancelled_one_loses_nothing(path, opens, other, backend):
    anyio = pytest.importorskip("anyio")

    async def main():
        async with aio.locks.Lease(path, "write") as lease:
            with anyio.move_on_after(PATIENCE):
                await lease.wait_for_break()
            with pytest.raises(TimeoutError):
                await lease.wait_for_break(0.01)
            assert lease.held == "write" and lease.breaking is None
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(lease.wait_for_break)
                await anyio.sleep(PATIENCE)
                opens("read")
            assert lease.breaking == lease.try_wait_for_break() == "nothing"
            lease.give_way()
            other.answer()
            lease.acquire()
            lease.release()

    anyio.run(main, backend=backend)
