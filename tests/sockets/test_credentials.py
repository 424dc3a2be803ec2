"""Who is there: U12 (with a message), U13 (of a connection), U14 (as a pidfd), U19 (groups, label)."""

import os
import shutil
import signal
import tempfile

import pytest

from unixipc import Exited, Killed, Process, features, fork, sockets
from unixipc.sockets import Credentials

WAIT = 20
NOBODY = 65534
ME = (os.getpid(), os.getuid(), os.getgid())
as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")


@pytest.fixture
def pair():
    a, b = sockets.pair()
    with a, b:
        yield a, b


@pytest.fixture
def public_folder():
    """A folder that another user can reach: pytest's own are private."""
    folder = tempfile.mkdtemp(prefix="unixipc-test-")
    os.chmod(folder, 0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize("kind", ["stream", "seqpacket", "dgram"])
def test_U12_every_message_brings_its_senders_credentials(kind):
    a, b = sockets.pair(kind=kind)
    with a, b:
        assert b.pass_credentials is (kind == "seqpacket")
        b.pass_credentials = True
        a.send(b"mine", timeout=WAIT)
        got = b.receive(10, timeout=WAIT)
        assert got.credentials == ME
        assert isinstance(got.credentials, Credentials)
        assert (got.credentials.pid, got.credentials.uid, got.credentials.gid) == ME


def test_U12_they_are_the_senders_not_the_sockets(pair):
    """A forked child sends through the same socket: its own pid comes."""
    a, b = pair
    b.pass_credentials = True
    with fork(a.send, b"from the child") as child:
        assert b.receive(20, timeout=WAIT).credentials.pid == child.pid
        child.wait(timeout=WAIT)


def test_U12_without_asking_there_are_none(pair):
    a, b = pair
    a.send(b"x", timeout=WAIT)
    assert b.receive(1, timeout=WAIT).credentials is None


@as_root
def test_U12_somebody_elses_may_not_be_sent_by_an_ordinary_user(pair):
    a, b = pair
    b.pass_credentials = True

    def spoof():
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        try:
            a.send(b"lie", credentials=(os.getpid(), 0, 0), timeout=WAIT)
        except PermissionError as refused:
            a.send(b"truth", credentials=(os.getpid(), NOBODY, NOBODY), timeout=WAIT)
            return 7 if "not its own" in refused.__notes__[0] and refused.filename == "socket pair" else 1
        return 2

    with fork(spoof) as child:
        assert child.wait(timeout=WAIT) == Exited(7)
        got = b.receive(10, timeout=WAIT)
        assert (got.data, got.credentials) == (b"truth", (child.pid, NOBODY, NOBODY))


@as_root
def test_U12_root_may_speak_for_another(pair):
    a, b = pair
    b.pass_credentials = True
    a.send(b"x", credentials=(os.getpid(), 1234, 5678), timeout=WAIT)
    assert b.receive(1, timeout=WAIT).credentials == (os.getpid(), 1234, 5678)


def test_U12_descriptors_and_credentials_go_together(pair):
    a, b = pair
    b.pass_credentials = True
    a.send(b"x", descriptors=[0] * 253, credentials=ME, timeout=WAIT)
    with b.receive(1, max_descriptors=253, timeout=WAIT) as got:
        assert (len(got.descriptors), got.credentials, got.truncated) == (253, ME, False)


def test_U13_a_server_knows_who_connected(tmp_path):
    def visit(address):
        with sockets.connect(address, timeout=WAIT) as connection:
            assert connection.peer.pid == os.getppid()
            connection.read(1, timeout=WAIT)

    with sockets.listen(tmp_path / "s", temporary=True) as listener, fork(visit, listener.address) as child:
        with listener.accept(timeout=WAIT) as connection, connection.peer as peer:
            assert (peer.pid, peer.uid, peer.gid) == (child.pid, os.getuid(), os.getgid())
        child.wait(timeout=WAIT)


def test_U13_a_pairs_peer_is_who_made_it_even_after_a_fork(pair):
    """SO_PEERCRED is as of socketpair(2), whoever holds the other end now."""
    a, b = pair

    def look():
        with b.peer as peer:
            return 7 if peer.pid == os.getppid() else 1

    with fork(look) as child, a.peer as peer:
        assert (peer.pid, peer.uid, peer.gid) == ME
        assert child.wait(timeout=WAIT) == Exited(7)


@as_root
def test_U13_U19_another_user_is_seen_with_its_groups(public_folder):
    def visit(address):
        os.setgroups([101, 202])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        with sockets.connect(address, timeout=WAIT) as connection:
            connection.read(1, timeout=WAIT)

    with sockets.listen(f"{public_folder}/s", mode=0o666, temporary=True) as listener:
        with fork(visit, listener.address) as child:
            with listener.accept(timeout=WAIT) as connection, connection.peer as peer:
                assert (peer.uid, peer.gid) == (NOBODY, NOBODY)
                assert set(peer.groups) == {101, 202}
            assert child.wait(timeout=WAIT) == Exited(0)


def test_U19_the_security_label_is_text_or_missing(pair):
    with pair[0].peer as peer:
        assert peer.security is None or peer.security.isprintable()


@pytest.mark.skipif(not features.available("peer_pidfd"), reason=str(features.why_not("peer_pidfd")))
def test_U14_the_peers_pidfd_tells_when_it_dies(tmp_path):
    def visit(address):
        with sockets.connect(address, timeout=WAIT):
            signal.pause()

    with sockets.listen(tmp_path / "s", temporary=True) as listener, fork(visit, listener.address) as child:
        with listener.accept(timeout=WAIT) as connection:
            with Process.adopt(connection.peer.pidfd) as peer:
                assert peer.pid == child.pid
                assert not peer.has_ended()
                peer.kill()
                peer.wait_end(timeout=WAIT)
        assert child.wait(timeout=WAIT) == Killed(signal.SIGKILL)


@pytest.mark.skipif(not features.available("peer_pidfd"), reason=str(features.why_not("peer_pidfd")))
def test_U14_a_peer_that_is_gone_has_no_living_pidfd(tmp_path):
    """Whatever has the pid now, the pidfd never means it."""

    def visit(address):
        sockets.connect(address, timeout=WAIT).close()

    with sockets.listen(tmp_path / "s", temporary=True) as listener:
        with fork(visit, listener.address) as child:
            child.wait(timeout=WAIT)
        with listener.accept(timeout=WAIT) as connection, connection.peer as peer:
            assert peer.pid == child.pid
            if peer.pidfd is not None:
                with pytest.raises(ProcessLookupError):
                    signal.pidfd_send_signal(peer.pidfd.fileno(), 0)


@pytest.mark.skipif(not features.available("pass_pidfd"), reason=str(features.why_not("pass_pidfd")))
@pytest.mark.parametrize("kind", ["stream", "seqpacket", "dgram"])
def test_U14_a_message_brings_a_pidfd_of_its_sender(kind):
    a, b = sockets.pair(kind=kind)
    with a, b:
        b.pass_pidfd = True
        assert b.pass_pidfd is True
        go, gone = sockets.pair()

        def send_and_wait():
            go.close()
            a.send(b"x", timeout=WAIT)
            gone.read(1, timeout=WAIT)

        with go, gone, fork(send_and_wait) as child:
            gone.close()
            with b.receive(1, timeout=WAIT) as got:
                assert os.get_inheritable(got.pidfd.fileno()) is False
                with Process.adopt(got.pidfd) as sender:
                    assert sender.pid == child.pid
                    go.close()
                    sender.wait_end(timeout=WAIT)
            child.wait(timeout=WAIT)


@pytest.mark.skipif(not features.available("pass_pidfd"), reason=str(features.why_not("pass_pidfd")))
def test_U14_a_pidfd_nobody_takes_is_closed_with_the_message(pair):
    a, b = pair
    b.pass_pidfd = True
    before = len(os.listdir("/proc/self/fd"))
    a.send(b"x", descriptors=[0, 0], timeout=WAIT)
    b.receive(1, max_descriptors=2, timeout=WAIT).close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_peer_reads_as_a_record(pair):
    with pair[0].peer as peer:
        assert f"pid={os.getpid()}" in repr(peer)
        with pytest.raises(AttributeError):
            peer.pid = 1
