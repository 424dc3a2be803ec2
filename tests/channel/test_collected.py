"""Members that the garbage collector takes, and calls in whose middle it does: nobody else is hurt."""

from __future__ import annotations

import gc
import os
import warnings

import pytest

from unixipc import ClosedError, channel

from .conftest import path_of


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        yield


class Holder:
    """Has a member, and is in a cycle with itself; at its end it makes a new one, as a client that connects again."""

    def __init__(self, member, at_the_end):
        self.member, self.me, self.at_the_end = member, self, at_the_end

    def __del__(self):
        self.at_the_end()


def test_a_collected_member_throws_nobody_else_out(name):
    """Its descriptor's number may be somebody else's by then, and its place too."""
    with channel.Queue.create(name, 1 << 16) as queue, queue.receiver() as receiver:
        gc.collect()
        for _ in range(5):
            new = []
            Holder(queue.sender(), lambda new=new: new.append(queue.sender()))
            gc.collect()
            (sender,) = new
            assert len(queue.stat().senders) == 1
            sender.send(b"hello")
            assert receiver.try_receive() == b"hello"
            assert receiver.try_receive() is None  # no EOFError: a sender is there
            sender.close()
        queue.remove()


def test_a_collected_receiver_gives_back_what_it_had_leased(name):
    with channel.Queue.create(name, 1 << 16) as queue, queue.sender() as sender, queue.receiver() as receiver:
        sender.send(b"job")
        other = queue.receiver()
        lease = other.lease()
        lease.__enter__()
        cycle = [other, lease]
        cycle.append(cycle)
        del other, lease, cycle
        gc.collect()
        assert receiver.receive(timeout=5) == b"job"
        assert len(queue.stat().receivers) == 1
        queue.remove()


def test_a_collected_temporary_channel_is_gone(name):
    made = channel.Queue.temporary(name)
    cycle = [made, made.sender(), made.receiver()]
    cycle.append(cycle)
    del made, cycle
    gc.collect()
    with pytest.raises(FileNotFoundError):
        channel.Queue.open(name)


@pytest.mark.parametrize("kind", ["Queue", "Topic"])
def test_a_temporary_channel_that_nobody_closes_is_gone_at_exit(name, kind, run_python, until):
    """Its members keep it, too: they are held by a module until the interpreter ends."""
    ends = "publisher subscriber" if kind == "Topic" else "sender receiver"
    run_python(
        """
        import os, sys, unixipc
        from unixipc import channel
        name, path, kind, *ends = sys.argv[1:]
        made = getattr(channel, kind).temporary(name)
        unixipc.kept = made, [getattr(made, end)() for end in ends]
        assert os.path.exists(path)
        """,
        name,
        path_of(name),
        kind,
        *ends.split(),
    )
    with pytest.raises(FileNotFoundError):
        getattr(channel, kind).open(name)


# A finalizer that the collector runs in the middle of a call closes what the call is about


class Owner:
    """An ordinary object that owns a channel and closes it when it goes."""

    def __init__(self, kind):
        self.channel = kind.anonymous(4096)
        topic = kind is channel.Topic
        self.sender = self.channel.publisher() if topic else self.channel.sender()
        self.receiver = self.channel.subscriber() if topic else self.channel.receiver()
        self.me = self

    def __del__(self):
        for each in (self.sender, self.receiver, self.channel):
            each.close()


