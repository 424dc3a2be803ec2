"""The same names and signatures: what waits is awaitable in the twin, what does not is as it was."""

from __future__ import annotations

import inspect

import pytest

from unixipc import (
    EventFd,
    Fifo,
    FileLock,
    PipeReader,
    PipeWriter,
    Process,
    RecordLock,
    aio,
    channel,
    framing,
    locks,
    mapping,
    pipeline,
    posix,
    signals,
    sockets,
)
from unixipc.pipeline import Pipeline
from unixipc.process import Child

TWINS = [
    (PipeReader, aio.PipeReader, {"read", "read_exactly"}),
    (PipeWriter, aio.PipeWriter, {"write", "write_all"}),
    (EventFd, aio.EventFd, {"add", "take"}),
    (Fifo, aio.Fifo, {"reader", "writer"}),
    (Process, aio.Process, {"wait_end"}),
    (Child, aio.Child, {"wait", "wait_end"}),
    (Pipeline, aio.Pipeline, {"run"}),
    (framing.FrameReader, aio.framing.FrameReader, {"receive"}),
    (framing.FrameWriter, aio.framing.FrameWriter, {"send", "flush"}),
    (sockets.Connection, aio.sockets.Connection,
     {"read", "read_exactly", "write", "write_all", "send", "receive"}),
    (sockets.Listener, aio.sockets.Listener, {"accept"}),
    (sockets.Datagrams, aio.sockets.Datagrams, {"send_to", "receive_from"}),
    (signals.SignalStream, aio.signals.SignalStream, {"receive"}),
    (signals.Counter, aio.signals.Counter, {"wait"}),
    (signals.Latch, aio.signals.Latch, {"wait"}),
    (signals.Timer, aio.signals.Timer, {"wait"}),
    (FileLock, aio.FileLock, {"acquire", "upgrade"}),
    (RecordLock, aio.RecordLock, {"acquire", "upgrade"}),
    (locks.Lease, aio.locks.Lease, {"wait_for_break"}),
    (posix.MessageQueue, aio.posix.MessageQueue, {"send", "receive"}),
    (posix.Semaphore, aio.posix.Semaphore, {"acquire"}),
]  # fmt: skip
BENEATH = {
    *("reading", "writing", "hold"),  # take a timeout for the ``with`` that they give
    *("acquire_for", "convert", "wait_until_possible"),  # what the twins are made of
}
METHODS = [(sync, twin, name) for sync, twin, names in TWINS for name in sorted(names)]


@pytest.mark.parametrize(("sync", "twin", "name"), METHODS, ids=lambda each: getattr(each, "__name__", each))
def test_a_waiting_method_is_awaitable_with_the_same_parameters(sync, twin, name):
    ours, theirs = getattr(twin, name), getattr(sync, name)
    assert inspect.iscoroutinefunction(ours)
    expected = list(inspect.signature(theirs).parameters)
    assert list(inspect.signature(ours).parameters) == expected
    assert "timeout" in expected


@pytest.mark.parametrize(("sync", "twin", "name"), METHODS, ids=lambda each: getattr(each, "__name__", each))
def test_every_waiting_method_has_a_try_that_never_waits(sync, twin, name):
    without_a_try = {"write_all", "run", "wait_end"}  # their try is another's: try_write; a program runs or does not
    if name in without_a_try:
        return
    for owner in (sync, twin):
        attempt = getattr(owner, f"try_{name}")
        assert not inspect.iscoroutinefunction(attempt)


def waiting_methods(cls):
    return {
        name
        for name, method in inspect.getmembers(cls, callable)
        if not name.startswith("_") and "timeout" in getattr(inspect_signature(method), "parameters", ())
    }


def inspect_signature(method):
    try:
        return inspect.signature(method)
    except (TypeError, ValueError):
        return None


@pytest.mark.parametrize(("sync", "twin", "names"), TWINS, ids=lambda each: getattr(each, "__name__", ""))
def test_no_waiting_method_is_missing_from_this_list(sync, twin, names):
    inherited = {"receive", "send"} if sync is sockets.Datagrams else set()
    inherited |= {"read", "write"} if sync is sockets.Datagrams else set()
    inherited |= BENEATH
    assert waiting_methods(sync) - inherited == names


