"""Families: P07 P08 (orphans and subreapers), P09 (death signals), P21 (groups and sessions)."""

import contextlib
import ctypes
import os
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import anyio
import pytest

from unixipc import Exited, Killed, aio, fork, pipe, spawn
from unixipc.process import death_signal, is_subreaper, subreaper, wait_any
from unixipc.testing.contracts import ASYNCIO, TRIO

WAIT = 20


def in_a_child(work):
    """Run a test's body in a process of its own: it changes what the process is."""
    with fork(work) as child:
        assert child.wait(timeout=WAIT) == Exited(0)


def parent_of(pid):
    with open(f"/proc/{pid}/stat") as file:
        return int(file.read().rpartition(")")[2].split()[1])


def test_P08_being_a_subreaper_can_be_set_and_asked():
    def body():
        assert is_subreaper() is False
        subreaper()
        assert is_subreaper() is True
        with fork(lambda: int(is_subreaper())) as child:
            assert child.wait(timeout=WAIT) == Exited(0), "it is not inherited"
        subreaper(False)
        assert is_subreaper() is False

    in_a_child(body)


def test_P07_orphans_go_to_the_nearest_subreaper_which_reaps_them():
    def body():
        subreaper()
        reader, writer = pipe()

        def leave_an_orphan():
            orphan = fork(signal.pause)
            writer.write_all(b"%d" % orphan.pid)
            orphan.detach()

        with reader, writer:
            with fork(leave_an_orphan) as child:
                orphan = int(reader.read(20, timeout=WAIT))
                assert child.wait(timeout=WAIT) == Exited(0)
            assert parent_of(orphan) == os.getpid()
            os.kill(orphan, signal.SIGKILL)
            assert wait_any(timeout=WAIT) == (orphan, Killed(signal.SIGKILL))

    in_a_child(body)


def test_P07_without_a_subreaper_the_parent_is_somebody_above():
    def body():
        reader, writer = pipe()

        def leave_an_orphan():
            orphan = fork(signal.pause)
            writer.write_all(b"%d" % orphan.pid)
            orphan.detach()

        with reader, writer:
            with fork(leave_an_orphan) as child:
                orphan = int(reader.read(20, timeout=WAIT))
                assert child.wait(timeout=WAIT) == Exited(0)
            assert parent_of(orphan) not in (os.getpid(), child.pid)
            os.kill(orphan, signal.SIGKILL)
            with pytest.raises(ChildProcessError):
                wait_any(timeout=WAIT)

    in_a_child(body)


def spawn_pause(signal_number):
    return spawn([sys.executable, "-c", "import signal; signal.pause()"], death_signal=signal_number)


def fork_pause(signal_number):
    return fork(signal.pause, death_signal=signal_number)


@pytest.mark.parametrize("start", [fork_pause, spawn_pause])
def test_P09_a_child_dies_with_its_killed_parent(start):
    """The child holds a pipe's last write end: its death is the end of the stream."""
    reader, writer = pipe()
    told, tell = pipe()

    def be_a_parent():
        os.dup2(writer.fileno(), 2)  # the child's stderr: a spawned program inherits it
        start(signal.SIGKILL)
        writer.close()
        tell.write_all(b"!")
        signal.pause()

    with reader, writer, told, tell:
        with fork(be_a_parent) as parent:
            writer.close()
            told.read_exactly(1, timeout=WAIT)
            parent.kill()
            assert parent.wait(timeout=WAIT) == Killed(signal.SIGKILL)
            assert reader.read(1, timeout=WAIT) == b""


def test_P09_a_parent_that_is_gone_before_the_prctl_counts_as_dead():
    """The race that getppid after prctl closes: the parent ends right after fork."""
    for _ in range(30):
        reader, writer = pipe()
        with reader:
            with fork(lambda: fork(signal.pause, death_signal=signal.SIGKILL).detach() * 0) as parent:
                writer.close()
                parent.wait(timeout=WAIT)
            assert reader.read(1, timeout=WAIT) == b"", "the grandchild held the write end and is gone"


def in_a_thread(call):
    """What it returns or raises, once the thread has ended."""
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(call).result(timeout=WAIT)


def test_P09_a_program_outlives_the_thread_that_started_it():
    """The kernel would send the death signal when the thread ends."""
    with in_a_thread(lambda: spawn_pause(signal.SIGTERM)) as child:
        with pytest.raises(TimeoutError):
            child.wait(timeout=0.1)
        assert child.send_signal(0) is None
        child.kill()


def test_P09_a_program_that_a_thread_started_dies_with_the_process():
    reader, writer = pipe()

    def be_a_parent():
        os.dup2(writer.fileno(), 2)
        in_a_thread(lambda: spawn_pause(signal.SIGKILL))
        writer.close()
        os.kill(os.getpid(), signal.SIGKILL)

    with reader, fork(be_a_parent) as parent:
        writer.close()
        assert parent.wait(timeout=WAIT) == Killed(signal.SIGKILL)
        assert reader.read(1, timeout=WAIT) == b""


