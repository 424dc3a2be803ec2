"""What a container sees of the machine, and the machine of a container, as the guide's page tells."""

from __future__ import annotations

import os

import pytest

from unixipc import (
    Exited,
    Fifo,
    FileLock,
    MemFd,
    RecordLock,
    channel,
    fork,
    inspector,
    pipe,
    posix,
    sockets,
    sysv,
)  # fmt: skip

pytestmark = [
    pytest.mark.usefixtures("own_ipc_namespace"),
    pytest.mark.parametrize("world", ["container"], indirect=True),
]


def there(kind, number):
    """Whether it is listed."""
    return number in [row.id for row in inspector.ls(kind)]


def test_a_container_sees_nothing_of_the_machine_but_open_file_description_locks(world):
    name = f"unixipc-outside-{os.getpid()}"
    flocked, ranged, owned = (open(f"{world.folder}/{each}", "wb") for each in ("flock", "posix", "ofd"))
    reader, writer = pipe()
    with (
        flocked, ranged, owned, reader, writer, FileLock(flocked), RecordLock(ranged, kind="posix"),
        RecordLock(owned, kind="ofd"), sysv.MessageQueue.create(sysv.Key.random()) as queue,
        posix.Semaphore.create(f"/{name}", 0) as semaphore, channel.Queue.temporary(name),
        sockets.listen(f"@{name}") as listener,
    ):  # fmt: skip
        inode = {file.name.rpartition("/")[2]: os.fstat(file.fileno()).st_ino for file in (flocked, ranged, owned)}
        address = os.fstat(listener.fileno()).st_ino

        def look():
            os.closerange(3, 1000)  # what a container's first process would not have inherited
            assert not inspector.ls("sysv") and not inspector.ls("posix") and not inspector.ls("channel")
            assert not inspector.ls("pipe") and not there("socket", address)
            locks = {int(row.id.rpartition(":")[2]): row for row in inspector.ls("lock")}
            assert inode["flock"] not in locks and inode["posix"] not in locks
            assert (locks[inode["ofd"]].pid, locks[inode["ofd"]].holders) == (None, ())
            assert {edge.pid for edge in inspector.graph().edges} <= {1}

        try:
            assert there("sysv-queue", queue.id) and there("posix-semaphore", f"/{name}") and there("channel", name)
            assert there("socket", address) and inode["flock"] in {
                int(r.id.rpartition(":")[2]) for r in inspector.ls("lock")
            }
            world(look)
        finally:
            semaphore.remove()
            queue.remove()


def test_the_machine_sees_the_processes_of_a_container_with_what_they_have_open(world):
    if os.geteuid():
        pytest.skip("only root may look into a process of another user namespace")
    told, tell = pipe()
    done, finish = pipe()

    def live():
        with (
            MemFd.create("in-a-container", 4096),
            Fifo.create(f"{world.folder}/fifo") as fifo, fifo.reader(persistent=True),
            sysv.MessageQueue.temporary() as queue, sockets.listen("@in-a-container") as listener,
        ):  # fmt: skip
            queue.send(b"here")
            fifo.remove()
            tell.write_all(b"!")
            inode = os.fstat(listener.fileno()).st_ino
            assert there("socket", inode) and there("sysv-queue", queue.id)
            done.read(1, 20)

    def look():
        told.read(1, 20)
        (row,) = [row for row in inspector.ls("memfd") if row.name == "in-a-container"]
        assert len(row.used_by) == 1 and row.used_by[0] > 1
        assert [row.path for row in inspector.ls("fifo") if row.path.startswith(world.folder)]
        (row,) = [row for row in inspector.ls("socket") if row.name == "@in-a-container"]
        assert row.netns != os.stat("/proc/self/ns/net").st_ino
        assert inspector.ls("sysv-queue") == before
        finish.write_all(b"!")

    before = inspector.ls("sysv-queue")
    with told, tell, done, finish, fork(look) as looking:
        world(live)
        assert looking.wait(timeout=30) == Exited(0)