def test_functions_too():
    for name in ("connect", "listen", "bind"):
        assert inspect.iscoroutinefunction(getattr(aio.sockets, name))
    for name in ("splice", "tee", "vmsplice", "wait_any"):
        assert inspect.iscoroutinefunction(getattr(aio, name))
    assert isinstance(aio.pipeline(["true"]), aio.Pipeline)
    assert isinstance(pipeline(["true"]), Pipeline)


# Below: the rooms whose twins have everything of their sync ones, with the same words.

CLOSE = {"close", "closed"}  # the twin's are one for all handles
OF_THE_DESCRIPTOR = {"detach", "dup", "dup2", "use_fifo", "use_flag", "use_per_call"}  # the handle itself is `sync`
CORRIDOR = {"add_sleeper", "remove_sleeper", "wake_sleepers", "sleepers", "check_open"}
BENEATH_LOCKS = {"acquire_for", "try_acquire_for", "release_for", "sleep_in_kernel", "sleep_in_turn", "convert",
                 "give_up", "leave", "forget", "held_by"}  # fmt: skip
BENEATH_TIMERS = {"set_ns", "left_ns"}
BENEATH_LEASES = {"forget", "kind", "refuse_now", "sleep_until_break"}
AS_GIVEN = {"path", "shared", "timeout"}  # what the constructor was told: `sync` has it
BENEATH_POSIX = {"attributes", "register", "unregister", "send_or_none", "temporary_one", "acquire_in_kernel",
                 "look_in_kernel", "wait_until_possible"}  # fmt: skip
AS_MADE = {"capacity_bytes", "when_full", "kind"}  # facts about the file: `sync` has them
BENEATH_CHANNELS = {
    "forget",
    "facts",
    "topic_facts",
    "members",
    "subscribers",
    "check_memory",
    "was_here",
    "dead_members",
}
WHOLE = [
    (signals.SignalStream, aio.signals.SignalStream, OF_THE_DESCRIPTOR),
    (signals.Counter, aio.signals.Counter, set()),
    (signals.Latch, aio.signals.Latch, set()),
    (signals.Timer, aio.signals.Timer, OF_THE_DESCRIPTOR | BENEATH_TIMERS),
    (FileLock, aio.FileLock, BENEATH_LOCKS | AS_GIVEN),
    (RecordLock, aio.RecordLock, BENEATH_LOCKS | AS_GIVEN),
    (locks.Lease, aio.locks.Lease, OF_THE_DESCRIPTOR | BENEATH_LEASES),
    (posix.MessageQueue, aio.posix.MessageQueue, OF_THE_DESCRIPTOR | BENEATH_POSIX),
    (posix.Semaphore, aio.posix.Semaphore, BENEATH_POSIX),
    (channel.Queue, aio.channel.Queue, OF_THE_DESCRIPTOR | AS_MADE),
    (channel.Topic, aio.channel.Topic, OF_THE_DESCRIPTOR | AS_MADE),
    (channel.Sender, aio.channel.Sender, BENEATH_CHANNELS),
    (channel.Receiver, aio.channel.Receiver, BENEATH_CHANNELS),
    (channel.Publisher, aio.channel.Publisher, BENEATH_CHANNELS),
    (channel.Subscriber, aio.channel.Subscriber, BENEATH_CHANNELS),
]
whole = pytest.mark.parametrize(("sync", "twin", "without"), WHOLE, ids=lambda each: getattr(each, "__name__", ""))


def public(cls, without):
    return sorted(name for name in dir(cls) if not name.startswith("_") and name not in without | CORRIDOR)


def first_line(thing):
    return (inspect.getdoc(thing) or "").split("\n")[0].replace("``async with``", "``with``")


def shape(method):
    parameters = inspect.signature(method).parameters.values()
    return [(each.name, each.kind, each.default) for each in parameters if each.name != "self"]


