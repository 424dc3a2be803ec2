"""The fates of every handle: close, fork, exec, kill -9 of a process that holds it, and being forgotten."""

import contextlib
import os
import pickle
import signal
import sys
import threading

import pytest

from unixipc import ClosedError, EventFd, Exited, Fifo, Killed, Process, fork, pipe, sockets

WAIT = 20


class Held:
    """One handle of a class, and what else must stay open for it to live."""

    def __init__(self, handle, *others):
        self.handle, self.others = handle, others

    def close(self):
        for each in (*self.others, self.handle):
            each.close()


def hold_fifo(tmp_path, side):
    fifo = Fifo.create(tmp_path / "fifo")
    reader = fifo.try_reader()
    writer = fifo.try_writer()
    return Held(reader, writer) if side == "reader" else Held(writer, reader)


def hold_child(_):
    child = fork(signal.pause)

    class Ending:
        def close(self):
            if not child.closed:
                child.kill()
                child.wait(timeout=WAIT)

    return Held(child, Ending())


MAKERS = {
    "PipeReader": lambda _: Held(*pipe()),
    "PipeWriter": lambda _: Held(*reversed(pipe())),
    "FifoReader": lambda tmp_path: hold_fifo(tmp_path, "reader"),
    "FifoWriter": lambda tmp_path: hold_fifo(tmp_path, "writer"),
    "EventFd": lambda _: Held(EventFd()),
    "Connection-stream": lambda _: Held(*sockets.pair()),
    "Connection-seqpacket": lambda _: Held(*sockets.pair(kind="seqpacket")),
    "Listener": lambda tmp_path: Held(sockets.listen(tmp_path / "s", temporary=True)),
    "Datagrams": lambda tmp_path: Held(sockets.bind(tmp_path / "s", temporary=True)),
    "Process": lambda _: Held(Process(os.getpid())),
    "Child": hold_child,
}


@pytest.fixture(params=MAKERS)
def held(request, tmp_path):
    it = MAKERS[request.param](tmp_path)
    yield it
    it.close()


@pytest.fixture(params=[name for name in MAKERS if name not in ("Process", "Child")])
def shared(request, tmp_path):
    """Handles of things that processes share; a process is not shared but pointed at."""
    it = MAKERS[request.param](tmp_path)
    yield it
    it.close()


def is_open(number):
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def test_close_frees_the_number_and_every_use_is_a_closed_error(held):
    if type(held.handle).__name__ == "Child":
        held.handle.kill()
        held.handle.wait(timeout=WAIT)
    number = held.handle.fileno()
    held.handle.close()
    held.handle.close()
    assert held.handle.closed
    assert not is_open(number)
    for use in (held.handle.fileno, held.handle.dup, held.handle.detach, held.handle.__enter__):
        with pytest.raises(ClosedError):
            use()


def test_the_number_is_never_used_again_by_a_closed_handle(shared):
    """Whoever gets the number next is safe from us."""
    number = shared.handle.fileno()
    shared.handle.close()
    heir = os.open(os.devnull, os.O_RDONLY)
    os.dup2(heir, number)
    shared.handle.close()
    assert is_open(number)
    os.close(number)
    if heir != number:
        os.close(heir)


def test_leaving_a_with_block_closes(shared):
    with shared.handle as same:
        assert same is shared.handle
    assert shared.handle.closed


def test_exec_closes_it(held):
    number = held.handle.fileno()
    script = f"import os, sys; sys.exit(os.path.exists('/proc/self/fd/{number}'))"
    with fork(os.execv, sys.executable, [sys.executable, "-c", script]) as child:
        assert child.wait(timeout=WAIT) == Exited(0)
    assert is_open(number)


def test_a_fork_holds_the_same_open_object_and_closes_only_its_copy(shared):
    number = shared.handle.fileno()
    identity = os.fstat(number).st_dev, os.fstat(number).st_ino

    def use_and_close():
        found = os.fstat(shared.handle.fileno())
        if (found.st_dev, found.st_ino) != identity:
            return 1
        shared.handle.close()
        return 7 if not is_open(number) else 2

    with fork(use_and_close) as child:
        assert child.wait(timeout=WAIT) == Exited(7)
    assert not shared.handle.closed
    assert is_open(number)