def test_P09_a_forked_process_starts_programs_from_its_own_threads():
    """The thread that lasts was the parent's."""
    with in_a_thread(lambda: spawn(["true"], death_signal=signal.SIGKILL)) as child:
        assert child.wait(timeout=WAIT) == Exited(0)

    def body():
        with in_a_thread(lambda: spawn(["true"], death_signal=signal.SIGKILL)) as child:
            assert child.wait(timeout=WAIT) == Exited(0)

    in_a_child(body)


def test_P09_a_program_that_a_thread_starts_has_the_mask_of_that_thread():
    def start():
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
        return spawn(["sh", "-c", "kill -USR1 $$; exit 3"], death_signal=signal.SIGKILL)

    with in_a_thread(start) as child:
        assert child.wait(timeout=WAIT) == Exited(3)
    with in_a_thread(lambda: spawn(["sh", "-c", "kill -USR1 $$; exit 3"], death_signal=signal.SIGKILL)) as child:
        assert child.wait(timeout=WAIT) == Killed(signal.SIGUSR1)
    with pytest.raises(FileNotFoundError):
        in_a_thread(lambda: spawn(["/no/such"], death_signal=signal.SIGKILL))


def test_P09_a_fork_with_a_death_signal_is_for_the_main_thread():
    with pytest.raises(ValueError, match="fork in the main thread, or spawn"):
        in_a_thread(lambda: fork(signal.pause, death_signal=signal.SIGTERM))


def unshare_pids():
    """Whether the next child is the first process of a pid namespace."""
    new_user, new_pids = 0x10000000, 0x20000000
    call = ctypes.CDLL(None).unshare
    return call(new_pids) == 0 or call(new_user | new_pids) == 0


@pytest.mark.parametrize("start", [fork, spawn])
def test_P09_a_child_in_a_pid_namespace_of_its_own_has_a_parent(start):
    """Whose number is 0 there: that does not mean that it has ended."""

    def body():
        if not unshare_pids():
            return 77
        target = (lambda: 7) if start is fork else ["sh", "-c", "exit 7"]
        with start(target, death_signal=signal.SIGTERM) as child:
            assert child.wait(timeout=WAIT) == Exited(7)
        return 0

    with fork(body) as child:
        status = child.wait(timeout=WAIT)
    if status == Exited(77):
        pytest.skip("no pid namespace can be made here")
    assert status == Exited(0)


def test_P09_without_a_death_signal_the_child_outlives_the_thread():
    children = []
    thread = threading.Thread(target=lambda: children.append(fork(signal.pause)))
    thread.start()
    thread.join(WAIT)
    with children[0] as child:
        with pytest.raises(TimeoutError):
            child.wait(timeout=0.05)
        child.kill()


def test_P09_it_can_be_set_and_asked():
    def body():
        assert death_signal() == 0
        assert death_signal(signal.SIGUSR1) == 0
        assert death_signal() == signal.SIGUSR1
        with fork(lambda: death_signal()) as child:
            assert child.wait(timeout=WAIT) == Exited(0), "a fork clears it"
        assert death_signal(0) == signal.SIGUSR1
        with pytest.raises(OSError) as refused:
            death_signal(999)
        assert (refused.value.errno, refused.value.filename) == (22, "signal 999")
        with fork(lambda: death_signal(), death_signal=signal.SIGUSR2) as child:
            assert child.wait(timeout=WAIT) == Exited(signal.SIGUSR2)

    in_a_child(body)


def group_and_session():
    return os.getpgrp() == os.getpid(), os.getsid(0) == os.getpid()


@pytest.mark.parametrize(
    ("options", "leads"), [({}, (0, 0)), ({"new_group": True}, (1, 0)), ({"new_session": True}, (1, 1)),
                           ({"new_group": True, "new_session": True}, (1, 1))],
)  # fmt: skip
def test_P21_a_child_may_lead_a_group_or_a_session(options, leads):
    with fork(lambda: group_and_session()[0] + 2 * group_and_session()[1], **options) as child:
        assert child.wait(timeout=WAIT) == Exited(leads[0] + 2 * leads[1])
    script = "import os; raise SystemExit((os.getpgrp() == os.getpid()) + 2 * (os.getsid(0) == os.getpid()))"
    with spawn([sys.executable, "-c", script], **options) as child:
        assert child.wait(timeout=WAIT) == Exited(leads[0] + 2 * leads[1])


