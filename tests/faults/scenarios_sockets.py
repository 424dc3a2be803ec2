"""Unix sockets, used once from creation to close."""

from __future__ import annotations

import os
from errno import EINTR

from world import WAIT, Soon, World, scenario

from unixipc import pipe, sockets
from unixipc.pipe import splice


def met(world: World, kind: str, address: str):
    """(listener, client, server)."""
    listener = sockets.listen(address, kind=kind)
    world.later(listener.close)
    world.later(listener.remove)
    client = sockets.connect(address, kind=kind, timeout=WAIT)
    world.later(client.close)
    server = listener.accept(timeout=WAIT)
    world.later(server.close)
    return listener, client, server


@scenario
def a_stream(world: World) -> None:
    listener, client, server = met(world, "stream", world.path())
    client.write_all(b"question", timeout=WAIT)
    client.shutdown_write()
    assert server.read_exactly(8, timeout=WAIT) == b"question" and server.read(1, timeout=WAIT) == b""
    server.send(b"answer", timeout=WAIT)
    assert client.receive(100, timeout=WAIT).data == b"answer"
    with server.peer as peer:
        assert peer.pid == os.getpid()
    assert client.peer_address
    listener.remove()
    for end in (listener, client, server):
        end.close()


@scenario
def packets(world: World) -> None:
    listener, client, server = met(world, "seqpacket", f"@uipc-faults-{world.name[1:]}")
    client.send(b"", timeout=WAIT)
    assert not server.receive(10, timeout=WAIT).eof
    client.send(bytes(20000), timeout=WAIT)
    assert server.receive(20000, timeout=WAIT).data == bytes(20000)
    client.close()
    assert server.receive(10, timeout=WAIT).eof
    listener.close(), server.close()


@scenario
def a_wait_for_a_connection(world: World) -> None:
    with sockets.listen(world.path(), temporary=True) as listener:
        with Soon(world, lambda: sockets.connect(world.path(), timeout=WAIT).close(), listener.close):
            listener.accept(timeout=WAIT).close()
        with sockets.try_connect(world.path()) as client, listener.accept(timeout=WAIT) as server:
            client.write_all(b"now", timeout=WAIT)
            assert server.read(3, timeout=WAIT) == b"now"


@scenario
def a_stale_name_taken_over(world: World) -> None:
    sockets.listen(world.later_unlinked()).close()
    with sockets.listen(world.path(), temporary=True) as listener:
        world.later(listener.close)
    assert not os.path.exists(world.path())


@scenario
def a_long_name(world: World) -> None:
    path = world.path("n" * 120)
    with sockets.listen(path, temporary=True) as listener, sockets.connect(path, timeout=WAIT) as client:
        world.later(listener.close)
        listener.accept(timeout=WAIT).close()
        assert client.read(1, timeout=WAIT) == b""


@scenario
def descriptors_passed(world: World) -> None:
    left, right = sockets.pair()
    world.later(left.close), world.later(right.close)
    with world.opened(world.file(b"inside")) as file:
        left.send(b"!", descriptors=[file], timeout=WAIT)
    got = right.receive(10, max_descriptors=2, timeout=WAIT)
    with got.descriptors[0] as passed:
        assert os.pread(passed.fileno(), 10, 0) == b"inside"
    left.close(), right.close()


@scenario
def datagrams(world: World) -> None:
    world.later(lambda: os.unlink(world.path("a")))
    world.later(lambda: os.unlink(world.path("b")))
    with sockets.bind(world.path("a"), temporary=True) as one, sockets.bind(world.path("b"), temporary=True) as other:
        one.send_to(b"hello", world.path("b"), timeout=WAIT)
        assert other.receive_from(100, timeout=WAIT).data == b"hello"


@scenario
def bytes_moved_into_a_socket(world: World) -> None:
    left, right = sockets.pair()
    with left, right:
        reader, writer = pipe()
        with reader, writer:
            writer.write_all(b"moved", timeout=WAIT)
            assert splice(reader, left, 5, timeout=WAIT) == 5
            assert right.read_exactly(5, timeout=WAIT) == b"moved"


NO_WAIT = "this one does not wait, so nothing interrupts it"
TOLERATED = {
    "descriptors_passed": {("stat", None): "how many numbers are free is not known then: they are counted"},
    "a_wait_for_a_connection": {("connect", EINTR): NO_WAIT},
    "a_stale_name_taken_over": {
        ("connect", EINTR): NO_WAIT,
        ("connect", None): "what cannot be asked whether it is alive is taken for alive",
        ("stat", None): "of the scenario's own look",
    },
}
UNLINKING = {"open", "fstatat", "unlinkat"}
LEFT_BUT_TOLD = {"a_wait_for_a_connection": UNLINKING, "a_long_name": UNLINKING}
"""What could not be removed is left, and `close` says so."""
