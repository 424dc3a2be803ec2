"""Standard descriptors that are closed or full, a locale without letters, names that are no text: as with coreutils."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import uuid
from contextlib import suppress
from itertools import combinations

import pytest

from unixipc import channel, fork, inspector, signals
from unixipc.cli import group
from unixipc.locks import FileLock
from unixipc.sysv import SemaphoreSet, SharedMemory

from .conftest import IPC, LIMIT_S
from .terminal import Terminal

CLOSED = {"in": "<&-", "out": ">&-", "err": "2>&-"}
EACH = [" ".join(each) for number in (1, 2, 3) for each in combinations(CLOSED, number)]
OFTEN = ("out", "in out err")
PRINTS_NOTHING = ("send", "lock", "rm")
WORK = {
    "ask": "ask unix:s x", "bench": "bench --seconds 0.1 --only pipe --size 100", "completion": "completion bash",
    "demo": "demo",
    "doctor": "doctor", "gc": "gc --json --dry-run --in .", "ipcrm": "ipcrm --help", "ipcs": "ipcs",
    "lock": "lock f -- true",
    "ls": "ls", "map": "map --format dot", "mk": "mk fifo made", "recv": "recv --count 1 channel:{channel}",
    "rm": "rm fifo:gone --force", "sem": "sem sysv:id={semaphores}", "send": "send channel:{channel} f",
    "shm": "shm sysv:id={segment}?kind=segment dump", "sig": "sig table", "tour": "tour --only pipe --no-kill f",
    "watch": "watch --json --count 1", "who": "who held", "why": "why",
}  # fmt: skip
"""A call of each verb that has something to print, or nothing; none of them reads its input."""


@pytest.fixture
def server(shell):
    """Answers whoever connects, until the test ends."""

    def serve():
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                with client, suppress(OSError):
                    client.recv(100)
                    client.sendall(b"answer\n")

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(shell.folder / "s"))
        listener.listen()
        thread = threading.Thread(target=serve)
        thread.start()
        yield
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(LIMIT_S)


@pytest.fixture
def world(shell, server, own_ipc_namespace):
    """What these calls need."""
    (shell.folder / "f").write_text("x\n")
    name = f"standard-{uuid.uuid4().hex[:8]}"
    with channel.Queue.create(name) as queue, queue.sender() as sender, queue.receiver():
        with SemaphoreSet.temporary((1,)) as semaphores, SharedMemory.temporary(100) as segment:
            sender.send(b"x")
            with FileLock(shell.folder / "held"):
                yield {"channel": name, "semaphores": semaphores.id, "segment": segment.id}
        queue.remove()


def test_a_call_of_every_verb_is_tried():
    assert set(WORK) == set(group.VERBS)


@pytest.mark.parametrize("verb", sorted(WORK))
@pytest.mark.parametrize(
    "closed", [each if each in OFTEN else pytest.param(each, marks=pytest.mark.deep) for each in EACH]
)
def test_what_is_closed_is_an_error_for_who_needs_it_only(shell, world, verb, closed):
    words = WORK[verb].format(**world)
    if "in" in closed:
        words = words.replace("channel:{channel} f", "channel:{channel}")
    redirects = " ".join(CLOSED[each] for each in closed.split())
    told = "" if "err" in closed else " 2>told"
    done = shell.run(f"timeout {LIMIT_S - 10} ipc {words} {redirects}{told}")
    text = "" if "err" in closed else (shell.folder / "told").read_text()
    assert "Traceback" not in text + done.stderr, text
    if "out" in closed and verb not in PRINTS_NOTHING:
        assert done.returncode == 1
        assert "err" in closed or "standard output: Bad file descriptor" in text
    else:
        assert done.returncode == 0 or verb == "doctor", text


@pytest.mark.parametrize("words", [*WORK.values(), "--help", "--version", "ls --help", "mk --help", "mk fifo --help"])
def test_output_that_cannot_be_written_is_an_error(shell, world, words):
    done = shell.run(f"ipc {words.format(**world)} >/dev/full")
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr
    if words.split()[0] in PRINTS_NOTHING:
        assert done.returncode == 0
    else:
        assert done.returncode == 1 and "standard output: No space left on device" in done.stderr


@pytest.mark.parametrize("words", ["who nothing-of-that-name", "nonsense", "rm fifo:none"])
def test_a_complaint_that_cannot_be_written_changes_nothing(shell, words):
    (shell.folder / "f").write_text("x\n")
    expected = shell.run(f"ipc {words}").returncode
    for redirect in ("2>/dev/full", "2>&-"):
        assert shell.run(f"ipc {words} {redirect}").returncode == expected != 0


def test_who_needs_a_closed_input_is_told(shell, world):
    done = shell.run(f"ipc send channel:{world['channel']} <&-")
    assert (done.returncode, done.stderr) == (1, "ipc: standard input: Bad file descriptor\n")
    done = shell.run(f"ipc shm 'sysv:id={world['segment']}?kind=segment' write <&-")
    assert (done.returncode, done.stderr) == (1, "ipc: standard input: Bad file descriptor\n")


def test_a_closed_number_is_given_to_no_file_of_ours(shell):
    """Else a lock's descriptor would be 1, and what is printed would be in the file."""
    shell.run("ipc lock f -- sh -c 'echo into the lock file' <&- >&- 2>&-")
    assert (shell.folder / "f").read_bytes() == b""


