"""Waits: signals do not end them (there they do), what handlers raise does; errors know their errno."""

from __future__ import annotations

import errno
import threading

import pytest

import unixipc.compat.sysv_ipc as ours

from ..beside import until

pytestmark = pytest.mark.usefixtures("own_ipc_namespace")

WAITS = {
    "acquire": ("Semaphore(None, ipc.IPC_CREX)", "it.acquire()", "ipc.Semaphore(it.key).release()"),
    "Z": ("Semaphore(None, ipc.IPC_CREX, initial_value=1)", "it.Z()", "ipc.Semaphore(it.key).acquire()"),
    "with": ("Semaphore(None, ipc.IPC_CREX)", "it.__enter__()", "ipc.Semaphore(it.key).release()"),
    "receive": ("MessageQueue(None, ipc.IPC_CREX)", "it.receive()", "ipc.MessageQueue(it.key).send(b'')"),
    "send": (
        "MessageQueue(None, ipc.IPC_CREX); it.max_size = 5; it.send(b'12345')",
        "it.send(b'x')",
        "ipc.MessageQueue(it.key).receive()",
    ),
}


@pytest.mark.parametrize("wait", WAITS)
def test_signals_do_not_end_a_wait(ipc, run, wait):
    made, call, enable = WAITS[wait]
    code = f"""
seen, ends = [], ipc.__name__ == "sysv_ipc"
def handler(*_):
    seen.append(1)
    if len(seen) == 3 and not ends:
        {enable}
it = ipc.{made}
signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
try: {call}; print("went on")
except ipc.Error as error: print("ended")
signal.setitimer(signal.ITIMER_REAL, 0)
it.remove()
"""
    assert run(ipc, code) == (["went", "on"] if ipc is ours else ["ended"])


@pytest.mark.parametrize("wait", WAITS)
@pytest.mark.parametrize(
    "error", ["KeyboardInterrupt", "TimeoutError", "TimeoutError(110, 'mine')", "OSError(22, 'mine')"]
)
def test_what_a_handler_raises_passes(run, wait, error):
    """As it is, whatever its errno is."""
    made, call, _ = WAITS[wait]
    code = f"""
def handler(*_): raise {error}
it = ipc.{made}
signal.signal(signal.SIGALRM, handler)
try:
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    {call}
except BaseException as error: print(type(error).__name__)
it.remove()
"""
    assert run(ours, code) == [error.partition("(")[0]]


def test_a_thread_that_waits_lets_others_run(ipc, make):
    semaphore = make(ipc.Semaphore, None, ipc.IPC_CREX)
    queue = make(ipc.MessageQueue, None, ipc.IPC_CREX)
    got = []
    threads = [
        threading.Thread(target=lambda: got.append(semaphore.acquire())),
        threading.Thread(target=lambda: got.append(queue.receive())),
    ]
    for thread in threads:
        thread.start()
    until(lambda: semaphore.waiting_for_nonzero == 1)
    semaphore.release()
    queue.send(b"for the thread")
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert sorted(got, key=str) == [(b"for the thread", 1), None]


def test_a_timeout_after_signals_is_still_a_timeout(run):
    code = """
signal.signal(signal.SIGALRM, lambda *_: None)
signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
it = ipc.Semaphore(None, ipc.IPC_CREX)
try: it.acquire(0.3)
except ipc.BusyError: print("busy")
signal.setitimer(signal.ITIMER_REAL, 0)
it.remove()
"""
    assert run(ours, code) == ["busy"]


def test_errors_have_their_errno_and_what_it_means(make):
    semaphore = make(ours.Semaphore, 0x7E57, ours.IPC_CREX)
    queue = make(ours.MessageQueue, None, ours.IPC_CREX)

    def code_of(call, *args):
        with pytest.raises(Exception) as caught:
            call(*args)
        assert caught.value.__cause__ is None and "None" not in str(caught.value)
        return caught.value.errno

    assert code_of(ours.Semaphore, 0x7E57, ours.IPC_CREX) == errno.EEXIST
    assert code_of(ours.Semaphore, 0x7E58) == errno.ENOENT
    assert code_of(semaphore.acquire, 0) == errno.EAGAIN
    assert code_of(semaphore.acquire, 0.01) == errno.ETIMEDOUT
    semaphore.release()
    assert code_of(semaphore.release, 32767) == errno.ERANGE
    assert code_of(setattr, semaphore, "value", 99999) == errno.ERANGE
    assert code_of(queue.receive, False) == errno.ENOMSG
    queue.remove()
    assert code_of(queue.receive) == errno.EINVAL
    assert code_of(ours.SharedMemory, None, ours.IPC_CREAT | ours.IPC_EXCL, 0o600, 1 << 62) in (
        errno.EINVAL,
        errno.ENOMEM,
        errno.ENOSPC,
    )
    assert ours.Error("mine").errno is None
    with pytest.raises(ours.ExistentialError, match="0x00007e58") as caught:
        ours.Semaphore(0x7E58)
    assert "semget(2)" in caught.value.__notes__[0]
