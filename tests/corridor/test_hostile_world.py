"""What other threads, forks, signals and programs do to a handle at the worst moment. Each of these once went wrong."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from unixipc import Exited, Fifo, Killed, aio, fork, pipe, sockets, spawn
from unixipc.pipe import splice

WAIT = 20


def test_a_forked_child_may_close_what_the_parents_threads_wait_on():
    """Their sleepers are not the child's: it wakes nobody, crashes on nobody's thread, and its copy is closed."""
    ends = [pipe() for _ in range(8)]
    threads = [threading.Thread(target=reader.read, args=(1,), kwargs={"timeout": WAIT}) for reader, _ in ends]
    for thread in threads:
        thread.start()
    time.sleep(0.05)

    def child():
        numbers = [reader.fileno() for reader, _ in ends]
        for reader, _ in ends:
            reader.close()
        return sum(os.path.exists(f"/proc/self/fd/{number}") for number in numbers)

    with fork(child) as forked:
        assert forked.wait(timeout=WAIT) == Exited(0)
    for _, writer in ends:
        writer.write(b"x")
    for thread in threads:
        thread.join(WAIT)
    for end in (each for both in ends for each in both):
        end.close()


def test_a_wake_up_that_fails_does_not_keep_the_descriptor():
    reader, writer = pipe()

    def broken():
        raise RuntimeError("no loop")

    reader.add_sleeper(broken)
    number = reader.fileno()
    with pytest.raises(RuntimeError):
        reader.close()
    assert reader.closed
    assert not os.path.exists(f"/proc/self/fd/{number}")
    writer.close()


def test_splice_into_a_full_socket_keeps_its_time_limit():
    reader, writer = pipe()
    a, b = sockets.pair()
    with reader, writer, a, b:
        while a.try_write(bytes(4096)) is not None:
            pass
        writer.write(b"hello")
        with pytest.raises(TimeoutError):
            splice(reader, a, 5, timeout=0.05)
        b.read(1 << 20)
        assert splice(reader, a, 5, timeout=WAIT) == 5


LEFTOVERS = """
import gc, os, signal, tempfile, time, warnings
warnings.simplefilter("ignore", ResourceWarning)  # made and at once forgotten: it closes itself
from unixipc import Fifo, fork, pipe, sockets, spawn

class Struck(Exception): pass
def strike(*_): raise Struck
signal.signal(signal.SIGALRM, strike)
path = os.path.join(tempfile.mkdtemp(), "fifo")
reader = Fifo.create(path).try_reader()

def round(n):
    try:
        signal.setitimer(signal.ITIMER_REAL, 1e-6 * (1 + n % 400))
        try:
            {make}
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except Struck:
        return 1
    return 0

before = len(os.listdir("/proc/self/fd"))
struck = sum(round(n) for n in range(400))
gc.collect()
signal.signal(signal.SIGALRM, signal.SIG_IGN)
for _ in range(100):  # it may run for a moment yet
    with fork(int): pass  # reaps what was forgotten while it ran
    children = open(f"/proc/self/task/{{os.getpid()}}/children").read().split()
    if not children: break
    time.sleep(0.1)
print(struck > 0, len(os.listdir("/proc/self/fd")) - before, len(children))
os.unlink(path)
os.rmdir(os.path.dirname(path))
"""


@pytest.mark.parametrize(
    "make", ["spawn(['true'])", "pipe()", "sockets.pair()", "fork(int)", "Fifo.open(path).writer()"]
)
def test_a_handler_that_raises_while_something_is_made_leaves_nothing(make):
    """No descriptor and no child is nobody's, whenever the signal comes."""
    done = subprocess.run(
        [sys.executable, "-c", LEFTOVERS.format(make=make)], capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "True 0 0\n", done.stdout + done.stderr


def test_receiving_a_descriptor_keeps_our_posix_locks(tmp_path):
    """Closing any descriptor of a file drops them: a receive must not close one behind our back."""
    path = tmp_path / "locked"
    a, b = sockets.pair()
    with a, b, open(path, "w") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        a.send(b"x", descriptors=[file])
        with b.receive(10, 1):
            code = f"import fcntl; fcntl.lockf(open({str(path)!r}, 'r+'), fcntl.LOCK_EX | fcntl.LOCK_NB)"
            done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=WAIT)
            assert b"BlockingIOError" in done.stderr, "still locked"


