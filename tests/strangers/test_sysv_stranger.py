"""A C program at the other side of a queue: structures both ways (Q05, Q21, S22), types, MSG_EXCEPT, its end."""

import ctypes
import dataclasses
import errno
import signal
import subprocess
import time
from typing import Annotated

import pytest

from unixipc import Exited, Killed, spawn
from unixipc.codec import codec_of
from unixipc.sysv import Key, Message, MessageQueue

WAIT = 20
PATIENCE = 0.05
pytestmark = pytest.mark.usefixtures("own_ipc_namespace")


@dataclasses.dataclass
class Pirate:
    name: Annotated[bytes, 30]
    ship: Annotated[bytes, 1]
    notoriety: ctypes.c_int
    cargo: float
    flag: ctypes.c_char


@dataclasses.dataclass
class ShortPirate:
    name: Annotated[bytes, 30]
    ship: Annotated[bytes, 1]
    notoriety: int


class CPirate(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char * 30), ("ship", ctypes.c_char), ("notoriety", ctypes.c_int),
        ("cargo", ctypes.c_double), ("flag", ctypes.c_char),
    ]  # fmt: skip


ANNE = Pirate(b"Anne Bonny", b"S", 21, 0.25, b"x")


@pytest.fixture
def key():
    key = Key.random()
    with MessageQueue.create(key) as queue:
        yield key
        queue.remove()


@pytest.fixture
def peer(stranger, key):
    """Start the program with a verb and arguments on our queue."""

    def start(verb, *args):
        return spawn([stranger("sysv_peer"), verb, hex(key), *map(str, args)])

    return start


def test_S22_the_layouts_are_the_compilers(stranger):
    told = subprocess.run([stranger("sysv_peer"), "layout"], capture_output=True, text=True, timeout=WAIT, check=True)
    whole, short = [[int(word) for word in line.split()] for line in told.stdout.splitlines()]
    codec, short_codec = codec_of(Pirate), codec_of(ShortPirate)
    assert [codec.size_bytes, *(getattr(codec.structure, name).offset for name in codec.names)] == whole
    assert [getattr(short_codec.structure, name).offset for name in ("ship", "notoriety")] == short[1:]
    assert (short_codec.size_bytes, short[0]) == (36, 40), "what C sends is longer than what is in it"


def test_Q21_structures_from_c_are_read_whatever_is_in_their_holes(peer, key):
    queue = MessageQueue.open(key, codec=Pirate)
    with peer("send", 20) as child:
        received = [queue.receive(timeout=WAIT) for _ in range(20)]
        assert child.wait(timeout=WAIT) == Exited(0)
    assert received == [Message(2**32 + i, Pirate(b"pirate %d" % i, b"S", -i, i / 4, b"f")) for i in range(1, 21)]


@pytest.mark.parametrize("form", ["dataclass", "ctypes", "struct"])
def test_Q21_c_waits_for_a_type_beyond_32_bits_and_answers(peer, key, form):
    """Decoys of other types, equal in 32 bits, are there before."""
    type = 2**40 + 5
    codec, value = {
        "dataclass": (Pirate, ANNE),
        "ctypes": (CPirate, CPirate(b"Anne Bonny", b"S", 21, 0.25, b"x")),
        "struct": ("30scidc0l", (b"Anne Bonny", b"S", 21, 0.25, b"x")),
    }[form]
    queue = MessageQueue.open(key, codec=codec)
    queue.send(value, 5)
    with peer("answer", type) as child:
        time.sleep(PATIENCE)
        assert child.has_ended() is False, "it waits"
        queue.send(value, type)
        answered = MessageQueue.open(key, codec=Pirate).receive(type + 1, timeout=WAIT)
        assert child.wait(timeout=WAIT) == Exited(0)
    assert answered.body == dataclasses.replace(ANNE, notoriety=42, cargo=0.5)
    assert len(queue) == 1


def test_S22_what_c_pads_at_the_end_is_read_and_what_we_do_not_pad_c_reads(peer, key):
    queue = MessageQueue.open(key, codec=ShortPirate)
    queue.send(ShortPirate(b"Mary Read", b"W", 100), 7)
    assert queue.stat().used_bytes == 36
    with peer("answer_short", 7) as child:
        assert child.wait(timeout=WAIT) == Exited(0)
    assert queue.stat().used_bytes == 40
    assert queue.receive(8, timeout=WAIT).body == ShortPirate(b"Mary Read", b"W", 200)


def test_Q08_c_takes_everything_but_one_type(peer, key):
    queue = MessageQueue.open(key)
    for type in (9, 3, 9, 2**33):
        queue.send(b"%d" % type, type)
    with peer("pass", 9, 2) as child:
        assert child.wait(timeout=WAIT) == Exited(0)
    assert [queue.receive(timeout=WAIT).body for _ in range(4)] == [b"9", b"9", b"3", b"%d" % 2**33]


def test_Q08_we_take_everything_but_one_type_of_what_c_sends(peer, key):
    queue = MessageQueue.open(key, codec=Pirate)
    with peer("send", 3) as child:
        assert child.wait(timeout=WAIT) == Exited(0)
    taken = [queue.receive(other_than=2**32 + 2, timeout=WAIT).type for _ in range(2)]
    assert taken == [2**32 + 1, 2**32 + 3]
    assert queue.try_receive(other_than=2**32 + 2) is None


def test_Q21_text_has_no_nul_unless_c_sends_one(peer, key):
    queue = MessageQueue.open(key)
    for text in ("ahoy", ""):
        with peer("say", text) as child:
            assert child.wait(timeout=WAIT) == Exited(0)
        assert queue.receive(timeout=WAIT) == Message(1, text.encode())


def test_Q21_c_makes_the_queue_and_we_open_it(stranger):
    key = Key.random()
    with spawn([stranger("sysv_peer"), "say", hex(key), "first"]) as child:
        assert child.wait(timeout=WAIT) == Exited(0)
    with MessageQueue.ensure(key) as queue:
        assert queue.receive(timeout=WAIT).body == b"first"
        queue.remove()


def test_Q15_c_waits_while_the_queue_is_full_until_we_take_something(peer, key):
    queue = MessageQueue.open(key)
    queue.resize(56)
    with peer("send", 2) as child:
        assert queue.receive(2**32 + 1, timeout=WAIT).type == 2**32 + 1
        assert queue.receive(2**32 + 2, timeout=WAIT).type == 2**32 + 2
        assert child.wait(timeout=WAIT) == Exited(0)


def test_Q11_c_is_told_when_we_remove_the_queue_it_waits_in(stranger):
    queue = MessageQueue.create(Key.random())
    with spawn([stranger("sysv_peer"), "answer", hex(queue.key), "1"]) as child:
        time.sleep(PATIENCE)
        queue.remove()
        assert child.wait(timeout=WAIT) == Exited(errno.EIDRM)


def test_a_killed_c_receiver_takes_nothing(peer, key):
    queue = MessageQueue.open(key, codec=Pirate)
    with peer("answer", 3) as child:
        time.sleep(PATIENCE)
        child.kill()
        assert child.wait(timeout=WAIT) == Killed(signal.SIGKILL)
    queue.send(ANNE, 3)
    assert queue.receive(3, timeout=WAIT) == Message(3, ANNE)
