"""The fates of what has a name in the file system: remove, close, fork and kill -9 of Fifo, Listener, Datagrams."""

import os
import signal

import pytest

from unixipc import Exited, Fifo, Killed, ObjectRemoved, fork, pipe, sockets

WAIT = 20
MAKERS = {"Fifo": Fifo.create, "Listener": sockets.listen, "Datagrams": sockets.bind}


@pytest.fixture(params=MAKERS)
def make(request):
    return MAKERS[request.param]


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "name")


def hold_until_killed(make, path):
    """Make it in another process and kill that process."""
    ready, tell = pipe()

    def hold():
        with make(path):
            tell.write_all(b"!")
            signal.pause()

    with ready, tell, fork(hold) as child:
        ready.read_exactly(1, timeout=WAIT)
        child.kill()
        assert child.wait(timeout=WAIT) == Killed(signal.SIGKILL)


def test_close_leaves_the_name_and_remove_takes_it(make, path):
    with make(path) as it:
        pass
    assert os.path.exists(path)
    os.unlink(path)
    with make(path) as it:
        it.remove()
        assert not os.path.exists(path)
        with pytest.raises(FileNotFoundError) as gone:
            it.remove()
        assert gone.value.filename == path


def test_remove_never_takes_a_name_that_is_anothers_by_now(make, path):
    with make(path) as it:
        os.rename(path, path + ".kept")  # so that its inode number is not given to the next
        with open(path, "w"):
            pass
        with pytest.raises(ObjectRemoved) as removed:
            it.remove()
        assert removed.value.filename == path
        assert os.path.getsize(path) == 0


def test_a_fork_may_remove_what_its_parent_made(make, path):
    with make(path) as it:
        with fork(it.remove) as child:
            assert child.wait(timeout=WAIT) == Exited(0)
        assert not os.path.exists(path)


def test_kill_9_leaves_the_name_and_the_next_process_takes_it_up(make, path):
    hold_until_killed(make, path)
    assert os.path.exists(path)
    again = Fifo.ensure if make is MAKERS["Fifo"] else make
    with again(path) as heir:
        heir.remove()
    assert not os.path.exists(path)


@pytest.mark.parametrize("make_temporary", [sockets.listen, sockets.bind])
def test_a_temporary_socket_goes_with_close_but_not_with_a_forks_close(make_temporary, path):
    with make_temporary(path, temporary=True) as it:
        with fork(it.close) as child:
            assert child.wait(timeout=WAIT) == Exited(0)
        assert os.path.exists(path)
    assert not os.path.exists(path)


def test_kill_9_of_a_fifos_only_reader_is_peer_gone_for_its_writer(path):
    fifo = Fifo.create(path)

    def read_and_hang():
        with fifo.reader(timeout=WAIT) as reader:
            reader.read_exactly(1, timeout=WAIT)
            signal.pause()

    with fork(read_and_hang) as child, fifo.writer(timeout=WAIT) as writer:
        writer.write_all(b"x", timeout=WAIT)
        child.kill()
        child.wait(timeout=WAIT)
        with pytest.raises(ConnectionError):
            writer.write(b"y", timeout=WAIT)
    assert os.path.exists(path)


def test_kill_9_of_a_server_with_clients_in_its_backlog_ends_their_connections(path):
    ready, tell = pipe()

    def serve():
        with sockets.listen(path):
            tell.write_all(b"!")
            signal.pause()

    with ready, tell, fork(serve) as child:
        ready.read_exactly(1, timeout=WAIT)
        with sockets.connect(path, timeout=WAIT) as client:
            child.kill()
            child.wait(timeout=WAIT)
            with pytest.raises(ConnectionError):
                while client.read(1, timeout=WAIT) != b"":
                    pass
                client.write(b"x", timeout=WAIT)