@pytest.mark.parametrize(("words", "name"), [("fifo made", "made"), ("fifo made --ensure", "made")])
def test_what_was_made_and_could_not_be_told_is_gone_again(shell, words, name):
    done = shell.run(f"ipc mk {words} >/dev/full")
    assert done.returncode == 1
    assert (shell.folder / name).exists() is ("--ensure" in words)


ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
ODD = b"b\xe9\xff\xc3\xa9"
"""Bytes that are no UTF-8, and a letter."""


@pytest.fixture
def odd(shell):
    """A process, files, a lock and a socket with such names; its pid."""
    folder = os.fsencode(shell.folder)

    def child(ready):
        with open("/proc/self/comm", "wb") as name:
            name.write(ODD)
        with FileLock(folder + b"/l" + ODD), socket.socket(socket.AF_UNIX) as bound:
            bound.bind(folder + b"/s" + ODD)
            bound.listen()
            os.write(ready, b"!")
            signals.suspend(frozenset())

    ours, theirs = os.pipe()
    with fork(child, theirs) as process:
        os.close(theirs)
        assert os.read(ours, 1)
        os.close(ours)
        yield process.pid
        process.kill()
        process.wait(timeout=LIMIT_S)


def names(environment):
    return "ascii" if environment else "utf-8"


CALLS = ["ls", "ls --json", "map --format dot", "map --format json", "map --format svg", "why", "gc --dry-run",
         "watch --json --count 1", "who {lock}", "lock {lock}"]  # fmt: skip


@pytest.mark.parametrize("environment", [{}, ASCII], ids=names)
@pytest.mark.parametrize("words", CALLS)
def test_a_name_that_is_no_text_fails_nobody(shell, odd, words, environment):
    filled = [each.encode().replace(b"{lock}", b"l" + ODD) for each in words.split()]
    done = subprocess.run([*IPC, *filled], cwd=shell.folder, env=os.environ | environment, capture_output=True,
                          stdin=subprocess.DEVNULL, timeout=LIMIT_S)  # fmt: skip
    assert done.returncode == (1 if words == "lock {lock}" else 0), done.stderr
    assert b"codec" not in done.stderr and b"Traceback" not in done.stderr


def test_letters_go_out_as_they_are_where_the_locale_has_none(shell):
    name = "\u00e9"
    (shell.folder / "f").write_text("x")
    os.rename(shell.folder / "f", shell.folder / name)
    with FileLock(shell.folder / name):
        done = subprocess.run([*IPC, "ls", "lock"], cwd=shell.folder, env=os.environ | ASCII, capture_output=True,
                              timeout=LIMIT_S)  # fmt: skip
    assert f"/{name}\n".encode() in done.stdout and done.returncode == 0


def test_the_rooms_read_odd_names_too(odd, shell):
    path = os.fsencode(shell.folder) + b"/l" + ODD
    assert signals.state_of(odd).pending == frozenset()
    assert inspector.why(odd)
    with pytest.raises(TimeoutError, match=f"process {odd}"):
        FileLock(path, 0).acquire()


@pytest.mark.parametrize("redirect", ["2>file", "2>&-"])
def test_the_screen_is_drawn_on_stdout(shell, redirect):
    """Textual draws on stderr, where nobody looks then."""
    command = f"cd {shell.folder} && exec {' '.join(IPC)} watch {redirect}"
    with Terminal(["sh", "-c", command]) as terminal:
        terminal.shows("Objects")
        terminal.press("q")
        assert terminal.ended() == 0