CALLS = {
    "try_reserve": lambda owner: (owner.sender.try_reserve, 10),
    "reserve": lambda owner: (owner.sender.reserve, 10),
    "send": lambda owner: (owner.sender.send, bytearray(100)),
    "send_many": lambda owner: (owner.sender.send_many, [b"a"] * 20),
    "try_peek": lambda owner: (owner.receiver.try_peek,),
    "try_lease": lambda owner: (getattr(owner.receiver, "try_lease", owner.receiver.try_receive),),
    "receive_many": lambda owner: (owner.receiver.receive_many, 10),
    "stat": lambda owner: (owner.channel.stat,),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("kind", [channel.Queue, channel.Topic], ids=["queue", "topic"])
def test_the_collector_may_close_a_member_in_the_middle_of_its_call(kind, call):
    gc.collect()
    before = gc.get_threshold()
    try:
        for turn in range(1, 60):
            gc.disable()
            owner = Owner(kind)
            owner.sender.send(b"x" * 100)
            method, *args = CALLS[call](owner)
            del owner
            gc.set_threshold(turn)  # the n-th allocation from here on collects
            gc.enable()
            try:
                method(*args)
            except ClosedError:
                pass
            finally:
                gc.disable()
            del method, args
            gc.collect()
    finally:
        gc.set_threshold(*before)
        gc.enable()


class Closing:
    """Runs code where a number, bytes or text is expected."""

    def __init__(self, member, value):
        self.member, self.value = member, value

    def __float__(self):
        self.member.close()
        return self.value

    def __index__(self):
        self.member.close()
        return int(self.value)


@pytest.mark.parametrize("name_of", ["receive", "receive_many", "lease", "peek"])
def test_a_time_limit_that_closes_the_receiver_is_looked_at_first(name_of):
    with channel.Queue.anonymous(4096) as queue, queue.sender():
        receiver = queue.receiver()
        with pytest.raises(ClosedError):
            getattr(receiver, name_of)(timeout=Closing(receiver, 0.5))


def test_a_time_limit_that_closes_the_sender_is_looked_at_first():
    with channel.Queue.anonymous(4096) as queue, queue.receiver():
        for call in (
            lambda sender, timeout: sender.send(b"y" * 1000, timeout),
            lambda sender, timeout: sender.send_many([b"y" * 1000], timeout),
            lambda sender, timeout: sender.reserve(1000, timeout),
        ):
            sender = queue.sender()
            while sender.try_send(b"x" * 1000):
                pass
            with pytest.raises(ClosedError):
                call(sender, Closing(sender, 0.5))


def test_a_codec_that_closes_the_sender_is_told():
    class ClosingCodec:
        def encode(self, value):
            value.close()
            return b"x"

        def decode(self, data):
            return data

    with channel.Queue.anonymous(4096) as queue:
        made = channel.Queue(queue.dup().detach(), None, ClosingCodec())
        sender = made.sender()
        with pytest.raises(ClosedError):
            sender.send(sender)
        made.close()


@pytest.mark.parametrize("wrong", [10**6, 2, -1])
def test_a_role_is_one_of_two(wrong):
    with channel.Queue.anonymous(4096) as queue:
        seen = queue._outside()
        for call in (seen.members, seen.dead_members, seen.was_here):
            with pytest.raises(ValueError, match="a role is 0"):
                call(wrong)


@pytest.mark.parametrize("wrong", [b"bytes", 5, None, object()])
def test_a_name_that_is_no_text_is_refused_before_anything_happens(wrong):
    for call in (channel.Queue.open, channel.Queue.create, channel.Queue.ensure, channel.Topic.temporary):
        with pytest.raises(TypeError, match="name is text"):
            call(wrong)


def test_a_receiver_as_a_name_loses_no_message():
    with channel.Queue.anonymous(4096) as queue, queue.sender() as sender, queue.receiver() as receiver:
        sender.send(b"mine")
        with pytest.raises(TypeError):
            channel.Queue.open(receiver)
        assert receiver.try_receive() == b"mine"


def test_a_word_may_be_written_as_posix_names_are(name):
    with channel.Queue.create("/" + name, 4096) as queue, channel.Queue.open(name) as again:
        assert queue.name == again.name == name
        queue.remove()


def test_a_path_object_is_a_path(tmp_path):
    with channel.Queue.create(tmp_path / "q", 4096) as queue:
        assert os.path.samefile(queue.name, tmp_path / "q")
        with channel.Queue.open(tmp_path / "q") as again, again.sender() as sender, queue.receiver() as receiver:
            sender.send(b"x")
            assert receiver.receive(timeout=5) == b"x"
        queue.remove()
    assert not (tmp_path / "q").exists()
