"""`ipc sem` and `ipc shm`: values, holds that end with their command, bytes and their dump."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess

import pytest

from unixipc import posix, sysv

LIMIT_S = 60
pytestmark = pytest.mark.usefixtures("own_ipc_namespace")


@pytest.fixture(params=["sysv", "posix"])
def one(request, name):
    """(URL, semaphore) with value 1."""
    if request.param == "posix":
        with posix.Semaphore.create(f"/{name}", 1) as semaphore:
            yield f"posix:/{name}", semaphore
            semaphore.remove()
    else:
        with sysv.Semaphore.temporary(1) as semaphore:
            yield f"sysv:id={semaphore.id}", semaphore


def test_acquire_release_value(shell, one):
    url, semaphore = one
    assert shell.ipc("sem", url, "value").stdout == "1\n"
    assert shell.ipc("sem", url, "acquire").returncode == 0 and semaphore.value == 0
    refused = shell.ipc("sem", url, "acquire", "--nonblock")
    assert (refused.returncode, refused.stderr) == (1, f"ipc sem: {url}: not possible now\n")
    late = shell.ipc("sem", url, "acquire", "-w", "0.05")
    assert late.returncode == 124 and "timed out" in late.stderr
    assert shell.ipc("sem", url, "release").returncode == 0 and semaphore.value == 1


def test_a_command_runs_while_it_is_held_and_its_status_is_ours(shell, one):
    url, semaphore = one
    done = shell.run(f"ipc sem {url} hold -- sh -c 'ipc sem {url} value; exit 7'; echo $?")
    assert (done.stdout, semaphore.value) == ("0\n7\n", 1)
    assert shell.ipc("sem", url, "hold", "--", "no-such-program").returncode == 127
    assert shell.ipc("sem", url, "hold", "--", "sh", "-c", "kill -9 $$").returncode == 128 + signal.SIGKILL
    assert semaphore.value == 1


def test_a_killed_holder_of_a_system_v_semaphore_gives_it_back_and_its_command_ends(shell):
    with sysv.Semaphore.temporary(1) as semaphore:
        with shell.started(
            "sem", f"sysv:id={semaphore.id}", "hold", "--", "sh", "-c", "echo in; exec sleep 100"
        ) as ipc:
            assert ipc.stdout.readline() == b"in\n" and semaphore.value == 0
            ipc.kill()
            semaphore.acquire(timeout=LIMIT_S)
            assert ipc.stdout.read() == b"", "the command has ended: nobody has its output any more"


def test_sets_have_an_index_a_number_and_a_zero_to_wait_for(shell):
    with sysv.SemaphoreSet.temporary([1, 0, 5]) as found:
        url = f"sysv:id={found.id}"
        rows = json.loads(shell.ipc("sem", "--json", url).stdout)
        assert [row["value"] for row in rows] == [1, 0, 5]
        assert shell.ipc("sem", url).stdout.split("\n")[0].split() == [
            "index", "value", "waiters", "zero", "waiters", "last", "pid",
        ]  # fmt: skip
        assert shell.ipc("sem", url, "acquire", "-i", "2", "-n", "3").returncode == 0
        assert shell.ipc("sem", url, "value", "-i", "1", "0x10").returncode == 0
        assert found.values == (1, 16, 2)
        assert shell.ipc("sem", url, "zero", "--nonblock").returncode == 1
        assert shell.ipc("sem", url, "value", "0").returncode == 0
        assert shell.ipc("sem", url, "zero").returncode == 0
        wrong = shell.ipc("sem", url, "value", "-i", "3")
        assert wrong.returncode == 1 and "has 3 semaphores" in wrong.stderr


def test_a_waiting_acquire_ends_with_ctrl_c(shell, until):
    with sysv.Semaphore.temporary(0) as semaphore:
        with shell.started("sem", f"sysv:id={semaphore.id}", "acquire") as ipc:
            until(lambda: semaphore.waiters == 1)
            ipc.send_signal(signal.SIGINT)
            assert (ipc.wait(LIMIT_S), ipc.stderr.read()) == (130, b"")


@pytest.mark.parametrize(
    "words",
    [("posix:/x", "zero"), ("posix:/x", "acquire", "-n", "2"), ("posix:/x", "value", "3"), ("fifo:x",),
     ("posix:/x", "hold"), ("posix:/x", "acquire", "more"), ("posix:/x", "fly"), ("sysv:1", "acquire", "-w", "-1")],
)  # fmt: skip
def test_what_is_not_understood_is_status_2(shell, words):
    with posix.Semaphore.ensure("/x", 1) as semaphore:
        done = shell.ipc("sem", *words)
        semaphore.remove()
    assert done.returncode == 2 and done.stderr.startswith("Usage: ipc sem")


# ------------------------------------------------------------------------------------------------------------- shm


@pytest.fixture(params=["sysv", "posix"])
def memory(request, name):
    """(URL, size) of 100 bytes."""
    if request.param == "posix":
        with posix.SharedMemory.create(f"/{name}", 100) as made:
            yield f"posix:/{name}"
            made.remove()
    else:
        with sysv.SharedMemory.create(sysv.Key.random(), 100) as made:
            yield f"sysv:0x{int(made.key):x}"
            made.remove()


def test_bytes_are_written_read_and_dumped(shell, memory):
    assert shell.ipc("shm", memory, "write", "-o", "0x10", input=b"hello\xff\n", text=False).returncode == 0
    assert shell.ipc("shm", memory, "read", "-o", "16", "-l", "7", text=False).stdout == b"hello\xff\n"
    whole = shell.ipc("shm", memory, "read", text=False).stdout
    assert whole == bytes(16) + b"hello\xff\n" + bytes(77)
    dump = shell.ipc("shm", memory, "dump").stdout
    assert dump.splitlines()[1] == "00000010  68 65 6c 6c 6f ff 0a 00  00 00 00 00 00 00 00 00  |hello...........|"
    if shutil.which("hexdump"):
        expected = subprocess.run(["hexdump", "-C"], input=whole, capture_output=True, check=True).stdout.decode()
        assert dump == expected
    assert shell.ipc("shm", memory, "dump", "-o", "16", "-l", "1").stdout.splitlines()[-1] == "00000011"


def test_what_does_not_fit_is_not_begun(shell, memory):
    done = shell.ipc("shm", memory, "write", "-o", "99", input="ab")
    assert done.returncode == 1 and "nothing was written" in done.stderr
    for words in (("read", "-o", "101"), ("read", "-o", "50", "-l", "51"), ("dump", "-l", "1K")):
        done = shell.ipc("shm", memory, *words)
        assert (done.returncode, done.stdout) == (1, "") and "it has 100 bytes" in done.stderr
    assert shell.ipc("shm", memory, "read", text=False).stdout == bytes(100)


def test_without_an_action_it_tells_the_size(shell, memory):
    assert json.loads(shell.ipc("shm", "--json", memory).stdout)["size_bytes"] == 100
    assert "size bytes            100\n" in shell.ipc("shm", memory).stdout


def test_large_memory_through_a_pipe_that_closes(shell, name):
    with posix.SharedMemory.create(f"/{name}", 8 << 20) as made:
        noise = os.urandom(8 << 20)
        assert shell.ipc("shm", f"posix:/{name}", "write", input=noise, text=False).returncode == 0
        assert shell.ipc("shm", f"posix:/{name}", "read", text=False).stdout == noise
        done = shell.run(f"(ipc shm posix:/{name} dump; echo $? >&2) | head -1 | cut -c1-8")
        assert (done.stdout, done.stderr) == ("00000000\n", "141\n")
        made.remove()
