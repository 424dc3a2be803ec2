"""What becomes of a queue and of who waits in it: R06-R08, threads, signals, notification."""

import ctypes
import errno
import functools
import itertools
import os
import random
import select
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from unixipc import ClosedError, Exited, fork
from unixipc.posix import Message, MessageQueue

WAIT = 20
PATIENCE = 0.05


@pytest.fixture
def queue():
    with MessageQueue.temporary() as queue:
        yield queue


@pytest.fixture
def full():
    with MessageQueue.temporary(1, 10) as queue:
        queue.send(b"1")
        yield queue


WAITING = {
    "receive": lambda full: (full.receive(), full.receive(timeout=WAIT)),
    "send": lambda full: full.send(b"2", timeout=WAIT),
}


# waiting --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wait", WAITING.values(), ids=WAITING.keys())
def test_close_wakes_who_waits(full, asleep, wait):
    sleepers = [asleep(wait, full)]
    full.close()
    for future in sleepers:
        with pytest.raises(ClosedError):
            future.result(WAIT)


def test_a_sleeping_receiver_gets_what_another_process_sends(queue, asleep):
    future = asleep(queue.receive, timeout=WAIT)
    with fork(queue.send, b"hello", 4) as child:
        assert future.result(WAIT) == Message(4, b"hello")
        child.wait(timeout=WAIT)


def test_a_sleeping_sender_goes_on_when_there_is_room(full, asleep):
    future = asleep(full.send, b"2", 7, timeout=WAIT)
    assert full.receive().body == b"1"
    future.result(WAIT)
    assert full.receive(timeout=WAIT) == Message(7, b"2")


def test_many_threads_share_the_messages(queue):
    got, lock = [], threading.Lock()

    def receive():
        while (body := queue.receive(timeout=WAIT).body) != b"end":
            with lock:
                got.append(int(body))

    threads = [threading.Thread(target=receive) for _ in range(6)]
    for thread in threads:
        thread.start()
    for n in range(3000):
        queue.send(b"%d" % n, timeout=WAIT)
    for _ in threads:
        queue.send(b"end", timeout=WAIT)
    for thread in threads:
        thread.join(WAIT)
    assert sorted(got) == list(range(3000))


def test_many_processes_send_and_receive_and_nothing_is_lost(queue, children):
    def send(which):
        for n in range(1000):
            queue.send(b"%d %d" % (which, n), which, timeout=WAIT)

    for which in range(3):
        children.start(send, which)
    got = [tuple(map(int, queue.receive(timeout=WAIT).body.split())) for _ in range(3000)]
    children.all_succeed()
    assert sorted(got) == list(itertools.product(range(3), range(1000)))
    for which in range(3):
        assert [n for each, n in got if each == which] == list(range(1000))


# signals --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def storm():
    """SIGALRM every half millisecond; `storm(handler)` starts it."""
    before = signal.getsignal(signal.SIGALRM)

    def start(handler):
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, 5e-4, 5e-4)

    yield start
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def slow_sender(queue, count):
    source = random.Random(1)
    for n in range(count):
        time.sleep(source.uniform(0, 2e-3))
        queue.send(b"%d" % n, timeout=WAIT)


def test_signals_do_not_end_a_wait(queue, storm, children):
    children.start(slow_sender, queue, 300)
    seen = []
    storm(lambda *_: seen.append(1))
    assert [int(queue.receive(timeout=WAIT).body) for _ in range(300)] == list(range(300))
    assert len(seen) > 50
    children.all_succeed()


class Struck(Exception):
    pass


def test_a_handler_that_raises_loses_no_message(queue, storm, children):
    """Each message goes from the queue into the list without Python code between; there alone the handler raises."""
    end, got, struck = Message(0, b"end"), [], []
    children.start(lambda: (slow_sender(queue, 300), queue.send(b"end", timeout=WAIT), None)[-1])

    def collect():
        while True:
            try:
                got.extend(iter(queue.receive, end))
                return
            except Struck:
                pass

    def strike(_number, frame):
        at_the_receive = frame.f_code is collect.__code__ and frame.f_lineno == frame.f_code.co_firstlineno + 3
        if at_the_receive and len(got) < 300:
            struck.append(1)
            raise Struck

    storm(strike)
    collect()
    assert [int(message.body) for message in got] == list(range(300))
    assert len(struck) > 50
    children.all_succeed()


# notification ---------------------------------------------------------------------------------------------------------


NUMBER = signal.SIGRTMIN + 5


def alone(test):
    """In a process of one thread, with the signals blocked: the run's own other threads would be struck by them."""

    def body(fixtures):
        signal.pthread_sigmask(signal.SIG_BLOCK, [NUMBER])
        test(**fixtures)

    @functools.wraps(test)
    def run(**fixtures):
        with fork(body, fixtures) as child:
            assert child.wait(timeout=3 * WAIT) == Exited(0)

    return run


def heard(number=NUMBER, seconds=WAIT):
    return signal.sigtimedwait([number], seconds)


SI_MESGQ = -3


