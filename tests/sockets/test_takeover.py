"""Names of listeners: U04 (safe takeover of a stale file), U07 (the file stays, its mode, whose it is)."""

import ctypes
import errno
import fcntl
import os
import shutil
import signal
import socket
import stat
import tempfile

import pytest

from unixipc import Exited, ObjectRemoved, fork, pipe, sockets

WAIT = 20
NOBODY = 65534
as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "s")


@pytest.fixture
def public_folder():
    """A folder that another user can reach: pytest's own are private."""
    folder = tempfile.mkdtemp(prefix="unixipc-test-")
    os.chmod(folder, 0o755)
    yield folder
    shutil.rmtree(folder)


def is_socket(path):
    return stat.S_ISSOCK(os.lstat(path).st_mode)


def test_U07_the_file_stays_after_close_and_goes_with_remove(path):
    listener = sockets.listen(path)
    listener.close()
    assert is_socket(path)
    with sockets.listen(path) as again:
        again.remove()
        assert not os.path.exists(path)
        with pytest.raises(FileNotFoundError) as missing:
            again.remove()
        assert (missing.value.errno, missing.value.filename) == (errno.ENOENT, path)


def test_U07_a_connection_outlives_the_name(path):
    with sockets.listen(path) as listener, sockets.connect(path, timeout=WAIT) as client:
        with listener.accept(timeout=WAIT) as server:
            listener.remove()
            listener.close()
            client.write_all(b"still", timeout=WAIT)
            assert server.read(10, timeout=WAIT) == b"still"


@pytest.mark.parametrize("mode", [0o600, 0o660, 0o666, 0o777, 0o000])
@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_U07_the_mode_is_exactly_what_was_asked_whatever_the_umask(path, mode, umask):
    before = os.umask(umask)
    try:
        with sockets.listen(path, mode=mode, temporary=True), sockets.bind(path + "d", mode=mode, temporary=True):
            assert stat.S_IMODE(os.lstat(path).st_mode) == mode
            assert stat.S_IMODE(os.lstat(path + "d").st_mode) == mode
    finally:
        os.umask(before)


@as_root
def test_U07_without_write_permission_nobody_connects(public_folder):
    path = f"{public_folder}/s"

    def try_to_connect():
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        try:
            sockets.connect(path, timeout=WAIT)
        except PermissionError as refused:
            return 7 if (refused.errno, refused.filename) == (errno.EACCES, path) and refused.__notes__ else 1
        return 2

    with sockets.listen(path, temporary=True) as listener, fork(try_to_connect) as child:
        assert child.wait(timeout=WAIT) == Exited(7)
        assert listener.try_accept() is None


@as_root
def test_listening_in_a_folder_one_may_not_write_is_permission_denied(public_folder):
    def try_to_listen():
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        try:
            sockets.listen(f"{public_folder}/s")
        except PermissionError as refused:
            return 7 if refused.filename == f"{public_folder}/s" and "bind(2)" in refused.__notes__[0] else 1
        return 2

    with fork(try_to_listen) as child:
        assert child.wait(timeout=WAIT) == Exited(7)
    assert os.listdir(public_folder) == []


@pytest.mark.parametrize("kind", ["stream", "seqpacket"])
def test_U04_a_live_name_is_address_in_use_and_is_not_disturbed(path, kind):
    """EADDRINUSE, and the probe leaves no trace in the backlog."""
    with sockets.listen(path, kind=kind, temporary=True) as listener:
        identity = os.lstat(path).st_ino
        for other in ("stream", "seqpacket"):
            with pytest.raises(OSError) as refused:
                sockets.listen(path, kind=other)
            assert (refused.value.errno, refused.value.filename) == (errno.EADDRINUSE, path)
            assert "another process is bound" in refused.value.__notes__[0]
        with pytest.raises(OSError):
            sockets.bind(path)
        assert os.lstat(path).st_ino == identity
        assert listener.try_accept() is None, "nobody was sent to the door"
        with sockets.connect(path, kind=kind, timeout=WAIT), listener.accept(timeout=WAIT):
            pass


