"""Processes and signals, used once from start to end."""

from __future__ import annotations

import os
import threading
import time
from errno import EAGAIN, ENOMEM
from functools import partial
from signal import SIGKILL, SIGRTMIN, SIGTERM, SIGUSR1, SIGUSR2, pthread_kill, raise_signal, signal

from world import WAIT, World, end, scenario

from unixipc import Exited, Killed, Process, fork, map_anonymous, process, reap, spawn
from unixipc._native.glance import glance
from unixipc._native.look import descriptors_of, shared_mappings_of, stat_cached, stat_known
from unixipc.process import auto_reap, death_signal, subreaper, wait_any
from unixipc.signals import (
    Counter,
    SignalStream,
    SignalTimer,
    Timer,
    blocked,
    handling,
    pending,
    pselect,
    send,
    state_of,
    try_wait_for,
    wait_for,
)

for number in (SIGUSR2, SIGRTMIN + 1):  # what a closed stream has not read is the old action's, at any time after
    signal(number, lambda *_: None)


def nothing() -> None: ...


@scenario
def a_fork(world: World) -> None:
    world.child(fork(nothing))


@scenario
def a_wait_without_a_limit(world: World) -> None:
    child = fork(time.sleep, 0.02)
    world.later(partial(end, child))
    assert child.wait() == Exited(0)
    child.close()


@scenario
def a_program_that_is_not_there(world: World) -> None:
    try:
        spawn([world.path("missing")], cwd="/")
    except FileNotFoundError as error:
        assert error.filename == world.path("missing")
    else:
        raise AssertionError("there is none")


@scenario
def a_fork_in_a_group_of_its_own(world: World) -> None:
    with fork(os._exit, 0, new_group=True) as child:
        world.child(child)
    with fork(nothing, new_session=True) as child:
        world.child(child)


@scenario
def a_fork_with_a_death_signal(world: World) -> None:
    with fork(nothing, death_signal=SIGTERM) as child:
        world.child(child)


@scenario
def a_fork_under_another_handler(world: World) -> None:
    with auto_reap(False, stops=False):
        world.child(fork(nothing))


@scenario
def a_child_that_is_killed(world: World) -> None:
    with spawn(["sleep", "100"], new_group=True, death_signal=SIGKILL) as child:
        assert not child.has_ended()
        with Process(child.pid) as same, same.dup() as copy, Process.adopt(copy) as adopted:
            adopted.send_signal(SIGTERM)
            adopted.wait_end(timeout=WAIT)
        assert child.wait(timeout=WAIT) == Killed(SIGTERM, False)


@scenario
def a_program(world: World) -> None:
    reader, writer = os.pipe()
    world.later(lambda: os.close(reader))
    world.later(lambda: os.close(writer))
    with spawn(["pwd"], stdout=writer, descriptors={9: reader}, cwd="/", new_session=True, env={"A": "B"}) as child:
        assert child.wait(timeout=WAIT) == Exited(0)
    assert os.read(reader, 10) == b"/\n"


@scenario
def any_child(world: World) -> None:
    children = []
    for _ in range(2):
        children.append(spawn(["true"]))
        world.later(partial(end, children[-1]))
    assert wait_any(timeout=WAIT)[1] == Exited(0)
    for child in children:
        child.wait_end(timeout=WAIT)
    assert len(list(reap())) == 1
    assert [child.wait(timeout=WAIT) for child in children] == [Exited(0)] * 2
    for child in children:
        child.close()


@scenario
def a_look_at_a_process(world: World) -> None:
    pipes: dict[int, list[tuple[int, int, int]]] = {}
    reader, writer = os.pipe()
    world.later(lambda: os.close(reader))
    world.later(lambda: os.close(writer))
    file = world.opened(world.file(b"abc"))
    world.later(file.close)
    descriptors_of(os.getpid(), pipes, {}, {})
    assert sum(end[1] in (reader, writer) for ends in pipes.values() for end in ends) in (1, 2)  # one may be "closed"
    assert stat_known(f"/proc/self/fd/{file.fileno()}").st_size == 3
    assert stat_cached("/proc/self/root", file.name).st_size == 3 == stat_cached(world.folder, "file").st_size
    with map_anonymous(4096):
        assert any(mapping[7].startswith("/dev/zero") for mapping in shared_mappings_of(os.getpid()))