@whole
def test_a_twin_has_every_public_name(sync, twin, without):
    assert [name for name in public(sync, without) if not hasattr(twin, name)] == []
    assert without <= set(dir(sync)) | BENEATH_POSIX, "the list of exceptions is true"


@whole
def test_a_twin_has_the_same_signatures_and_defaults(sync, twin, without):
    for name in public(sync, without):
        if callable(getattr(sync, name)):
            assert shape(getattr(twin, name)) == shape(getattr(sync, name)), name


@whole
def test_a_twin_says_the_same_in_its_first_line(sync, twin, without):
    unsaid = {"name"}  # an attribute of native classes, which have no docstrings for those
    for name in public(sync, without | CLOSE | unsaid):
        if (said := first_line(getattr(sync, name))) or callable(getattr(sync, name)):
            assert first_line(getattr(twin, name)) == said, name


@pytest.mark.parametrize(
    "cls", [(FileLock, aio.FileLock), (RecordLock, aio.RecordLock)], ids=lambda pair: pair[0].__name__
)
def test_a_twin_is_made_in_the_same_way(cls):
    sync, twin = cls
    assert shape(twin.__init__) == shape(sync.__init__)


WITHOUT_A_TWIN = {
    "signals": {
        *("Action", "SignalInfo", "SignalState", "TimerLeft"),  # values
        *("action_of", "handling", "mask", "pending", "send", "sigaction", "state_of"),  # never wait
        *("SignalTimer", "on_ready"),  # never wait: what they send is a signal, for a stream
        "alternate_stack",  # of a thread, for C handlers
        "blocked",  # the mask of a thread, which all tasks share
        *("suspend", "pselect"),  # sleep with another mask, which an event loop does not: read a stream instead
    },
    "locks": {"Holder", "probe", "try_lock_range", "unlock_range"},  # a value; never wait
}


@pytest.mark.parametrize(("room", "without"), WITHOUT_A_TWIN.items(), ids=WITHOUT_A_TWIN)
def test_what_a_room_s_twin_lacks_never_waits_or_has_a_reason(room, without):
    sync, twin = {"signals": signals, "locks": locks}[room], getattr(aio, room)
    assert set(sync.__all__) - set(twin.__all__) <= without
    assert without <= set(sync.__all__)
    assert set(twin.__all__) <= set(sync.__all__)


@pytest.mark.parametrize(
    ("sync", "twin"),
    [
        (signals.wait_for, aio.signals.wait_for),
        (signals.try_wait_for, aio.signals.try_wait_for),
        (locks.lock_range, aio.locks.lock_range),
    ],
    ids=lambda each: each.__name__,
)
def test_functions_have_the_same_parameters_and_words(sync, twin):
    assert shape(sync) == shape(twin)
    assert first_line(sync) == first_line(twin)
    assert inspect.iscoroutinefunction(twin) is not sync.__name__.startswith("try_")


@pytest.mark.parametrize(("room", "twin"), [(posix, aio.posix), (mapping, aio.mapping)], ids=["posix", "mapping"])
def test_every_name_of_the_room_is_there_and_what_does_not_wait_is_the_same(room, twin):
    assert twin.__all__ == room.__all__
    for name in room.__all__:
        ours, theirs = getattr(twin, name), getattr(room, name)
        waits = isinstance(theirs, type) and waiting_methods(theirs)
        assert (ours is not theirs) if waits else (ours is theirs)


def test_memory_under_aio():
    with aio.posix.SharedMemory.temporary(10) as memory, memory.map() as mine, aio.map_file(memory, "r") as yours:
        mine.buffer[0] = 7
        assert yours.buffer[0] == 7
    assert (aio.MemFd, aio.map_anonymous) == (mapping.MemFd, mapping.map_anonymous)


def test_mapped_memory_is_its_own_twin_as_nothing_in_it_waits():
    waits = {name for each in (mapping.Mapping, mapping.MemFd, posix.SharedMemory) for name in waiting_methods(each)}
    assert waits == set()