def test_U04_a_name_that_is_bound_but_does_not_listen_yet_is_alive(path):
    with socket.socket(socket.AF_UNIX) as starting:
        starting.bind(path)
        with pytest.raises(OSError) as refused:
            sockets.listen(path)
        assert refused.value.errno == errno.EADDRINUSE
        starting.listen()
        with sockets.connect(path, timeout=WAIT):
            pass
    os.unlink(path)


def test_U04_a_live_datagram_socket_is_alive(path):
    with sockets.bind(path, temporary=True) as inbox, sockets.bind("") as outbox:
        with pytest.raises(OSError) as refused:
            sockets.listen(path)
        assert refused.value.errno == errno.EADDRINUSE
        outbox.send_to(b"x", path, timeout=WAIT)
        assert inbox.receive_from(1, timeout=WAIT).data == b"x"


def test_U04_the_file_of_a_killed_server_is_taken_over(path):
    ready, tell = pipe()

    def serve():
        with sockets.listen(path):
            tell.write_all(b"!", timeout=WAIT)
            signal.pause()

    with ready, tell, fork(serve) as child:
        ready.read_exactly(1, timeout=WAIT)
        child.kill()
        child.wait(timeout=WAIT)
    assert is_socket(path)
    with pytest.raises(ConnectionRefusedError) as refused:
        sockets.connect(path, timeout=WAIT)
    assert "takeover=True" in refused.value.__notes__[0]
    with sockets.listen(path, temporary=True) as heir, sockets.connect(path, timeout=WAIT), heir.accept(timeout=WAIT):
        pass
    assert not os.path.exists(path)


def test_U04_without_takeover_a_stale_file_stays(path):
    sockets.listen(path).close()
    identity = os.lstat(path).st_ino
    with pytest.raises(OSError) as refused:
        sockets.listen(path, takeover=False)
    assert (refused.value.errno, refused.value.filename) == (errno.EADDRINUSE, path)
    assert "stale" in refused.value.__notes__[0]
    assert os.lstat(path).st_ino == identity


def test_U04_something_that_is_no_socket_is_never_touched(path, tmp_path):
    (tmp_path / "s").write_text("precious")
    (tmp_path / "link").symlink_to("nowhere")
    (tmp_path / "folder").mkdir()
    for name in ("s", "link", "folder"):
        with pytest.raises(FileExistsError) as refused:
            sockets.listen(tmp_path / name)
        assert (refused.value.errno, refused.value.filename) == (errno.EEXIST, str(tmp_path / name))
        assert "left as it is" in refused.value.__notes__[0]
    assert (tmp_path / "s").read_text() == "precious"
    assert sorted(os.listdir(tmp_path)) == ["folder", "link", "s"]


def test_U04_of_many_that_take_over_at_once_exactly_one_wins(path):
    sockets.listen(path).close()
    start, go = pipe()
    done, tell = pipe()

    def compete():
        go.close()
        start.read(1, timeout=WAIT)
        try:
            with sockets.listen(path):
                tell.write_all(b"w", timeout=WAIT)
                signal.pause()
        except OSError as lost:
            assert lost.errno == errno.EADDRINUSE
            tell.write_all(b"l", timeout=WAIT)

    with start, go, done, tell:
        children = [fork(compete) for _ in range(12)]
        go.close()
        assert sorted(done.read_exactly(12, timeout=WAIT)) == sorted(b"w" + b"l" * 11)
        with sockets.connect(path, timeout=WAIT):
            pass
        for child in children:
            with child:
                if not child.try_wait():
                    child.kill()


def test_U04_who_holds_the_folders_lock_is_waited_for_and_then_given_up(path, tmp_path):
    folder = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    with pytest.raises(TimeoutError) as late:
        sockets.listen(path, timeout=0.05)
    assert late.value.filename == str(tmp_path)
    assert os.listdir(tmp_path) == []
    os.close(folder)
    with sockets.listen(path, temporary=True, timeout=WAIT):
        pass


