"""`ipc ask`: a question to a socket, and the answer."""

from __future__ import annotations

import socket
import threading
import uuid

import pytest

LIMIT_S = 60


@pytest.fixture
def server(shell):
    """Starts a thread that serves one client: `serve(kind, answer)` gives the URL."""
    threads, listeners = [], []

    def serve(kind, answer, name=None):
        listener = socket.socket(socket.AF_UNIX, kind)
        listener.settimeout(LIMIT_S)
        listener.bind("\0" + name if name else str(shell.folder / "s"))
        listeners.append(listener)
        if kind != socket.SOCK_DGRAM:
            listener.listen()
        threads.append(threading.Thread(target=answer, args=(listener,)))
        threads[-1].start()
        return f"unix:@{name}" if name else f"unix:{shell.folder}/s"

    yield serve
    for each in threads:
        each.join(LIMIT_S)
    for each in listeners:
        each.close()


def accepted(serve):
    def run(listener):
        client, _ = listener.accept()
        with client:
            client.settimeout(LIMIT_S)
            serve(client)

    return run


@accepted
def to_the_end(client):
    """It answers once the whole question is there."""
    question = b"".join(iter(lambda: client.recv(100), b""))
    client.sendall(b"answer to " + question)


@accepted
def at_once(client):
    """A server that goes on listening: the end does not come until the client leaves."""
    client.sendall(b"answer to " + client.recv(100) + b"and more\nand more\n")
    client.recv(100)


@accepted
def packets(client):
    while question := client.recv(100):
        client.send(b"answer to " + question)


@accepted
def silent(client):
    client.recv(100)


def datagrams(bound):
    for _ in range(2):
        question, sender = bound.recvfrom(100)
        bound.sendto(b"answer to " + question, sender)


@pytest.mark.parametrize("how", ["words", "input"])
@pytest.mark.parametrize("name", [None, "ask"])
def test_a_stream(shell, server, how, name):
    url = server(socket.SOCK_STREAM, to_the_end, name and f"{name}-{uuid.uuid4().hex[:8]}")
    done = shell.ipc("ask", url, "a", "b") if how == "words" else shell.ipc("ask", url, input="a b\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, "answer to a b\n", "")


def test_as_many_lines_as_are_wanted(shell, server):
    done = shell.ipc("ask", "--keep-open", "--lines", "2", server(socket.SOCK_STREAM, at_once), "x")
    assert (done.returncode, done.stdout) == (0, "answer to x\nand more\n")


def test_packets(shell, server):
    url = server(socket.SOCK_SEQPACKET, packets)
    done = shell.ipc("ask", f"{url}?kind=seqpacket", input="a\nb\n")
    assert (done.returncode, done.stdout) == (0, "answer to a\nanswer to b\n")


def test_datagrams(shell, server):
    url = server(socket.SOCK_DGRAM, datagrams)
    done = shell.ipc("ask", f"{url}?kind=dgram", input="a\nb\n")
    assert (done.returncode, done.stdout) == (0, "answer to a\nanswer to b\n")


def test_no_answer_is_an_error(shell, server):
    done = shell.ipc("ask", server(socket.SOCK_STREAM, silent), "x")
    assert done.returncode == 1 and "without an answer" in done.stderr


def test_an_answer_that_takes_too_long(shell, server):
    slow = accepted(lambda client: (client.recv(100), client.recv(100)))
    done = shell.ipc("ask", "-k", "-w", "0.1", server(socket.SOCK_STREAM, slow), "x")
    assert done.returncode == 124


def test_nobody_there(shell):
    done = shell.ipc("ask", f"unix:{shell.folder}/none", "x")
    assert done.returncode == 1 and "is the server running?" in done.stderr
    assert shell.ipc("ask", "fifo:x", "x").returncode == 2


def test_completion_knows_the_sockets(shell, server):
    url = server(socket.SOCK_STREAM, to_the_end)
    script = f'COMP_WORDS="ipc ask unix:{shell.folder}/" COMP_CWORD=2 _IPC_COMPLETE=bash_complete ipc'
    assert f"{shell.folder}/s" in shell.run(script).stdout
    assert shell.ipc("ask", url, "x").returncode == 0