def test_descriptors_from_an_iterator_survive_a_wait():
    a, b = sockets.pair()
    reader, writer = pipe()
    with a, b, reader, writer:
        while a.try_write(bytes(65536)) is not None:
            pass
        sender = threading.Thread(
            target=a.send, args=(b"MARK",), kwargs={"descriptors": iter([reader]), "timeout": WAIT}
        )
        sender.start()
        time.sleep(0.05)
        got = b.receive(1 << 20, 4, timeout=WAIT)
        while b"MARK" not in got.data:
            got = b.receive(1 << 20, 4, timeout=WAIT)
        sender.join(WAIT)
        assert len(got.descriptors) == 1
        got.close()


@pytest.mark.parametrize("disposition", ["SIG_IGN", "SIG_DFL"])
def test_a_program_that_resets_all_handlers_can_still_wait(disposition):
    """A daemoniser takes our wake-up signal's handler away; the next wait puts one in its place."""
    code = f"""
import signal
from unixipc import Fifo
with Fifo.temporary() as fifo:
    for _ in range(2):
        try:
            fifo.writer(timeout=0.02)
        except TimeoutError:
            print("timed out")
        for number in range(signal.SIGRTMIN, signal.SIGRTMAX + 1):
            signal.signal(number, signal.{disposition})
        if "{disposition}" == "SIG_IGN":  # one must be free for us
            signal.signal(signal.SIGRTMIN + 5, signal.SIG_DFL)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "timed out\n" * 2), done.stderr


def test_a_forked_child_of_an_asyncio_program_dies_of_its_own_signals():
    async def main():
        loop = asyncio.get_running_loop()
        ours = []
        loop.add_signal_handler(signal.SIGTERM, ours.append, 1)
        async with aio.fork(time.sleep, 60) as child:
            await asyncio.sleep(0.2)
            child.terminate()
            assert await child.wait(timeout=WAIT) == Killed(signal.SIGTERM)
        loop.remove_signal_handler(signal.SIGTERM)
        assert ours == []

    asyncio.run(main())


def test_a_program_that_is_given_a_fifo_end_finds_it_blocking():
    reader, writer = pipe()
    with Fifo.temporary() as fifo, fifo.try_reader() as inlet, fifo.writer() as feed, reader:
        with spawn(["cat"], stdin=inlet, stdout=writer) as child:
            writer.close()
            time.sleep(0.05)
            feed.write_all(b"late")
            assert reader.read_exactly(4, timeout=WAIT) == b"late"
            feed.close()
            inlet.close()
            assert child.wait(timeout=WAIT) == Exited(0)


def test_a_short_read_of_a_packet_loses_nothing():
    a, b = sockets.pair("seqpacket")
    with a, b:
        a.send(b"eleven char")
        with pytest.raises(OSError, match="too long"):
            b.read(5)
        assert b.read(100) == b"eleven char"


@pytest.mark.parametrize("wrong", [
    {"env": {"A": "x\0y"}}, {"env": {"A=B": "c"}}, {"env": {"": "c"}}, {"cwd": "/tmp\0/x"}, {"descriptors": {-1: 0}},
    {"descriptors": {1 << 40: 0}}, {"descriptors": {5.5: 0}},
])  # fmt: skip
def test_spawn_refuses_what_the_kernel_would_cut_or_change(wrong):
    with pytest.raises(ValueError, match=r"NUL|=|0 up"):
        spawn(["true"], **wrong)


def test_a_child_that_is_forgotten_under_w_error_is_reaped_all_the_same():
    code = """
import gc, os, sys, warnings
warnings.simplefilter("error"); sys.unraisablehook = lambda _: None
from unixipc import fork, spawn
child = spawn(["true"]); pid = child.pid; child.wait_end(timeout=20); del child; gc.collect()
with fork(int): pass
print(os.path.exists(f"/proc/{pid}"))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "False\n", done.stderr