def test_kill_9_of_another_holder_leaves_our_handle_working(shared):
    ready, tell = pipe()

    def hold():
        tell.write_all(b"!")
        signal.pause()

    with ready, tell, fork(hold) as child:
        ready.read_exactly(1, timeout=WAIT)
        child.kill()
        assert child.wait(timeout=WAIT) == Killed(signal.SIGKILL)
    assert is_open(shared.handle.fileno())
    match shared.handle:
        case EventFd():
            shared.handle.add(3)
            assert shared.handle.take(timeout=WAIT) == 3
        case sockets.Listener():
            with sockets.connect(shared.handle.address, timeout=WAIT), shared.handle.accept(timeout=WAIT):
                pass
        case sockets.Datagrams():
            shared.handle.send_to(b"x", shared.handle.address, timeout=WAIT)
            assert shared.handle.receive_from(1, timeout=WAIT).data == b"x"
        case sockets.Connection():
            (other,) = shared.others
            other.send(b"x", timeout=WAIT)
            assert shared.handle.receive(1, timeout=WAIT).data == b"x"
        case _:
            ends = sorted((shared.handle, *shared.others), key=lambda end: hasattr(end, "write"))
            ends[1].write_all(b"x", timeout=WAIT)
            assert ends[0].read(1, timeout=WAIT) == b"x"


def test_a_forgotten_handle_warns_and_is_closed(tmp_path):
    for name in ("PipeReader", "EventFd", "Connection-stream", "Process"):
        held = MAKERS[name](tmp_path)
        number = held.handle.fileno()
        with pytest.warns(ResourceWarning, match="unclosed"):
            del held.handle
        assert not is_open(number)
        for other in held.others:
            other.close()


def test_no_handle_can_be_pickled(held):
    with pytest.raises(TypeError, match="Unix socket"):
        pickle.dumps(held.handle)


def test_a_handle_says_that_it_is_closed(shared):
    assert f"fd {shared.handle.fileno()}" in repr(shared.handle)
    shared.handle.close()
    assert repr(shared.handle).endswith(" closed>")


@pytest.mark.parametrize("name", ["PipeReader", "FifoReader", "EventFd", "Connection-stream", "Listener", "Datagrams"])
def test_close_ends_the_wait_of_another_thread_however_often(name, tmp_path):
    """The closing may come before, during or after the other thread falls asleep."""
    waits = {"EventFd": "take", "Listener": "accept"}
    for turn in range(30):
        (tmp_path / str(turn)).mkdir()
        held = MAKERS[name](tmp_path / str(turn))
        outcome = []

        def wait(held=held, outcome=outcome):
            handle = held.handle
            try:
                if name in waits:
                    getattr(handle, waits[name])(timeout=WAIT)
                else:
                    getattr(handle, "receive_from" if name == "Datagrams" else "read")(1, timeout=WAIT)
            except ClosedError:
                outcome.append("closed")

        thread = threading.Thread(target=wait)
        thread.start()
        held.handle.close()
        thread.join(WAIT)
        assert outcome == ["closed"]
        held.close()


def meets_close(handle, use, heir_of):
    """Close `handle` while another thread uses it; at once somebody else, a copy of `heir_of`, gets the number."""

    def use_unless_closed():
        with contextlib.suppress(ClosedError, ConnectionError):
            use(handle)

    thread = threading.Thread(target=use_unless_closed)
    thread.start()
    handle.close()
    heir = heir_of.dup()
    thread.join(WAIT)
    heir.close()


@pytest.mark.parametrize("size", [100, 20_000])
@pytest.mark.parametrize("make", [pipe, sockets.pair], ids=["pipe", "socket"])
def test_a_write_that_meets_a_close_never_reaches_whoever_gets_the_number_next(make, size):
    """Either the closed handle's peer gets it or nobody."""
    theirs, heirs = make()
    with theirs, heirs:
        for _ in range(200):
            reader, writer = make()
            with reader:
                meets_close(writer, lambda end: end.try_write(b"z" * size), heirs)
            assert theirs.try_read(1) is None


@pytest.mark.parametrize("size", [100, 20_000])
@pytest.mark.parametrize("make", [pipe, sockets.pair], ids=["pipe", "socket"])
def test_a_read_that_meets_a_close_never_takes_from_whoever_gets_the_number_next(make, size):
    theirs, writes = make()
    with theirs, writes:
        writes.write_all(b"precious")
        for _ in range(200):
            reader, writer = make()
            with writer:
                meets_close(reader, lambda end: end.try_read(size), theirs)
            assert theirs.pending_bytes == 8


def test_an_add_that_meets_a_close_never_reaches_whoever_gets_the_number_next():
    with EventFd() as heirs:
        for _ in range(500):
            meets_close(EventFd(), lambda event: event.try_add(12345), heirs)
            assert heirs.try_take() is None