@scenario
def a_glance_at_files(world: World) -> None:
    file = world.opened(world.file(b"abc"))
    world.later(file.close)
    first, *others = glance([file.name, "/dev/null", world.folder], 2)
    assert others == [None, None]
    assert first is None or first[0] in (b"ab", b"")


@scenario
def a_family(world: World) -> None:
    world.later(lambda: subreaper(False))
    world.later(lambda: death_signal(0))
    subreaper(True)
    assert process.is_subreaper()
    subreaper(False)
    death_signal(SIGUSR1)
    assert death_signal() == SIGUSR1
    death_signal(0)


@scenario
def a_signal_sent(world: World) -> None:
    came = []
    with handling(SIGUSR1, lambda number, _frame: came.append(number)):
        send(os.getpid(), SIGUSR1)
        with blocked(SIGUSR1):
            send(os.getpid(), SIGUSR1, 7)
            assert pending() == {SIGUSR1}
            assert try_wait_for({SIGUSR2}) is None
            info = wait_for({SIGUSR1}, timeout=WAIT)
            assert (info.signal, info.value) == (SIGUSR1, 7)
        assert SIGUSR1 in state_of(os.getpid()).caught
    assert came == [SIGUSR1]


@scenario
def a_stream_of_signals(world: World) -> None:
    with SignalStream(SIGUSR2, SIGRTMIN + 1) as stream:
        send(os.getpid(), SIGRTMIN + 1, 5)
        assert stream.receive(timeout=WAIT).value == 5
        raise_signal(SIGUSR2)
        assert stream.receive(timeout=WAIT).signal == SIGUSR2


@scenario
def a_stream_beside_a_thread_that_blocks_nothing(world: World) -> None:
    done = threading.Event()
    other = threading.Thread(target=done.wait, daemon=True)
    world.later(other.join)
    world.later(done.set)
    other.start()
    with SignalStream(SIGUSR2) as stream:
        pthread_kill(other.ident, SIGUSR2)
        assert stream.receive(timeout=WAIT).signal == SIGUSR2
    done.set()
    other.join()


@scenario
def a_counted_signal(world: World) -> None:
    with Counter(SIGUSR1) as counter:
        raise_signal(SIGUSR1)
        assert counter.wait(timeout=WAIT) == 1 == counter.take()


@scenario
def a_timer_that_is_read(world: World) -> None:
    with Timer(0.001) as timer:
        assert timer.wait(timeout=WAIT) == 1 and timer.left() is None


@scenario
def a_timer_that_sends_a_signal(world: World) -> None:
    with SignalStream(SIGRTMIN + 1) as stream, SignalTimer(SIGRTMIN + 1, 0.001, value=7) as timer:
        info = stream.receive(timeout=WAIT)
        assert (info.value, info.timer) == (7, timer.id)


@scenario
def a_sleep_with_another_mask(world: World) -> None:
    came = []
    with handling(SIGUSR1, lambda *_: came.append(1)), blocked(SIGUSR1):
        raise_signal(SIGUSR1)
        pselect([], [], [], mask=set(), timeout=0.01)
    assert came


A_LIST = "open() of a file in /proc asks for its block size, and does without"
GONE = "a descriptor that is closed while we look is left out"
NOT_KNOWN = "what cannot be opened or asked is not known, as if we were not allowed to"
TOLERATED = {
    "a_glance_at_files": {(name, None): NOT_KNOWN for name in ("open", "fstat", "pread", "fcntl", "syscall")},
    "a_look_at_a_process": {
        ("readlinkat", None): GONE,
        ("fstatat", None): GONE,
        ("syscall(openat2)", EAGAIN): "somebody renames at this moment: it is asked again, a few times",
    },
    "a_fork_with_a_death_signal": {("write", None): "the child ends its end then, and that tells as much"},
    "a_child_that_is_killed": {
        ("fstat", None): A_LIST,
        ("syscall(pidfd_open)", None): "of ourselves: only a child in a pid namespace of its own asks it",
    },
    "a_signal_sent": {("fstat", None): A_LIST},
    "a_timer_that_sends_a_signal": {("ppoll", ENOMEM): "a first, short sleep: the wait that follows tells"},
    "a_counted_signal": {("write", None): "in a signal handler nobody can be told; the count is right"},
}
