"""Every program of the guide runs, alone or with its partner, and prints what it is there to show."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from unixipc.cli.demo import programs, summary

DEMO = (sys.executable, "-m", "unixipc.cli", "demo")
LIMIT_S = 30
PAIRED = {"speak", "tick", "echos", "echoc"}


def demo(*words: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*DEMO, *words], capture_output=True, text=True, timeout=LIMIT_S, check=False, **options)


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


@pytest.mark.parametrize("name", sorted(programs().keys() - PAIRED))
def test_every_program_runs_by_itself_too(name: str):
    result = subprocess.run(
        [sys.executable, str(programs()[name])], capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert (result.returncode, result.stderr) == (0, "")
