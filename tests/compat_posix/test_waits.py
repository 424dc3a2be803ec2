"""Waits: signals do not end them (there they do), what handlers raise does; and nothing crashes."""

from __future__ import annotations

import errno
import threading

import pytest

import unixipc.compat.posix_ipc as ours

from ..beside import PATIENCE_S, until
from .conftest import CLASSES, original

pytestmark = pytest.mark.usefixtures("own_ipc_namespace")

SEMAPHORE, QUEUE = "Semaphore(None, ipc.O_CREX)", "MessageQueue(None, ipc.O_CREX, max_messages=1)"
WAITS = {
    "acquire": (SEMAPHORE, "it.acquire()", "it.release()"),
    "acquire-timeout": (SEMAPHORE, "it.acquire(60)", "it.release()"),
    "with": (SEMAPHORE, "it.__enter__()", "it.release()"),
    "receive": (QUEUE, "it.receive()", "it.send(b'')"),
    "receive-timeout": (QUEUE, "it.receive(60)", "it.send(b'')"),
    "send": (QUEUE + "; it.send(b'')", "it.send(b'')", "it.receive()"),
    "send-timeout": (QUEUE + "; it.send(b'')", "it.send(b'', 60)", "it.receive()"),
}


@pytest.mark.parametrize("wait", WAITS)
def test_signals_do_not_end_a_wait(ipc, run, wait):
    made, call, enable = WAITS[wait]
    code = f"""
seen, ends = [], ipc.__name__ == "posix_ipc"
def handler(*_):
    seen.append(1)
    if len(seen) == 3 and not ends:
        {enable}
it = ipc.{made}
it.unlink()
signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
try: {call}; print("went on")
except ipc.SignalError as error: print("ended")
signal.setitimer(signal.ITIMER_REAL, 0)
"""
    assert run(ipc, code) == (["went", "on"] if ipc is ours else ["ended"])


@pytest.mark.parametrize("wait", WAITS)
@pytest.mark.parametrize("error", ["KeyboardInterrupt", "TimeoutError", "OSError(22, 'mine')", "ValueError"])
def test_what_a_handler_raises_passes(run, wait, error):
    """As it is, whatever its errno is."""
    made, call, _ = WAITS[wait]
    code = f"""
def handler(*_): raise {error}
it = ipc.{made}
it.unlink()
signal.signal(signal.SIGALRM, handler)
try:
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    {call}
except BaseException as error: print(type(error).__name__)
"""
    assert run(ours, code) == [error.partition("(")[0]]


@pytest.mark.parametrize("wait", WAITS)
def test_who_waits_learns_that_it_was_closed(run, wait):
    """There the wait goes on, and the semaphore's memory is not there when it ends."""
    made, call, _ = WAITS[wait]
    code = f"""
def waits():
    try: {call}
    except ipc.ExistentialError: print("closed")
it = ipc.{made}
it.unlink()
thread = threading.Thread(target=waits)
thread.start()
time.sleep(0.1)
it.close()
thread.join(60)
print(thread.is_alive())
"""
    assert run(ours, code) == ["closed", "False"]


def test_a_thread_that_waits_lets_others_run(ipc, make):
    semaphore = make(ipc.Semaphore, None, ipc.O_CREX)
    queue = make(ipc.MessageQueue, None, ipc.O_CREX)
    got = []
    threads = [
        threading.Thread(target=lambda: got.append(semaphore.acquire())),
        threading.Thread(target=lambda: got.append(queue.receive())),
    ]
    for thread in threads:
        thread.start()
    semaphore.release()
    queue.send(b"for the thread")
    for thread in threads:
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
    assert sorted(got, key=str) == [(b"for the thread", 0), None]


def test_a_timeout_after_signals_is_still_a_timeout(run):
    code = """
signal.signal(signal.SIGALRM, lambda *_: None)
signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
for it, call in ((ipc.Semaphore(None, ipc.O_CREX), "acquire"), (ipc.MessageQueue(None, ipc.O_CREX), "receive")):
    it.unlink()
    try: getattr(it, call)(0.3)
    except ipc.BusyError as error: print(error.errno)
signal.setitimer(signal.ITIMER_REAL, 0)
"""
    assert run(ours, code) == [str(errno.ETIMEDOUT)] * 2


CRASHES = {
    "a NUL in a str": ("ipc.{cls}('/a\\0b')", "ValueError"),
    "a surrogate": ("ipc.{cls}('/\\ud800')", "UnicodeEncodeError"),
}


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize("crash", CRASHES)
def test_names_that_crash_there(run, start, cls, crash):
    call, expected = CRASHES[crash]
    code = f"try: {call.format(cls=cls)}\nexcept Exception as error: print(type(error).__name__)"
    assert run(ours, code) == [expected]
    if original is not None:
        there = start(original, code)
        there.communicate(timeout=PATIENCE_S)
        assert there.returncode < 0  # by a signal


def test_deleting_block(start, run):
    code = """
queue = ipc.MessageQueue(None, ipc.O_CREX)
queue.unlink()
try: del queue.block
except AttributeError: print("no")
"""
    assert run(ours, code) == ["no"]
    if original is not None:
        there = start(original, code)
        there.communicate(timeout=PATIENCE_S)
        assert there.returncode < 0


def test_bytes_with_a_nul_are_not_cut(make):
    """There b"/a\\0b" is "/a"."""
    for cls in CLASSES:
        with pytest.raises(ValueError):
            getattr(ours, cls)(b"/a\0b", ours.O_CREX)


@pytest.mark.parametrize("cls", CLASSES)
def test_an_object_that_was_never_made_does_nothing(cls):
    """There the memory's and the queue's descriptor is 0: close_fd() closes standard input."""
    empty = getattr(ours, cls).__new__(getattr(ours, cls))
    for name in dir(empty):
        if name[0] != "_":
            with pytest.raises((AttributeError, TypeError, ours.Error)):
                getattr(empty, name)()


def test_forgotten_semaphores_are_closed(make, name):
    """There each stays mapped until the process ends."""

    def mapped():
        with open("/proc/self/maps") as lines:
            return sum(f"sem.{name[1:]}" in line for line in lines)

    make(ours.Semaphore, name, ours.O_CREX)
    before = mapped()
    opened = ours.Semaphore(name)
    assert mapped() == before + 1
    del opened
    until(lambda: mapped() == before)
