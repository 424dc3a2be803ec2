"""The guard takes the faults of mapped files, and nothing else: SIGBUS is everybody's."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

PRELUDE = """
import ctypes, faulthandler, mmap, os, signal, sys, tempfile, threading, time
from unixipc import map_file, map_anonymous
PAGE = mmap.PAGESIZE
heard = []
def listen(number, frame): heard.append(number)
def guarded(cut=True):
    file = tempfile.TemporaryFile()
    file.truncate(8 * PAGE)
    memory = map_file(file, "rw")
    if cut: file.truncate(0)
    return memory
def foreign():
    "A fault in a mapping that is not ours"
    file = tempfile.TemporaryFile()
    file.truncate(PAGE)
    memory = mmap.mmap(file.fileno(), PAGE)
    file.truncate(0)
    memory[0]
"""


def run(code, limit=30):
    return subprocess.run([sys.executable, "-c", PRELUDE + code], capture_output=True, text=True, timeout=limit)


def lives(code):
    done = run(code)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def dies(code):
    done = run(code)
    assert done.returncode == -signal.SIGBUS, (done.returncode, done.stderr)
    return done.stderr


SENT = ["os.kill(os.getpid(), signal.SIGBUS)", "signal.raise_signal(signal.SIGBUS)"]


@pytest.mark.parametrize("send", SENT)
def test_a_SIGBUS_that_somebody_sends_kills_as_ever(send):
    dies(f"m = guarded(); assert m.buffer[0] == 0; {send}; time.sleep(20)")


@pytest.mark.parametrize("send", SENT)
def test_a_SIGBUS_that_somebody_sends_is_ignored_where_it_was(send):
    lives(f"signal.signal(signal.SIGBUS, signal.SIG_IGN); m = guarded(); {send}; {send}; assert m.buffer[0] == 0")


@pytest.mark.parametrize("send", SENT)
def test_a_SIGBUS_that_somebody_sends_reaches_the_handler_that_was_there(send):
    lives(f"signal.signal(signal.SIGBUS, listen); m = guarded(); {send}; {send}; "
          "assert heard == [7, 7], heard; assert m.buffer[0] == 0")  # fmt: skip


def test_a_SIGBUS_from_another_process_kills():
    program = "m = guarded(); print('ready', flush=True); time.sleep(60)"
    child = subprocess.Popen([sys.executable, "-c", PRELUDE + program], stdout=subprocess.PIPE)
    try:
        assert child.stdout.readline() == b"ready\n"
        child.send_signal(signal.SIGBUS)
        assert child.wait(30) == -signal.SIGBUS
    finally:
        child.kill()
        child.wait(30)
        child.stdout.close()


def test_a_fault_elsewhere_kills_as_ever():
    dies("m = guarded(); assert m.buffer[0] == 0; foreign()")
    dies("m = guarded(); m.close(); foreign()")


def test_a_fault_elsewhere_is_faulthandler_s():
    told = dies("faulthandler.enable(); m = guarded(); assert m.buffer[0] == 0; foreign()")
    assert "Fatal Python error: Bus error" in told and "in foreign" in told


def test_faulthandler_that_comes_later_gets_faults_elsewhere_and_ours_are_kept():
    """Each of the two knows the other as its predecessor: the signal must not go round for ever."""
    code = "m = guarded(); faulthandler.enable(); n = guarded(); assert m.buffer[0] == n.buffer[0] == 0; "
    assert lives(code + "print(m.damaged_pages, n.damaged_pages)") == "1 1\n"
    told = dies(code + "foreign()")
    assert "Fatal Python error: Bus error" in told and "in foreign" in told
    dies(code + "os.kill(os.getpid(), signal.SIGBUS); time.sleep(20)")


def test_a_new_view_takes_the_signal_back():
    """Somebody has replaced the handler: the next view, mapping or `check` puts ours before it again."""
    for again in ("memoryview(m)[0]", "m.array('u1').sum()", "guarded(); kept[0]", "m.look_at_end(); kept[0]"):
        lives("m = guarded(); kept = memoryview(m); signal.signal(signal.SIGBUS, signal.SIG_DFL); " + again)


def test_without_one_the_new_handler_has_it():
    """The limit that the page tells of."""
    dies("m = guarded(); kept = memoryview(m); signal.signal(signal.SIGBUS, signal.SIG_DFL); kept[0]")


def test_a_handler_that_comes_later_is_called_for_what_is_sent():
    lives("m = guarded(); signal.signal(signal.SIGBUS, listen); assert m.buffer[0] == 0; "
          "os.kill(os.getpid(), signal.SIGBUS); assert heard == [7], heard")  # fmt: skip


def test_many_changes_of_the_handler():
    lives("""
for turn in range(100):
    signal.signal(signal.SIGBUS, [listen, signal.SIG_IGN][turn % 2])
    with guarded() as m:
        assert m.buffer[0] == 0
        heard.clear()
        os.kill(os.getpid(), signal.SIGBUS)
        assert heard == [7] * (1 - turn % 2), (turn, heard)
""")


def test_errno_is_kept_across_a_repaired_fault():
    lives("""
m = guarded()
ctypes.set_errno(0)
libc = ctypes.CDLL(None, use_errno=True)
libc.close(-1)
assert ctypes.get_errno() == 9
assert m.buffer[0] == 0
assert ctypes.get_errno() == 9
""")


def test_python_s_own_signals_go_on():
    lives("""
signal.signal(signal.SIGALRM, listen)
signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
for _ in range(300):
    with guarded() as m:
        assert not any(m.buffer)
        assert m.damaged_pages == 8
signal.setitimer(signal.ITIMER_REAL, 0)
assert heard
""")


def test_fork_while_threads_fault():
    """The table is in the child as it was; no lock is in it that somebody could have held."""
    lives("""
import warnings
warnings.simplefilter("ignore", DeprecationWarning)  # fork with threads, which this is about
stop = threading.Event()
def fault():
    while not stop.is_set():
        with guarded() as m: sum(m.buffer[::PAGE])
threads = [threading.Thread(target=fault) for _ in range(3)]
for t in threads: t.start()
for _ in range(50):
    with guarded() as m:  # the child makes no file of its own: a thread may have held a lock of tempfile's
        pid = os.fork()
        if not pid:
            signal.alarm(20)
            os._exit(sum(m.buffer))
        assert os.waitpid(pid, 0)[1] == 0
stop.set()
for t in threads: t.join(20)
""")


def test_a_thread_that_blocks_SIGBUS_is_killed():
    """The kernel's rule for signals that cannot wait; the page says so."""
    dies("m = guarded(); signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGBUS}); m.buffer[0]")
