"""A service that is started by a manager: the sockets that it is handed, and what it tells. -- sd_listen_fds(3)"""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
import uuid

import anyio
import pytest

from unixipc import aio, sockets

WAIT = 30
SERVICE = """
import os, sys
from unixipc import sockets, spawn
found = sockets.inherited()
print([(name, type(each).__name__, each.fileno()) for name, each in found], flush=True)
print([os.get_inheritable(each.fileno()) for _, each in found], sockets.inherited(), flush=True)
print([each for each in os.environ if each.startswith("LISTEN_")], flush=True)
for name, each in found:
    if name == "web":
        with each.accept(timeout=30) as connection:
            connection.write_all(b"from the service: " + connection.read(100, timeout=30))
"""


def started(program, files, environment):
    """As a manager does it: the descriptors from 3 on, and the pid is the program's own."""
    wanted = " ".join(f"{3 + i}<&{file.fileno()}" for i, file in enumerate(files))
    script = f'LISTEN_PID=${{LISTEN_PID:-$$}} exec "$0" -c "$1" {wanted}'
    return subprocess.Popen(
        ["bash", "-c", script, sys.executable, program], env=os.environ | environment, text=True,
        stdout=subprocess.PIPE, pass_fds=[each.fileno() for each in files],
    )  # fmt: skip


@pytest.fixture
def handed(tmp_path):
    """A listener, a bound datagram socket, a connection, a TCP listener."""
    with (
        socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams,
        socket.socket() as foreign,
    ):  # fmt: skip
        listener.bind(str(tmp_path / "web"))
        listener.listen()
        datagrams.bind(str(tmp_path / "log"))
        foreign.bind(("127.0.0.1", 0))
        foreign.listen()
        one, other = socket.socketpair()
        with one, other:
            yield [listener, datagrams, one, foreign]


def test_sockets_that_a_manager_opened(handed, tmp_path):
    environment = {"LISTEN_FDS": "4", "LISTEN_FDNAMES": "web:log:peer"}
    with started(SERVICE, handed, environment) as service:
        kinds = ["('web', 'Listener', 3)", "('log', 'Datagrams', 4)", "('peer', 'Connection', 5)",
                 "('unknown', 'Descriptor', 6)"]  # fmt: skip
        assert service.stdout.readline() == f"[{', '.join(kinds)}]\n"
        assert service.stdout.readline() == "[False, False, False, False] []\n"
        assert service.stdout.readline() == "[]\n"
        with sockets.connect(str(tmp_path / "web"), timeout=WAIT) as client:
            client.write_all(b"hello")
            assert client.read(100, timeout=WAIT) == b"from the service: hello"
        assert service.wait(WAIT) == 0


@pytest.mark.parametrize("environment", [{}, {"LISTEN_FDS": "1", "LISTEN_PID": "1"}, {"LISTEN_FDS": "0"}])
def test_nothing_for_us_is_an_empty_list(handed, environment):
    with started("from unixipc import sockets; print(sockets.inherited())", handed[:1], environment) as service:
        assert service.stdout.read() == "[]\n"


@pytest.mark.parametrize("count", ["x", "-1", "2"])
def test_what_is_not_there_is_told(handed, count):
    program = "from unixipc import sockets\ntry: sockets.inherited()\nexcept OSError as error: print(error.errno)"
    with started(program, handed[:1], {"LISTEN_FDS": count}) as service:
        assert int(service.stdout.read()) == (errno.EBADF if count == "2" else errno.EINVAL)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_awaitable_ones(monkeypatch, tmp_path, backend):
    """In a process of its own, where 3 is free."""
    program = f"""
import anyio
from unixipc import aio
async def main():
    ((name, listener),) = aio.sockets.inherited()
    async with await listener.accept(timeout=30) as connection:
        await connection.write_all(name.encode())
anyio.run(main, backend={backend!r})
"""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "web"))
        listener.listen()
        with started(program, [listener], {"LISTEN_FDS": "1"}) as service:
            with sockets.connect(str(tmp_path / "web"), timeout=WAIT) as client:
                assert client.read(100, timeout=WAIT) == b"unknown"
            assert service.wait(WAIT) == 0


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path, monkeypatch):
    """The socket that a manager reads, and its name."""
    name = str(tmp_path / "notify") if request.param == "path" else f"@notify-{uuid.uuid4().hex[:8]}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
        bound.bind("\0" + name[1:] if name[0] == "@" else name)
        bound.settimeout(WAIT)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        yield bound


def test_the_manager_is_told(manager):
    manager.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    assert sockets.notify("READY=1\nSTATUS=caf\u00e9") is True
    data, ancillary, _flags, _address = manager.recvmsg(1000, 1000)
    assert data == "READY=1\nSTATUS=caf\u00e9".encode()
    ((_level, _kind, credentials),) = ancillary
    assert int.from_bytes(credentials[:4], sys.byteorder) == os.getpid()


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_task_tells_it(manager, backend):
    async def main():
        assert await aio.sockets.notify("READY=1") is True

    anyio.run(main, backend=backend)
    assert manager.recv(100) == b"READY=1"


def test_a_manager_that_is_slow_is_waited_for_as_long_as_is_said(manager):
    with pytest.raises(TimeoutError):
        for _ in range(10_000):
            sockets.notify("STATUS=" + "x" * 1000, timeout=0.05)
    assert manager.recv(2000).startswith(b"STATUS=")


def test_without_a_manager_nothing_is_told(monkeypatch, tmp_path):
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert sockets.notify("READY=1") is False
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    with pytest.raises(FileNotFoundError):
        sockets.notify("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", "vsock:2:1234")
    with pytest.raises(OSError) as caught:
        sockets.notify("READY=1")
    assert caught.value.errno == errno.EAFNOSUPPORT
