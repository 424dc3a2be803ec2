"""A C program at the other end of a Unix socket: U01 U02 U10, descriptors both ways (U11), credentials (U12 U13)."""

import os

import pytest

from unixipc import Exited, PipeReader, pipe, sockets, spawn

WAIT = 20


@pytest.fixture(params=["path", "abstract"])
def address(request, tmp_path):
    return str(tmp_path / "s") if request.param == "path" else f"@unixipc-stranger-{os.getpid()}"


def talk(connection, child, *, we_speak_first):
    """Exchange messages with descriptors, the mirror of what socket_peer.c does."""
    reader, writer = pipe()
    with reader, writer:

        def speak():
            connection.send(b"hello from Python", descriptors=[writer], timeout=WAIT)
            writer.close()

        if we_speak_first:
            speak()
        with connection.receive(1000, max_descriptors=2, timeout=WAIT) as got:
            assert (got.data, len(got.descriptors), got.truncated, got.eof) == (b"hello from C", 1, False, False)
            with PipeReader(got.descriptors[0].detach()) as theirs:
                assert theirs.read(100, timeout=WAIT) == b"in the pipe"
                assert theirs.read(100, timeout=WAIT) == b""
            if connection.pass_credentials:
                assert got.credentials == (child.pid, os.getuid(), os.getgid())
        with connection.peer as peer:
            assert (peer.pid, peer.uid) == (child.pid, os.getuid())
        if not we_speak_first:
            speak()
        assert reader.read_exactly(12, timeout=WAIT) == b"written by C"
        end = connection.receive(1, timeout=WAIT)
        assert (end.data, end.eof) == (b"", True)


def told(output):
    """What the C program printed about us."""
    text = b""
    while part := output.read(1000, timeout=WAIT):
        text += part
    return text.decode().splitlines()


WHAT_C_SAW = [f"{os.getpid()} {os.getuid()} {os.getgid()}", str(os.getpid()), "hello from Python", "1"]


@pytest.mark.parametrize("kind", ["stream", "seqpacket"])
def test_U01_U11_U13_a_client_in_c_talks_to_our_listener(stranger, address, kind):
    output, out = pipe()
    with output, sockets.listen(address, kind=kind, temporary=True) as listener:
        with spawn([stranger("socket_peer"), "client", kind, address], stdout=out) as child:
            out.close()
            with listener.accept(timeout=WAIT) as connection:
                connection.pass_credentials = True
                talk(connection, child, we_speak_first=False)
            assert told(output) == WHAT_C_SAW
            assert child.wait(timeout=WAIT) == Exited(0)


@pytest.mark.parametrize("kind", ["stream", "seqpacket"])
def test_U02_U11_U13_we_talk_to_a_server_in_c(stranger, address, kind):
    output, out = pipe()
    with output, spawn([stranger("socket_peer"), "server", kind, address], stdout=out) as child:
        out.close()
        assert output.read_exactly(6, timeout=WAIT) == b"ready\n"
        with sockets.connect(address, kind=kind, timeout=WAIT) as connection:
            connection.pass_credentials = True
            talk(connection, child, we_speak_first=True)
        assert told(output) == WHAT_C_SAW
        assert child.wait(timeout=WAIT) == Exited(0)


def test_U04_the_file_a_c_server_left_is_taken_over(stranger, tmp_path):
    path = str(tmp_path / "s")
    output, out = pipe()
    with output, spawn([stranger("socket_peer"), "server", "stream", path], stdout=out) as child:
        out.close()
        output.read_exactly(6, timeout=WAIT)
        with pytest.raises(OSError, match="Address already in use"):
            sockets.listen(path)
        child.kill()
        child.wait(timeout=WAIT)
    with sockets.listen(path, temporary=True), sockets.connect(path, timeout=WAIT):
        pass
