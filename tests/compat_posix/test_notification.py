"""Notifications: by a signal, by a function in a thread of its own; once."""

from __future__ import annotations

import pytest

import unixipc.compat.posix_ipc as ours

from ..beside import asleep, until

BEGIN = """
def patiently(condition):
    for _ in range(6000):
        if condition(): return True
        time.sleep(0.01)
queue = ipc.MessageQueue(None, ipc.O_CREX)
queue.unlink()
told = []
"""


def test_by_a_signal(ipc, run):
    code = """
signal.signal(signal.SIGUSR1, lambda *_: told.append(1))
queue.request_notification(signal.SIGUSR1)
queue.send(b"a"); print(patiently(lambda: told))
queue.send(b"b"); print(len(told))
queue.receive(); queue.receive(); queue.send(b"once is all"); print(len(told))
queue.receive()
queue.request_notification(ipc.USER_SIGNAL_MIN)
queue.request_notification(None)
queue.send(b"nobody is told"); print(len(told))
"""
    assert run(ipc, BEGIN + code) == ["True", "1", "1", "1"]


def test_by_a_thread(ipc, run):
    code = """
def tell(given): told.append((given, threading.current_thread() is threading.main_thread()))
queue.request_notification((tell, "it"))
queue.send(b"a"); print(patiently(lambda: told), *told[0])
queue.receive(); queue.send(b"b"); time.sleep(0.05); print(len(told))
"""
    assert run(ipc, BEGIN + code) == ["True", "it", "False", "1"]


def test_it_is_asked_for_again_in_the_function(ipc, run):
    code = """
def again(number):
    queue.request_notification((again, number + 1))
    told.append((number, queue.receive()[0]))
queue.request_notification((again, 1))
for each in (b"a", b"b", b"c"):
    before = len(told)
    queue.send(each)
    assert patiently(lambda: len(told) > before)
print(told == [(1, b"a"), (2, b"b"), (3, b"c")])
"""
    assert run(ipc, BEGIN + code) == ["True"]


def test_the_last_request_counts(ipc, run):
    code = """
queue.request_notification((told.append, "first"))
queue.request_notification((told.append, "second"))
queue.send(b""); patiently(lambda: told); queue.receive()
queue.request_notification((told.append, "third"))
queue.request_notification()
queue.send(b""); time.sleep(0.1)
print(*told)
"""
    assert run(ipc, BEGIN + code) == ["second"]


def test_one_process_at_a_time(ipc, queue, start, raises):
    code = "ipc.MessageQueue(sys.argv[1]).request_notification(0); print('asked', flush=True); signal.pause()"
    other = start(ipc, code, queue.name)
    assert other.stdout.readline() == "asked\n"
    raises("BusyError", queue.request_notification, 10)
    assert queue.request_notification() is None  # another's is not taken away
    raises("BusyError", queue.request_notification, 10)
    other.kill()
    other.wait(60)

    def free():
        try:
            queue.request_notification(10)
        except ipc.BusyError:
            return False
        return True

    until(free)
    queue.request_notification()


@pytest.mark.parametrize("wrong", ["a", 1.5, [print, 1], (), (print,), (print, 1, 2), (1, 2), (None, None)])
def test_what_is_no_notification(queue, raises, wrong):
    raises(ValueError, queue.request_notification, wrong)


@pytest.mark.parametrize("wrong", [-1, 65, 1000])
def test_what_is_no_signal(queue, raises, wrong):
    raises(OSError, queue.request_notification, wrong)


def test_it_takes_one_argument(queue, raises):
    raises(TypeError, queue.request_notification, None, None)
    raises(TypeError, queue.request_notification, nonsense=1)


def test_a_forgotten_queue_still_notifies(run):
    """There the thread looks into freed memory."""
    code = """
name = "/" + os.urandom(6).hex()
ipc.MessageQueue(name, ipc.O_CREX).request_notification((told.append, "it"))
other = ipc.MessageQueue(name)
other.unlink()
other.send(b"")
print(patiently(lambda: told), *told)
"""
    assert run(ours, BEGIN + code) == ["True", "it"]


def test_a_request_that_was_withdrawn_in_between_calls_nothing(run):
    """There the thread may call what is no more."""
    code = """
sys.setswitchinterval(1e-6)
for number in range(500):
    queue.request_notification((told.append, number))
    queue.send(b"")
    queue.request_notification()
    queue.receive()
print(len(told) <= 500, told == sorted(told))
"""
    assert run(ours, BEGIN + code)[0] == "True"


def test_what_the_function_raises_is_shown(run):
    code = """
sys.unraisablehook = lambda shown: told.append(shown.exc_type.__name__)
queue.request_notification((lambda _: 1 / 0, None))
queue.send(b"")
print(patiently(lambda: told), *told)
"""
    assert run(ours, BEGIN + code) == ["True", "ZeroDivisionError"]


def test_a_closed_queue_calls_nothing(run):
    code = """
from unixipc.compat.posix_ipc import _notify
queue.request_notification((told.append, 1))
print(len(_notify.registered))
queue.close()
print(len(_notify.registered), told)
"""
    assert run(ours, BEGIN + code) == ["1", "0", "[]"]


def test_the_end_of_the_interpreter_with_threads_on_their_way(run):
    code = """
queue.request_notification((lambda _: time.sleep(0.001), 1))
queue.send(b"")
print("end")
"""
    for _ in range(10):
        assert run(ours, BEGIN + code) == ["end"]


def test_who_waits_does_not_keep_the_notification(ipc, queue, start, run):
    """There the message goes straight to who waits in the kernel, and nobody is told."""
    waiting = start(ipc, "print(ipc.MessageQueue(sys.argv[1]).receive(60)[0].decode())", queue.name)
    until(lambda: asleep(waiting))
    code = """
told = []
signal.signal(signal.SIGUSR1, lambda *_: told.append(1))
queue = ipc.MessageQueue(sys.argv[1])
queue.request_notification(signal.SIGUSR1)
queue.send(b"it")
for _ in range(20): time.sleep(0.01)
print(len(told))
"""
    assert run(ipc, code, queue.name) == ["1" if ipc is ours else "0"]
    assert waiting.communicate(timeout=60)[0] == "it\n"
