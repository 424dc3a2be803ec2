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

from unixipc import ClosedError, Exited, Killed, aio, features, fork, pipe
from unixipc.locks import FileLock, Lease

WAIT = 30
PATIENCE = 0.05
OPEN = {
    "read": "import os; file = os.open({path!r}, os.O_RDONLY); _ = os.read(file, 100); os.close(file)",
    "write": "import os; file = os.open({path!r}, os.O_WRONLY); _ = os.write(file, b'theirs'); os.close(file)",
}
kinds = pytest.mark.parametrize("kind", ["read", "write"])


@pytest.fixture(autouse=True)
def leases(path):
    """Skips where the kernel, or the file system of the test's folder, has none."""
    if reason := features.why_not("leases"):
        pytest.skip(reason)
    with open(path) as file:
        try:
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        except OSError as error:
            pytest.skip(f"the file system of {path} has no leases: {error}")


@pytest.fixture
def opens(other, path):
    """Let the other process open the file; `other.answer()` is what it read or wrote."""
    return lambda how: other.start(OPEN[how].format(path=os.fspath(path)))


def is_waiting(other):
    """Whether it sleeps in the kernel: it has had the time to be told that it may go on."""
    deadline = time.monotonic() + WAIT
    while time.monotonic() < deadline:
        with open(f"/proc/{other.child.pid}/stat") as stat:
            if stat.read().rpartition(")")[2].split()[0] == "S":
                return other.answers.try_read(1) is None
        time.sleep(0.001)
    return False


def test_L19_who_opens_the_file_waits_until_the_holder_has_given_way(path, other, opens):
    with Lease(path, "write") as lease:
        assert lease.held == "write" and lease.breaking is None
        opens("read")
        assert lease.wait_for_break(WAIT) == lease.breaking == "nothing"
        assert is_waiting(other)
        os.pwrite(lease.fileno(), b"flushed", 0)
        lease.release()
        assert other.answer().startswith("b'flushed")
        assert lease.held is None and lease.breaking is None


def test_L19_a_reader_leaves_a_read_lease_to_who_does_not_write(path, other, opens):
    with open(path, "rb") as file, Lease(file, "write") as lease:
        opens("read")
        assert lease.wait_for_break(WAIT) == "read"
        assert is_waiting(other)
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
        assert is_waiting(other)
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
            assert is_waiting(other)
            lease.wait_for_break(WAIT)
            lease.release()
            other.answer()
            lease.acquire()
            threads, _given = waiting(lambda: lease.wait_for_break(WAIT))
            opens("read")
            assert joined(threads)
        assert fcntl.fcntl(os.open(path, os.O_RDONLY | os.O_CLOEXEC), fcntl.F_GETOWN) == 0
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for number in os.listdir("/proc/self/fd"):
            try:
                if os.readlink(f"/proc/self/fd/{number}") == os.fspath(path):
                    os.close(int(number))
            except OSError:
                pass
    assert seen == []


def test_a_callback_is_called_at_a_break_and_gives_way_by_returning(path, other, opens):
    seen = []
    lease = Lease(path, "write", on_break=lambda lease: seen.append((lease.breaking, is_waiting(other))))
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


# the five fates, and those who come too late


@pytest.mark.parametrize("end", ["close", "release"])
def test_close_and_release_let_in_who_waits(path, other, opens, end):
    lease = Lease(path, "write")
    lease.acquire()
    opens("read")
    assert is_waiting(other)
    getattr(lease, end)()
    other.answer()
    lease.close()
    with pytest.raises(ClosedError):
        lease.acquire()


def holder_of(path, then):
    told, tell = pipe()

    def live():
        lease = Lease(path, "write")
        lease.acquire()
        tell.write(b"x")
        then(lease)

    child = fork(live)
    assert told.read(1, timeout=WAIT) == b"x"
    told.close()
    tell.close()
    return child


def test_who_waits_for_a_killed_holder_goes_on(path, other, opens):
    with holder_of(path, lambda _lease: signal.pause()) as child:
        opens("read")
        assert is_waiting(other)
        child.kill()
        assert child.wait(timeout=WAIT) == Killed(signal.SIGKILL)
        other.answer()


def test_exec_releases_it(path):
    with holder_of(path, lambda _lease: os.execv("/bin/sleep", ["sleep", "60"])) as child:
        path.read_bytes()
        assert not child.has_ended()
        child.kill()
        child.wait(timeout=WAIT)


def test_a_forked_child_has_none_and_keeps_none_alive(path):
    gate, opened = pipe()

    def then(lease):
        def live():
            opened.close()
            if lease.held is None and lease.closed:
                gate.read(1)

        grandchild = fork(live)
        os.kill(os.getpid() if not grandchild.has_ended() else 0, signal.SIGKILL)

    with gate, holder_of(path, then) as child:
        assert child.wait(timeout=WAIT) == Killed(signal.SIGKILL)
        path.read_bytes()
        opened.close()


def test_a_child_leaves_its_parents_lease_alone(path, other, opens):
    with Lease(path, "write") as lease:
        with fork(lease.close) as child:
            assert child.wait(timeout=WAIT) == Exited(0)
        opens("read")
        assert lease.wait_for_break(WAIT) == "nothing"
        assert is_waiting(other)


def test_a_new_name_and_none_do_not_break_it(path, tmp_path):
    with Lease(path, "write") as lease:
        path.rename(tmp_path / "new")
        (tmp_path / "new").unlink()
        assert lease.breaking is None and lease.held == "write"


@pytest.mark.deep
@pytest.mark.timeout(200)
@pytest.mark.parametrize(
    ("mode", "kind", "how", "end"),
    [
        ("r+b", "write", "read", Lease.release),
        ("rb", "write", "read", Lease.release),
        ("rb", "write", "read", Lease.downgrade),
        ("rb", "read", "write", Lease.release),
    ],
)
def test_the_kernel_takes_what_is_not_given_up_in_time(path, other, opens, mode, kind, how, end):
    """With the machine's own limit, which is 45 s unless somebody has changed it."""
    with open(path, mode) as file:
        lease = Lease(file, kind)
    lease.acquire()
    opens(how)
    assert other.answers.read(4096, timeout=150)
    with pytest.raises(TimeoutError) as caught:
        end(lease)
    assert caught.value.errno == errno.ETIMEDOUT
    assert "lease-break-time" in caught.value.__notes__[0]
    assert lease.held == ("read" if end is Lease.downgrade else None)
    lease.close()


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