def test_U07_a_replaced_name_is_not_removed(path):
    with sockets.listen(path) as first:
        os.unlink(path)
        with sockets.listen(path, temporary=True):
            with pytest.raises(ObjectRemoved) as removed:
                first.remove()
            assert (removed.value.errno, removed.value.filename) == (errno.EIDRM, path)
            assert "not touched" in removed.value.__notes__[0]
            assert is_socket(path)


def test_U07_a_temporary_listener_leaves_its_heirs_name_alone(path):
    with sockets.listen(path, temporary=True):
        os.unlink(path)
        heir = sockets.listen(path)
    assert is_socket(path)
    with heir, sockets.connect(path, timeout=WAIT):
        heir.remove()


def test_U07_a_forked_copy_of_a_temporary_listener_removes_nothing(path):
    with sockets.listen(path, temporary=True) as listener:
        with fork(listener.close) as child:
            assert child.wait(timeout=WAIT) == Exited(0)
        assert is_socket(path)
        with sockets.connect(path, timeout=WAIT):
            pass
    assert not os.path.exists(path)


def test_U07_a_listener_that_was_passed_on_does_not_remove_what_it_did_not_bind(path):
    with sockets.listen(path, temporary=True) as listener, sockets.Listener(listener.dup().detach()) as copy:
        with pytest.raises(PermissionError, match="Operation not permitted"):
            copy.remove()
        assert is_socket(path)


def test_a_failed_listen_leaves_neither_a_file_nor_a_descriptor(tmp_path):
    before = len(os.listdir("/proc/self/fd"))
    (tmp_path / "s").write_text("")
    for address in (tmp_path / "s", tmp_path / "missing" / "s", tmp_path / ("n" * 256)):
        with pytest.raises(OSError):
            sockets.listen(address)
        with pytest.raises(OSError):
            sockets.bind(address)
    assert len(os.listdir("/proc/self/fd")) == before
    assert os.listdir(tmp_path) == ["s"]


@as_root
def test_removing_without_permission_is_permission_denied_and_named(public_folder):
    path = f"{public_folder}/s"
    with sockets.listen(path) as listener:

        def try_to_remove():
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            try:
                listener.remove()
            except PermissionError as refused:
                return 7 if (refused.errno, refused.filename) == (errno.EACCES, path) and refused.__notes__ else 1
            return 2

        with fork(try_to_remove) as child:
            assert child.wait(timeout=WAIT) == Exited(7)
        assert is_socket(path)


@pytest.mark.parametrize("make", [sockets.listen, sockets.bind])
def test_U04_a_socket_file_that_is_a_mount_is_told_with_its_path(tmp_path, make):
    """Docker mounts sockets as single files: a name that is a mount cannot be replaced."""
    ours, mounted = str(tmp_path / "ours"), str(tmp_path / "mounted")

    def body():
        if not unshare_mounts() or not mount(ours, mounted):
            return 77
        with pytest.raises(OSError) as refused:
            make(mounted, timeout=WAIT)
        assert (refused.value.errno, refused.value.filename) == (errno.EBUSY, mounted)
        assert "is a mount" in refused.value.__notes__[0]
        return 0

    make(ours).close()
    with open(mounted, "w"), fork(body) as child:
        status = child.wait(timeout=WAIT)
    if status == Exited(77):
        pytest.skip("nothing can be mounted here")
    assert status == Exited(0)


def unshare_mounts():
    new_mounts, recursive, private = 0x20000, 0x4000, 1 << 18
    libc = ctypes.CDLL(None)
    return libc.unshare(new_mounts) == 0 and libc.mount(b"none", b"/", None, recursive | private, None) == 0


def mount(what, where):
    """One file on another. -- mount(2)"""
    bind = 0x1000
    return ctypes.CDLL(None).mount(what.encode(), where.encode(), None, bind, None) == 0
