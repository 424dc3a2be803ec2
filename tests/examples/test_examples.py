"""Every program of the guide runs, alone or with its partner, and prints what it is there to show."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from unixipc import sysv
from unixipc.cli.demo import programs, summary

DEMO = (sys.executable, "-m", "unixipc.cli", "demo")
LIMIT_S = 30
PAIRED = {"speak", "tick", "echos", "echoc"}
POSIX = {"mq_sender", "mq_receiver", "mq_unlink"}  # see test_posix_queues
SYSTEM_V = {"kirk", "spock", "seminit", "semdemo", "semrm", "shmdemo"}  # what they leave is for each other
NEEDS_MORE = {"mmapdemo", "sigusr"}  # an offset, a signal: see test_mapping, test_signals


def demo(*words: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*DEMO, *words], capture_output=True, text=True, timeout=LIMIT_S, check=False, **options)


@pytest.fixture
def key_file(tmp_path: Path, own_ipc_namespace: None) -> str:
    """A file for Key.ftok."""
    (tmp_path / "key").touch()
    return str(tmp_path / "key")


def partner(*words: str) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    return subprocess.Popen([*DEMO, *words], stdin=pipe, stdout=pipe, stderr=pipe, text=True, bufsize=1)


class ending:
    """Kills the programs if the test fails before they have ended."""

    def __init__(self, *started: subprocess.Popen[str]) -> None:
        self.started = started

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_exception: object) -> None:
        for process in self.started:
            process.kill()
            process.communicate(timeout=LIMIT_S)


def test_the_programs_of_these_chapters_are_here():
    wanted = {"fork1", "zombies", "pipe1", "pipe2", "pipe3", "speak", "tick", "echos", "echoc", "spair"}
    wanted |= SYSTEM_V | {"shmaddr"}
    assert wanted <= programs().keys()


@pytest.mark.parametrize("words", [(), ("--list",)])
def test_list_has_a_line_for_each(words: tuple[str, ...]):
    lines = demo(*words).stdout.splitlines()[1:]
    assert [line.split()[1] for line in lines] == list(programs())
    assert all(len(line.split()) > 4 for line in lines)


@pytest.mark.parametrize("name", sorted(programs()))
def test_source_is_printed_whole_and_explains_itself(name: str):
    source = programs()[name]
    assert demo(name, "--source").stdout == source.read_text()
    assert summary(source).endswith(".") and "Usage: " in source.read_text()


def test_fork1():
    result = demo("fork1", "300")
    assert result.returncode == 0, result.stderr
    assert "Exited(code=44)" in result.stdout  # the low 8 bits of 300
    assert "child:" in result.stdout and "my basket is ['from the parent']" in result.stdout


def test_zombies():
    result = demo("zombies", "5")
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("its state is Z") == 5
    assert result.stdout.count("its state is gone") == 5


def test_pipe1():
    out = demo("pipe1").stdout
    assert "4 bytes are under way" in out and "read b'test'" in out and "read b''" in out


def test_pipe2():
    out = demo("pipe2").stdout
    assert "read b'one two three', then the end of the stream" in out and "Exited(code=0)" in out


def test_pipe3(tmp_path: Path):
    for name in "abc":
        (tmp_path / name).touch()
    result = demo("pipe3", str(tmp_path))
    assert result.returncode == 0 and "says 3\n" in result.stdout and result.stdout.count("Exited(code=0)") == 2


def test_pipe3_tells_of_the_first_program_s_failure(tmp_path: Path):
    result = demo("pipe3", str(tmp_path / "missing"))
    assert result.returncode == 1 and "wc ended: Exited(code=0)" in result.stdout


def test_spair():
    out = demo("spair", "hello").stdout
    assert "read b'HELLO'" in out and "the parent has closed its end" in out


@pytest.mark.parametrize("first", ["speak", "tick"])
def test_speak_and_tick(tmp_path: Path, first: str):
    path = str(tmp_path / "fifo")
    second = "tick" if first == "speak" else "speak"
    processes = {first: partner(first, path)}
    with ending(processes[first]):
        assert "waiting for a" in processes[first].stdout.readline()  # the FIFO is there now
        processes[second] = partner(second, path)
        with ending(processes[second]):
            long = "x" * 300  # exactly the size that the original's buffer could not end with a NUL
            out, err = processes["speak"].communicate(f"hello\n{long}\n\nlast without newline", timeout=LIMIT_S)
            heard, complaints = processes["tick"].communicate(timeout=LIMIT_S)
    assert (err, complaints) == ("", "")
    assert "sent 300 bytes" in out
    assert "tick: 5 bytes: 'hello'\n" in heard and f"tick: 300 bytes: '{long}'\n" in heard
    assert "tick: 0 bytes: ''\n" in heard and "'last without newline'" in heard
    assert heard.endswith("tick: the last writer has left\n")
    assert list(tmp_path.iterdir()) == []


def test_speak_notices_that_tick_is_gone(tmp_path: Path):
    path = str(tmp_path / "fifo")
    tick, speak = partner("tick", path), partner("speak", path)
    with ending(tick, speak):
        for _ in range(2):
            speak.stdout.readline()
        tick.kill()
        tick.wait(LIMIT_S)
        out, err = speak.communicate("anybody?\n", timeout=LIMIT_S)
    assert "the last reader has left" in out and err == "" and speak.returncode == 0
    assert list(tmp_path.iterdir()) == []


def test_echo(tmp_path: Path):
    path = str(tmp_path / "socket")
    server = partner("echos", path)
    with ending(server):
        assert "listening" in server.stdout.readline()
        client = demo("echoc", path, input=f"hello\n{'y' * 1000}\nlast")
        assert (client.returncode, client.stderr) == (0, "")
        assert client.stdout.splitlines()[1:] == ["echo> hello", f"echo> {'y' * 1000}", "echo> last"]
        vanish(path)
        assert demo("echoc", path, input="still there?\n").stdout.endswith("echo> still there?\n")
        server.send_signal(signal.SIGINT)
        out, err = server.communicate(timeout=LIMIT_S)
    assert out.count("has connected") == 3 and "it vanished" in out and out.endswith("echos: bye\n")
    assert (server.returncode, err) == (0, "")
    assert list(tmp_path.iterdir()) == []


def vanish(path: str) -> None:
    """A client that sends and is gone before the echo: the answer meets a closed socket."""
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
        client.sendall(b"z" * 100_000)


def test_echos_takes_over_a_stale_socket_and_leaves_a_live_one(tmp_path: Path):
    path = str(tmp_path / "socket")
    killed = partner("echos", path)
    with ending(killed):
        killed.stdout.readline()
    assert os.path.exists(path)  # nobody could clean up after a kill -9
    server = partner("echos", path)
    with ending(server):
        assert "listening" in server.stdout.readline()
        second = demo("echos", path)
        assert second.returncode == 1 and "Address already in use" in second.stderr
        assert demo("echoc", path, input="x\n").stdout.endswith("echo> x\n")


def test_echoc_without_a_server_says_what_to_do(tmp_path: Path):
    result = demo("echoc", str(tmp_path / "nobody"), input="")
    assert result.returncode == 1 and "ipc demo echos" in result.stderr and "Traceback" not in result.stderr


def test_echoc_notices_that_the_server_is_gone(tmp_path: Path):
    path = str(tmp_path / "socket")
    server = partner("echos", path)
    with ending(server):
        server.stdout.readline()
        client = partner("echoc", path)
        with ending(client):
            assert "connected" in client.stdout.readline()
            assert "has connected" in server.stdout.readline()
            server.kill()
            server.wait(LIMIT_S)
            _out, err = client.communicate("anybody?\n", timeout=LIMIT_S)
    assert (client.returncode, err) == (1, "echoc: the server has left\n")


@pytest.mark.parametrize("name", sorted(PAIRED - {"echoc"}))
def test_ctrl_c_ends_it_and_leaves_nothing(tmp_path: Path, name: str):
    process = partner(name, str(tmp_path / "name"))
    with ending(process):
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _out, err = process.communicate(timeout=LIMIT_S)
    assert (process.returncode, err) == (0, "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("first", ["kirk", "spock"])
def test_kirk_and_spock(key_file: str, first: str):
    second = "spock" if first == "kirk" else "kirk"
    processes = {first: partner(first, key_file)}
    with ending(processes[first]):
        assert "the queue is there" in processes[first].stdout.readline()
        processes[second] = partner(second, key_file)
        with ending(processes[second]):
            assert "the queue is there" in processes[second].stdout.readline()
            out, err = processes["kirk"].communicate("hello\n\na\0b\nlast without newline", timeout=LIMIT_S)
            heard, complaints = processes["spock"].communicate(timeout=LIMIT_S)
    assert (err, complaints) == ("", "")
    assert out.startswith("kirk: sent 5 bytes\nkirk: sent 0 bytes\nkirk: sent 3 bytes\nkirk: sent 20 bytes\n")
    assert heard.splitlines() == [
        "spock: 5 bytes: 'hello'",
        "spock: 0 bytes: ''",
        "spock: 3 bytes: 'a\\x00b'",
        "spock: 20 bytes: 'last without newline'",
        "spock: kirk has left, and the queue is gone",
    ]
    assert sysv.queues() == []


def test_what_kirk_said_waits_for_a_spock_that_comes_later(key_file: str):
    """The queue of the original is removed by its maker, with what was not read."""
    longest = sysv.limits().message_bytes
    said = demo("kirk", key_file, input=f"one\n{'x' * longest}\n{'y' * (longest + 1)}\n")
    assert f"not sent: {longest + 1} bytes; a message has at most {longest} " in said.stdout and said.returncode == 0
    assert said.stdout.endswith("2 lines wait in the queue for spock, who will remove it\n")
    assert "1 lines" not in demo("kirk", key_file, input="two\n").stdout  # a second kirk adds to it
    heard = demo("spock", key_file).stdout.splitlines()
    assert heard[1:3] == ["spock: 3 bytes: 'one'", f"spock: {longest} bytes: '{'x' * longest}'"]
    assert heard[3:] == ["spock: 3 bytes: 'two'", "spock: kirk has left, and the queue is gone"]


def test_a_full_queue_makes_kirk_wait_and_nothing_is_lost(key_file: str):
    # more than a queue holds, less than a pipe: spock's output is read last
    lines = [f"{number} {'z' * 1500}" for number in range(30)]
    kirk, spock = partner("kirk", key_file), partner("spock", key_file)
    with ending(kirk, spock):
        out, _ = kirk.communicate("\n".join(lines), timeout=LIMIT_S)
        heard, _ = spock.communicate(timeout=LIMIT_S)
    assert out.count("kirk: sent") == 30
    assert [line.split("'")[1] for line in heard.splitlines()[1:-1]] == lines


def test_spock_waits_for_the_next_kirk_if_one_is_killed(key_file: str):
    spock, killed = partner("spock", key_file), partner("kirk", key_file)
    with ending(spock, killed):
        killed.stdin.write("to be contin\n")
        killed.stdin.flush()
        assert "queue is there" in spock.stdout.readline() and "to be contin" in spock.stdout.readline()
        killed.kill()
        killed.wait(LIMIT_S)
        assert demo("kirk", key_file, input="ued\n").returncode == 0
        heard, err = spock.communicate(timeout=LIMIT_S)
    assert heard.splitlines() == ["spock: 3 bytes: 'ued'", "spock: kirk has left, and the queue is gone"] and err == ""


@pytest.mark.parametrize("name", ["kirk", "spock"])
def test_ctrl_c_takes_an_empty_queue_away_and_leaves_one_with_messages(key_file: str, name: str):
    other = partner("spock" if name == "kirk" else "kirk", key_file)
    one = partner(name, key_file)
    with ending(one, other):
        assert "queue is there" in one.stdout.readline() and "queue is there" in other.stdout.readline()
        one.send_signal(signal.SIGINT)
        out, err = one.communicate(timeout=LIMIT_S)
        assert (one.returncode, out, err) == (0, f"{name}: interrupted\n", "")
        assert sysv.queues() == []
        told, err = other.communicate("anybody?\n", timeout=LIMIT_S)
    assert "has left" in told and err == ""


def test_ctrl_c_does_not_destroy_what_was_not_read(key_file: str):
    kirk = partner("kirk", key_file)
    with ending(kirk):
        kirk.stdin.write("for later\n")
        kirk.stdin.flush()
        assert "queue is there" in kirk.stdout.readline() and "sent 9" in kirk.stdout.readline()
        kirk.send_signal(signal.SIGINT)
        out, err = kirk.communicate(timeout=LIMIT_S)
    assert "1 messages stay in the queue" in out and err == ""
    with sysv.MessageQueue.open(sysv.Key.ftok(key_file, "B")) as queue:
        assert queue.receive(timeout=LIMIT_S).body == b"for later"
        queue.remove()


def test_seminit_semdemo_and_semrm(key_file: str):
    made = demo("seminit", key_file, "8")
    assert (made.returncode, made.stderr) == (0, "")
    assert made.stdout.count("I have the lock, its value is 0 now") == 8 and "its value is 1" in made.stdout
    first, second = partner("semdemo", key_file), partner("semdemo", key_file)
    with ending(first, second):
        press_return(first, "to lock", "locked")
        press_return(second, "to lock", f"process {first.pid} has it. Waiting ...")
        press_return(first, "to unlock", "unlocked")
        assert second.stdout.readline() == "semdemo: locked\n"
        press_return(second, "to unlock", "unlocked")
        for each in (first, second):
            out, err = each.communicate("", timeout=LIMIT_S)
            assert (each.returncode, err) == (0, "") and "the lock stays" in out
    assert demo("semrm", key_file).stdout == "semrm: 0 processes wait for it\nsemrm: it is gone\n"
    again = demo("semrm", key_file)
    assert again.returncode == 1 and again.stderr.startswith("semrm: there is no such lock")


def press_return(process: subprocess.Popen[str], asked: str, answer: str) -> None:
    assert process.stdout.readline() == f"semdemo: press return {asked}\n"
    process.stdin.write("\n")
    process.stdin.flush()
    assert process.stdout.readline() == f"semdemo: {answer}\n"


def test_a_killed_semdemo_gives_the_lock_back(key_file: str):
    killed, other = partner("semdemo", key_file), partner("semdemo", key_file)
    with ending(killed, other):
        press_return(killed, "to lock", "locked")
        press_return(other, "to lock", f"process {killed.pid} has it. Waiting ...")
        killed.kill()
        assert other.stdout.readline() == "semdemo: locked\n"
        out, err = other.communicate("", timeout=LIMIT_S)  # the end of the input unlocks too
        assert "semdemo: unlocked\n" in out and err == ""
    assert demo("semrm", key_file).returncode == 0


def test_semrm_wakes_who_waits(key_file: str):
    holder, waiter = partner("semdemo", key_file), partner("semdemo", key_file)
    with ending(holder, waiter):
        press_return(holder, "to lock", "locked")
        press_return(waiter, "to lock", f"process {holder.pid} has it. Waiting ...")
        with sysv.Semaphore.open(sysv.Key.ftok(key_file, "J")) as lock:
            deadline = time.monotonic() + LIMIT_S
            while not lock.waiters:
                assert time.monotonic() < deadline
                os.sched_yield()
        assert demo("semrm", key_file).stdout.startswith("semrm: 1 processes wait for it\n")
        for each in (waiter, holder):
            _out, err = each.communicate("\n", timeout=LIMIT_S)
            assert (each.returncode, err) == (1, "semdemo: somebody has removed the lock\n")


@pytest.mark.parametrize("held", [False, True])
def test_ctrl_c_in_semdemo_gives_the_lock_back(key_file: str, held: bool):
    process = partner("semdemo", key_file)
    with ending(process):
        if held:
            press_return(process, "to lock", "locked")
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=LIMIT_S)
    assert (process.returncode, err) == (0, "") and "interrupted" in out
    with sysv.Semaphore.open(sysv.Key.ftok(key_file, "J")) as lock:
        assert lock.value == 1
        lock.remove()


def test_shmdemo(key_file: str):
    nothing = demo("shmdemo", "--key", key_file)
    assert (nothing.returncode, nothing.stderr) == (1, "shmdemo: there is no segment: write something first\n")
    for text in ("a longer text, to begin with", "hello", "", "é"):
        assert demo("shmdemo", "--key", key_file, text).returncode == 0
        length = len(text.encode())
        assert demo("shmdemo", "--key", key_file).stdout == f"shmdemo: {length} bytes: {text!r}\n"
    removed = demo("shmdemo", "--key", key_file, "--remove")
    assert removed.stdout == "shmdemo: removed; 0 attachments keep the memory until they end\n"
    assert demo("shmdemo", "--key", key_file, "--remove").returncode == 1


def test_shmdemo_refuses_what_does_not_fit_and_cuts_nothing(key_file: str):
    demo("shmdemo", "--key", key_file, "as it was")
    with sysv.SharedMemory.open(sysv.Key.ftok(key_file, "R")) as memory, memory.guarded("seqlock") as guarded:
        room = guarded.size_bytes - 8
        refused = demo("shmdemo", "--key", key_file, "x" * (room + 1))
        assert refused.returncode == 1 and "nothing was written" in refused.stderr
        assert demo("shmdemo", "--key", key_file).stdout == "shmdemo: 9 bytes: 'as it was'\n"
        assert demo("shmdemo", "--key", key_file, "x" * room).returncode == 0
        assert demo("shmdemo", "--key", key_file).stdout == f"shmdemo: {room} bytes: '{'x' * room}'\n"
        guarded.write((room + 1).to_bytes(8, "little"))  # a stranger's lie
        lied_to = demo("shmdemo", "--key", key_file)
        assert lied_to.returncode == 1 and f"at most {room}" in lied_to.stderr and "Traceback" not in lied_to.stderr
        memory.remove()


def test_shmaddr():
    result = demo("shmaddr")
    assert (result.returncode, result.stderr) == (0, "")
    parent, child, again, wrote, at_start, by_id, after_exec, *conclusion = [
        line.partition(":")[2].split(maxsplit=1) for line in result.stdout.splitlines()
    ]
    assert child == [parent[0], "the same"]
    assert again[0] != parent[0] and again[1] == "another one"
    assert wrote == ["42"] and at_start == after_exec == ["not", "attached at all"]
    assert by_id[1] == f"{'the same' if by_id[0] == parent[0] else 'another one'}, and reads 42"
    assert len(conclusion) == 2 and "never pointers" in result.stdout


@pytest.mark.parametrize("name", sorted(programs().keys() - PAIRED - SYSTEM_V - POSIX - NEEDS_MORE))
def test_every_program_runs_by_itself_too(name: str):
    result = subprocess.run(
        [sys.executable, str(programs()[name])], capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert (result.returncode, result.stderr) == (0, "")