@alone
def test_R07_a_message_into_the_empty_queue_is_told_once(queue):
    queue.notify(NUMBER, 4711)
    with fork(queue.send, b"1") as child:
        told = heard()
        child.wait(timeout=WAIT)
        assert (told.si_code, told.si_pid) == (SI_MESGQ, child.pid)
    queue.receive()
    queue.send(b"2")
    assert heard(seconds=PATIENCE) is None


class Info(ctypes.Structure):
    _fields_ = [
        ("number", ctypes.c_int), ("error", ctypes.c_int), ("code", ctypes.c_int), ("pad", ctypes.c_int),
        ("pid", ctypes.c_int), ("uid", ctypes.c_uint), ("value", ctypes.c_int), ("rest", ctypes.c_int * 40),
    ]  # fmt: skip


@alone
def test_R07_the_value_comes_with_it(queue):
    """Python's own sigtimedwait does not show it; a C structure does."""
    libc, info, mask = ctypes.CDLL(None, use_errno=True), Info(), ctypes.create_string_buffer(128)
    libc.sigaddset(mask, int(NUMBER))
    for value in (4711, -1, 2**31 - 1, 0):
        queue.notify(NUMBER, value)
        queue.send(b"")
        assert libc.sigtimedwait(mask, ctypes.byref(info), ctypes.create_string_buffer(16)) == NUMBER
        assert (info.code, info.value) == (SI_MESGQ, value)
        queue.receive()


@alone
def test_R07_only_an_empty_queue_tells(queue):
    queue.send(b"already there")
    queue.notify(NUMBER)
    queue.send(b"second")
    assert heard(seconds=PATIENCE) is None
    queue.receive()
    queue.receive()
    queue.send(b"third")
    assert heard() is not None


@alone
def test_R07_one_process_at_a_time(queue, children):
    queue.notify(NUMBER)

    def other():
        for _ in range(2):
            with pytest.raises(OSError) as busy:
                queue.notify(NUMBER)
            assert busy.value.errno == errno.EBUSY
            assert "registered already" in busy.value.__notes__[0]
        queue.notify()  # nothing of ours to withdraw: the other one's stays

    children.start(other)
    children.all_succeed()
    with pytest.raises(OSError, match="busy"):
        queue.notify(NUMBER)
    queue.send(b"")
    assert heard() is not None


@alone
def test_R07_withdrawn(queue):
    queue.notify(NUMBER)
    queue.notify(None)
    queue.notify()
    queue.send(b"")
    assert heard(seconds=PATIENCE) is None
    queue.notify(NUMBER)


@alone
def test_R07_registered_and_told_nothing(queue, children):
    queue.notify(0)

    def other():
        with pytest.raises(OSError, match="busy"):
            queue.notify(NUMBER)

    children.start(other)
    children.all_succeed()
    queue.send(b"")
    assert heard(seconds=PATIENCE) is None
    queue.notify(0)  # it was used up


@alone
def test_R07_another_handles_close_withdraws_and_a_forks_does_not(queue, name, children):
    with MessageQueue.create(name) as mine:
        mine.notify(NUMBER)
        children.start(mine.close)
        children.all_succeed()
        with pytest.raises(OSError, match="busy"):
            mine.notify(NUMBER)
        MessageQueue.open(name).close()
        mine.notify(NUMBER)


@alone
def test_R07_kill_9_withdraws(queue, children):
    reader, writer = os.pipe()

    def register():
        queue.notify(NUMBER)
        os.write(writer, b"!")
        signal.pause()

    child = children.start(register)
    assert os.read(reader, 1) == b"!"
    with pytest.raises(OSError, match="busy"):
        queue.notify(NUMBER)
    child.kill()
    child.wait(timeout=WAIT)
    queue.notify(NUMBER)
    os.close(reader)
    os.close(writer)


@alone
def test_R07_our_sleeping_receiver_does_not_keep_the_signal_away(queue):
    """It sleeps in poll(2). One that sleeps in mq_receive(3) does: see the stranger."""
    with ThreadPoolExecutor() as pool:
        future = pool.submit(queue.receive, timeout=WAIT)
        time.sleep(PATIENCE)
        queue.notify(NUMBER)
        with fork(queue.send, b"x") as child:
            assert heard() is not None
            child.wait(timeout=WAIT)
        assert future.result(WAIT).body == b"x"


@pytest.mark.parametrize("number", [-1, 65, 1000])
def test_R07_numbers_that_are_no_signals(queue, number):
    with pytest.raises(OSError) as refused:
        queue.notify(number)
    assert refused.value.errno == errno.EINVAL
    assert "no signal" in refused.value.__notes__[0]


@alone
def test_R07_numbers_that_are_no_numbers(queue):
    for args in ((1.5,), (NUMBER, 1.5), ("1",)):
        with pytest.raises(TypeError):
            queue.notify(*args)
    with pytest.raises(OverflowError):
        queue.notify(NUMBER, 2**31)


def test_select_sees_a_message_of_another_process(queue):
    with fork(queue.send, b"x") as child:
        assert select.select([queue], [], [], WAIT)[0] == [queue]
        child.wait(timeout=WAIT)
