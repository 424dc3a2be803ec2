"""Unix sockets of other network namespaces: rows, peers, holders, waits. Compared with ss, run there."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess

import pytest

from unixipc import Exited, fork, inspector, pipe, sockets

WAIT = 20
NEWUSER, NEWNET = 0x10000000, 0x40000000
libc = ctypes.CDLL(None, use_errno=True)
prctl = libc.prctl


def unshare_net(flags=NEWNET):
    if libc.unshare(flags):
        raise OSError(ctypes.get_errno(), "unshare")


with fork(unshare_net) as tried:
    pytestmark = pytest.mark.skipif(tried.wait(WAIT) != Exited(0), reason="no network namespace of one's own here")


@pytest.fixture
def there(children, tmp_path):
    """A process with a listener, two names and a pair in a network of its own; its pid."""
    reader, writer = pipe()

    def live():
        unshare_net()
        path = str(tmp_path / "socket")
        with sockets.listen(path) as listener, sockets.listen("@unixipc-there") as hidden, sockets.connect(path):
            a, b = sockets.pair("seqpacket")
            a.send(b"hello")
            numbers = [os.fstat(each.fileno()).st_ino for each in (listener, hidden, a, b)]
            writer.write_all(" ".join(map(str, numbers)).ljust(80).encode())
            signal.pause()

    with reader, writer:
        child = children.start(live)
        numbers = [int(each) for each in reader.read(80, WAIT).split()]
        yield child.pid, str(tmp_path / "socket"), *numbers
        child.kill()
        child.wait(WAIT)


def test_I15_sockets_of_another_network_are_listed_with_peers_and_queues(there):
    pid, path, listener, hidden, a, b = there
    rows = {row.id: row for row in inspector.ls("socket")}
    space = os.stat(f"/proc/{pid}/ns/net").st_ino
    assert {rows[each].netns for each in (listener, hidden, a, b)} == {space}
    assert space != os.stat("/proc/self/ns/net").st_ino
    assert (rows[listener].name, rows[listener].state, rows[listener].waiting) == (path, "listening", 1)
    assert rows[hidden].name == "@unixipc-there"
    assert (rows[a].peer, rows[b].peer, rows[b].received_bytes > 0, rows[a].type) == (b, a, True, "seqpacket")
    for each in (listener, hidden, a, b):
        assert [end.pid for end in rows[each].holders] == [pid]


def test_I15_a_path_leads_there_and_an_abstract_name_does_not(there):
    """Paths are the file system's; abstract names are each network's own. -- unix(7)"""
    pid, path, *_numbers = there
    assert pid in {edge.pid for edge in inspector.who(path)}
    with sockets.listen("@unixipc-there"):
        assert {edge.pid for edge in inspector.who("@unixipc-there")} == {os.getpid()}


def test_I15_as_ss_lists_them_there(there):
    pid, _path, listener, _hidden, a, b = there
    if not (shutil.which("ss") and shutil.which("nsenter")):
        pytest.skip("no ss or nsenter here")
    command = ["nsenter", f"--net=/proc/{pid}/ns/net", "ss", "-xanO"]
    told = subprocess.run(command, capture_output=True, text=True, timeout=WAIT)
    if told.returncode:
        pytest.skip(f"nsenter: {told.stderr.strip()}")
    theirs = {int(words[5]): words for words in map(str.split, told.stdout.splitlines()[1:])}
    rows = {row.id: row for row in inspector.ls("socket") if row.netns == os.stat(f"/proc/{pid}/ns/net").st_ino}
    assert set(theirs) == set(rows)
    assert theirs[listener][1] == "LISTEN" and int(theirs[listener][2]) == rows[listener].waiting
    assert int(theirs[a][7]) == rows[a].peer == b


def test_N10_a_wait_at_a_socket_of_another_network_names_the_peer(children, until):
    told, tell = pipe()

    def live():
        unshare_net()
        a, b = sockets.pair()
        if os.fork() == 0:
            b.close()
            tell.write_all(b"!")
            a.read(1)
            os._exit(0)
        a.close()
        os.wait()

    with told, tell:
        child = children.start(live)
        assert told.read(1, WAIT) == b"!"
        (inner,) = inspector.procfs.children_of(child.pid)
        found = []
        until(lambda: found.extend(each for each in inspector.why(inner).waits if each.kind == "socket") or found)
        assert "another family" not in found[0].text and [each.pid for each in found[0].enders] == [child.pid]
        os.kill(inner, signal.SIGKILL)


def test_I15_who_may_not_go_there_is_told_what_proc_tells(as_nobody, tmp_path_factory):
    """What /proc/PID/net/unix says: no peer, no queues, and no zeros for them."""
    folder = tmp_path_factory.mktemp("nobody")
    folder.chmod(0o777)
    for above in (each for each in folder.parents if each.stat().st_uid == os.geteuid()):
        above.chmod(above.stat().st_mode | 0o111)

    def look():
        prctl(4, 1, 0, 0, 0)  # PR_SET_DUMPABLE: a change of user has taken that
        reader, writer = pipe()
        go, start = pipe()

        def live():
            unshare_net(NEWNET | NEWUSER)
            with (
                sockets.listen(str(folder / "socket")),
                sockets.listen("@unixipc-there"),
                sockets.connect(str(folder / "socket")),
            ):
                writer.write_all(b"!")
                go.read(1)

        with reader, writer, go, start, fork(live) as child:
            assert reader.read(1, WAIT) == b"!"
            space = os.stat(f"/proc/{child.pid}/ns/net").st_ino
            rows = [row for row in inspector.ls("socket") if row.netns == space]
            (listener,) = [row for row in rows if row.name == str(folder / "socket") and row.state == "listening"]
            assert (listener.waiting, listener.peer, listener.uid) == (None, None, None)
            assert [end.pid for end in listener.holders] == [child.pid]
            assert [row.state for row in rows if row.name == "@unixipc-there"] == ["listening"]
            (ours,) = [row for row in rows if row.name is None and row.holders]
            assert (ours.state, ours.type, ours.peer, ours.received_bytes) == ("connected", "stream", None, None)
            start.write_all(b"!")
            assert child.wait(WAIT) == Exited(0)

    as_nobody(look)
