"""N10, I15: who has to do with a thing, whatever it is called; the graph; one look for all."""

from __future__ import annotations

import os

import pytest

from unixipc import channel, fork, inspector, map_file, pipe, posix, sockets, sysv
from unixipc.inspector import procfs

ME = os.getpid
WAIT = 20


def told(thing):
    """(how, kind) of this process's edges."""
    return {(edge.how, edge.kind) for edge in inspector.who(thing) if edge.pid == ME()}


def test_a_path_of_a_file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(bytes(100))
    assert inspector.who(path) == []
    with open(path, "rb"):
        assert told(path) == {("holds", "file")} == told(str(path))
        with map_file(path):
            assert told(path) == {("holds", "file"), ("maps", "file")} or ("maps", "mapping") in told(path)


def test_a_path_of_a_socket_and_a_name_of_one(tmp_path):
    path = str(tmp_path / "socket")
    with sockets.listen(path, temporary=True):
        assert told(path) == {("holds", "socket")}
    with sockets.listen("@unixipc-asked-for"):
        assert told("@unixipc-asked-for") == {("holds", "socket")}


def test_a_descriptor_here_and_in_another_process():
    reader, writer = pipe()
    with reader, writer, fork(reader.read, 1, WAIT) as child:
        both = {("reads", "pipe"), ("writes", "pipe")}
        assert both <= told(reader) and both <= told(f"{child.pid}:{reader.fileno()}")
        inode = os.fstat(reader.fileno()).st_ino
        assert both <= told(inode) and both <= told(f"pipe:{inode}")
        assert child.pid in {edge.pid for edge in inspector.who(reader)}
        writer.write_all(b"!")


@pytest.mark.usefixtures("own_ipc_namespace")
def test_a_key_and_an_id():
    key = sysv.Key.random()
    with sysv.SharedMemory.create(key, 100) as memory:
        try:
            with memory.attach():
                for thing in (key, int(key), hex(key), memory.id, f"sysv-segment:{memory.id}"):
                    assert ("maps", "sysv-segment") in told(thing), thing
        finally:
            memory.remove()


def test_names_of_channels_and_posix_objects():
    with channel.Queue.create("asked-for") as queue, posix.SharedMemory.create("/asked-for", 100) as memory:
        try:
            with queue.receiver():
                assert told("asked-for") == {("reads", "channel"), ("maps", "channel")}
            assert told("/asked-for") == {("maps", "posix-memory")}
            assert ("maps", "posix-memory") in told("/dev/shm/asked-for")
        finally:
            queue.remove()
            memory.remove()


@pytest.mark.parametrize("thing", ["no such thing", "/no/such/path", 4294967290, "0xfffffff0", "pipe:1"])
def test_what_is_not_there_is_an_error(thing):
    with pytest.raises(FileNotFoundError) as refused:
        inspector.who(thing)
    assert "no object that can be seen" in refused.value.__notes__[0]


def test_no_descriptor_is_an_error():
    with pytest.raises(OSError, match="Bad file descriptor"):
        inspector.who(f"{ME()}:9999")


def test_the_graph_has_processes_objects_and_what_is_between():
    reader, writer = pipe()
    with reader, writer, sysv.SemaphoreSet.temporary([1]) as semaphores:
        semaphores[0].acquire()
        graph = inspector.graph()
        inode = os.fstat(reader.fileno()).st_ino
        mine = {(edge.how, edge.sure) for edge in graph.edges if edge.pid == ME() and edge.id == inode}
        assert mine == {("reads", True), ("writes", True)} and ME() in graph.processes
        assert {("holds", False)} == {
            (edge.how, edge.sure) for edge in graph.edges if (edge.kind, edge.id) == ("sysv-set", semaphores.id)
        }
        assert {edge.pid for edge in graph.edges} == set(graph.processes)
        objects = {(row.kind, row.id) for row in graph.objects}
        assert all((edge.kind, edge.id) in objects for edge in graph.edges if edge.how != "waits for")


def test_one_look_sees_every_descriptor_once_and_says_who_is_hidden(as_nobody):
    seen = procfs.snapshot()
    here = {int(number) for number in os.listdir("/proc/self/fd")}
    for table in (seen.pipes, seen.sockets, seen.files, seen.anonymous):
        for ends in table.values():
            assert len({(pid, number) for pid, number, _ in ends}) == len(ends)
            assert {number for pid, number, _ in ends if pid == ME()} <= here

    def look():
        assert 1 in procfs.snapshot().hidden and 1 in inspector.graph().hidden

    as_nobody(look)