def test_P21_the_group_exists_when_fork_returns():
    for _ in range(20):
        with fork(signal.pause, new_group=True) as child:
            assert os.getpgid(child.pid) == child.pid
            os.killpg(child.pid, signal.SIGKILL)
            assert child.wait(timeout=WAIT) == Killed(signal.SIGKILL)


def test_P21_a_whole_group_can_be_killed():
    reader, writer = pipe()

    def have_children():
        for _ in range(3):
            fork(signal.pause).detach()
        writer.write_all(b"!")
        signal.pause()

    with reader, writer, fork(have_children, new_group=True) as child:
        writer.close()
        reader.read_exactly(1, timeout=WAIT)
        os.killpg(child.pid, signal.SIGKILL)
        assert reader.read(1, timeout=WAIT) == b"", "the last of them is gone"
        child.wait(timeout=WAIT)


def test_P21_a_session_of_its_own_has_no_terminal():
    def open_the_terminal():
        try:
            os.close(os.open("/dev/tty", os.O_RDWR))
        except OSError:
            return 7
        return 1

    with fork(open_the_terminal, new_session=True) as child:
        assert child.wait(timeout=WAIT) == Exited(7)


def version_of_linux():
    return tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2])


SHELL = ["sh", "-c", "sleep 600 | cat"]


def children_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return file.read().split()


def all_ended(reader):
    """The tree holds the only write end: the end of the stream is the end of all of them."""
    return reader.read(1, timeout=WAIT) == b""


def tree(stderr, **options):
    return spawn(SHELL, stderr=stderr, **options)


@pytest.mark.parametrize("options", [{"new_group": True}, {"new_session": True}], ids=["group", "session"])
@pytest.mark.parametrize("way", ["kill", "terminate", "exception"])
def test_P21_the_whole_group_is_ended(options, way):
    reader, writer = pipe()
    with reader:
        with contextlib.suppress(KeyError), tree(writer, **options) as child:
            writer.close()
            assert child.group == child.pid
            if way == "exception":
                raise KeyError
            getattr(child, way)()
        assert child.status == Killed(signal.SIGTERM if way == "terminate" else signal.SIGKILL)
        assert all_ended(reader)


@pytest.mark.parametrize("form", [ASYNCIO, TRIO], ids=str)
def test_P21_a_cancel_ends_the_whole_group(form):
    async def main():
        reader, writer = pipe()
        with reader:
            with anyio.move_on_after(0.05):
                async with aio.spawn(SHELL, stderr=writer, new_group=True) as child:
                    writer.close()
                    await child.wait()
            assert child.status == Killed(signal.SIGKILL)
            assert all_ended(reader)

    form.run(main)


def test_P21_the_group_is_ended_also_when_its_leader_has_ended_already():
    reader, writer = pipe()
    with reader:
        with contextlib.suppress(KeyError), spawn(["sh", "-c", "sleep 600 &"], stderr=writer, new_group=True) as child:
            writer.close()
            assert child.wait(timeout=WAIT) == Exited(0)
            if version_of_linux() < (6, 9):
                pytest.skip("the kernel cannot signal the group of a process that was reaped")
            raise KeyError
        assert all_ended(reader)


def test_P21_one_process_of_a_group_can_be_meant(until):
    reader, writer = pipe()
    with reader, spawn(SHELL, stderr=writer, new_group=True) as child:
        writer.close()
        until(lambda: children_of(child.pid))  # the shell has started what shall live
        child.kill(group=False)
        assert child.wait(timeout=WAIT) == Killed(signal.SIGKILL)
        assert reader.try_read(1) is None, "what it had started lives"
        os.killpg(child.group, signal.SIGKILL)
        assert all_ended(reader)


def test_P21_a_forked_childs_group_is_ended_too():
    reader, writer = pipe()

    def target():
        spawn(["sleep", "600"], stderr=writer)
        signal.pause()

    with reader:
        with contextlib.suppress(KeyError), fork(target, new_group=True) as child:
            writer.close()
            raise KeyError
        assert child.status == Killed(signal.SIGKILL)
        assert all_ended(reader)


def test_P21_a_leader_that_has_left_its_group_is_ended_all_the_same():
    reader, writer = pipe()
    script = (
        "import os, time; os.setpgid(0, os.getppid() and os.getpgid(os.getppid())); os.write(2, b'!'); time.sleep(600)"
    )
    with reader, spawn([sys.executable, "-c", script], stderr=writer, new_group=True) as child:
        writer.close()
        reader.read_exactly(1, timeout=WAIT)
        child.kill()
        assert child.wait(timeout=WAIT) == Killed(signal.SIGKILL)


def test_P21_a_child_without_a_group_has_none_to_end():
    with spawn(["sleep", "600"]) as child:
        assert child.group == 0
        with pytest.raises(ValueError, match="leads no group"):
            child.kill(group=True)
        child.kill()
