"""Who waits in a semaphore, and what becomes of permits: none is lost, none is doubled."""

import errno
import os
import random
import signal
import threading
import time

import pytest

from unixipc import ClosedError, Exited, Killed, LayoutError, fork
from unixipc.posix import Semaphore

WAIT = 20
ROUNDS = pytest.mark.parametrize(
    "rounds", [2000, pytest.param(50_000, marks=[pytest.mark.deep, pytest.mark.timeout(900)])]
)


@pytest.fixture
def none():
    """A semaphore of value 0."""
    with Semaphore.temporary(0) as semaphore:
        yield semaphore


WAITING = {
    "acquire": lambda s: s.acquire(timeout=WAIT),
    "acquire for ever": lambda s: s.acquire(),
    "hold": lambda s: s.hold(WAIT).__enter__(),
    "wait_until_possible": lambda s: s.wait_until_possible(WAIT),
}
every_wait = pytest.mark.parametrize("wait", WAITING.values(), ids=WAITING.keys())


@every_wait
def test_close_wakes_every_thread_that_waits(none, asleep, wait):
    sleepers = [asleep(wait, none) for _ in range(3)]
    none.close()
    for future in sleepers:
        with pytest.raises(ClosedError):
            future.result(WAIT)


@every_wait
def test_another_process_wakes_who_waits(none, asleep, wait):
    future = asleep(wait, none)
    with fork(none.release) as child:
        future.result(WAIT)
        assert child.wait(timeout=WAIT) == Exited(0)


def test_a_forked_process_shares_it(none, children):
    children.start(lambda: [none.release() for _ in range(3)] and None)
    children.all_succeed()
    children.start(none.close)
    children.all_succeed()
    assert none.value == 3


def test_a_fork_while_a_thread_waits_can_close_its_own(none, asleep, children):
    future = asleep(none.acquire, timeout=WAIT)

    def child():
        none.release()
        none.close()
        assert none.closed

    children.start(child)
    children.all_succeed()
    future.result(WAIT)


def test_it_excludes_between_threads_and_processes(children, tmp_path):
    """A file's content is read, and written back one higher, by four processes of three threads each."""
    path = tmp_path / "count"
    path.write_text("0")
    with Semaphore.temporary(1) as lock:

        def count():
            for _ in range(50):
                with lock.hold(timeout=WAIT):
                    path.write_text(str(int(path.read_text()) + 1))

        def child():
            threads = [threading.Thread(target=count) for _ in range(3)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(WAIT)

        children.start(child, times=4)
        children.all_succeed(60)
        assert path.read_text() == "600"
        assert lock.value == 1


def test_kill_9_of_a_holder_gives_nothing_back(children):
    """The documented truth; sysv.Semaphore with undo does."""
    with Semaphore.temporary(2) as semaphore:
        child = children.start(lambda: (semaphore.acquire(), os.kill(os.getpid(), signal.SIGKILL)))
        assert child.wait(timeout=WAIT) == Killed(signal.SIGKILL)
        assert semaphore.value == 1


def test_kill_9_of_who_waits_takes_nothing(none, children):
    child = children.start(none.acquire)
    time.sleep(0.05)
    child.kill()
    child.wait(timeout=WAIT)
    none.release()
    assert none.try_acquire()


# permits that come with the alarm -------------------------------------------------------------------------------------


@ROUNDS
def test_a_permit_that_comes_with_the_timeout_is_taken_or_still_there(none, rounds, children):
    """The alarm interrupts sem_wait just as the post comes: posted = acquired + left, in every mixture of waiters."""

    def post():
        source = random.Random(1)
        for _ in range(rounds):
            time.sleep(source.uniform(0, 4e-4))
            none.release()

    acquired = [0, 0, 0]
    ended = threading.Event()

    def take(which):
        source = random.Random(which)
        while not ended.is_set():
            try:
                none.acquire(timeout=source.uniform(0, 4e-4))
                acquired[which] += 1
            except TimeoutError:
                pass

    poster = children.start(post)
    threads = [threading.Thread(target=take, args=(which,)) for which in range(3)]
    for thread in threads:
        thread.start()
    poster.wait(timeout=800)
    ended.set()
    for thread in threads:
        thread.join(WAIT)
    assert sum(acquired) + none.value == rounds
    assert min(acquired) > 0


@ROUNDS
def test_a_look_that_is_interrupted_keeps_every_permit(none, rounds):
    """`wait_until_possible` takes and gives back in one step; its timeouts, and others' looks, change nothing."""
    ended = threading.Event()
    seen = [0, 0]

    def look(which):
        source = random.Random(which)
        while not ended.is_set():
            try:
                seen[which] += none.wait_until_possible(source.uniform(0, 3e-4))
            except TimeoutError:
                pass

    threads = [threading.Thread(target=look, args=(which,)) for which in range(2)]
    for thread in threads:
        thread.start()
    source = random.Random(7)
    for _ in range(rounds // 4):
        none.release()
        time.sleep(source.uniform(0, 3e-4))
        none.acquire(timeout=WAIT)
    ended.set()
    for thread in threads:
        thread.join(WAIT)
    assert none.value == 0
    assert min(seen) > 0


def test_a_handler_that_raises_loses_no_permit(none, children):
    """It raises while acquire waits, and nowhere else."""

    class Struck(Exception):
        pass

    got, struck, wanted = [], [], 300

    def post():
        source = random.Random(3)
        for _ in range(wanted):
            time.sleep(source.uniform(0, 2e-3))
            none.release()

    def collect():
        while True:
            try:
                got.extend(iter(none.acquire, "never"))
                return
            except Struck:
                pass
            except ClosedError:
                return

    def strike(_number, frame):
        if frame.f_code is collect.__code__ and frame.f_lineno == collect.__code__.co_firstlineno + 3:
            if len(got) < wanted:
                struck.append(1)
                raise Struck
            none.close()

    children.start(post)
    before = signal.signal(signal.SIGALRM, strike)
    signal.setitimer(signal.ITIMER_REAL, 5e-4, 5e-4)
    try:
        collect()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert len(got) == wanted
    assert len(struck) > 50
    children.all_succeed()


def test_closing_while_others_use_it_never_touches_memory_that_is_gone():
    """Threads use and wait in handles that another thread closes: a use of unmapped memory would be SIGSEGV."""
    source = random.Random(5)

    def use(semaphore):
        try:
            while True:
                semaphore.release()
                semaphore.acquire(timeout=WAIT)
                semaphore.try_acquire()
                semaphore.acquire(timeout=WAIT)
        except ClosedError:
            pass

    for _ in range(100):
        semaphore = Semaphore.temporary(0)
        threads = [threading.Thread(target=use, args=(semaphore,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        time.sleep(source.uniform(0, 3e-3))
        semaphore.close()
        for thread in threads:
            thread.join(WAIT)
            assert not thread.is_alive()


def uses_of(semaphore):
    """All that looks at its bytes."""
    return (semaphore.try_acquire, lambda: semaphore.acquire(0.01), lambda: semaphore.wait_until_possible(0.01),
            semaphore.hold().__enter__, semaphore.release, lambda: semaphore.value)  # fmt: skip


@pytest.mark.parametrize("damage", [b"\xff" * 24, bytes(24), b"text" * 6])
def test_a_file_in_its_place_that_is_none_and_one_that_is_damaged_later(name, damage):
    """The C library would hand its bytes to futex(2), and abort."""

    def child():
        with Semaphore.create(name, 0) as semaphore:
            with open(f"/dev/shm/sem.{name[1:]}", "r+b") as file:
                file.seek(8)
                file.write(damage)
            for use in uses_of(semaphore):
                with pytest.raises(LayoutError):
                    use()
            with pytest.raises(OSError) as caught:
                Semaphore.open(name)
            assert caught.value.errno == errno.EINVAL and "no semaphore" in caught.value.__notes__[0]

    with fork(child) as process:
        assert process.wait(timeout=WAIT) == Exited(0)


def test_a_file_that_somebody_makes_shorter(name):
    """It would be SIGBUS; a page of zeros is no semaphore."""

    def child():
        with Semaphore.create(name, 1) as semaphore, Semaphore.open(name) as other:
            os.truncate(f"/dev/shm/sem.{name[1:]}", 0)
            for each in (semaphore, other):
                assert "damaged" in repr(each)
                for use in uses_of(each):
                    with pytest.raises(LayoutError):
                        use()
            with pytest.raises(OSError):
                Semaphore.open(name)

    with fork(child) as process:
        assert process.wait(timeout=WAIT) == Exited(0)
