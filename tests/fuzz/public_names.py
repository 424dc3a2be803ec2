"""Calls public names at random, with values of every kind, selves of other classes, codecs and numbers that run code in
the middle of calls, finalizers, threads that close, and a signal handler that raises. It ends with status 0, or not.

Usage: public_names.py SEED CALLS LOG    each call is written to LOG before it is made
"""

from __future__ import annotations

import faulthandler
import gc
import inspect
import mmap
import os
import pathlib
import random
import resource
import signal
import sys
import threading
import warnings

from unixipc import channel, event, fifo, framing, locks, mapping, pipe, posix, robust, signals, sockets, sysv
from unixipc.testing.namespaces import enter_own_ipc_namespace

sys.path.insert(0, str(pathlib.Path(__file__).parents[2]))

from tests.private import enter_own_shared_memory

WAIT = 0.002
ALIVE = 12  # objects at a time
LEFT_ALONE = {
    # numbers of the process itself, and names that others of this run have
    "remove", "detach", "dup2", "fileno", "pid",
    "__class__", "__init_subclass__", "__subclasshook__", "__new__", "__init__", "__del__", "__getattribute__",
    "__setattr__", "__delattr__", "__dir__", "__reduce__", "__reduce_ex__", "__sizeof__", "__iter__", "__next__",
}  # fmt: skip
LETTERS = "abcdef"


class Evil:
    """A number, text, buffer or iterable that does something to somebody when it is looked at."""

    def __init__(self, act, value):
        self.act, self.value = act, value

    def __index__(self):
        self.act()
        return int(self.value)

    def __float__(self):
        self.act()
        return float(self.value)

    def __fspath__(self):
        self.act()
        return f"evil-{self.value}"

    def __iter__(self):
        self.act()
        return iter([b"x", self.value])

    def __len__(self):
        self.act()
        return 3

    def __ge__(self, other):
        self.act()
        return True

    __lt__ = __le__ = __gt__ = __ge__

    def encode(self, value):
        """As a codec does."""
        self.act()
        return b"encoded"

    def decode(self, data):
        """As a codec does."""
        self.act()
        return data


class Finalizer:
    """Does it when the collector comes."""

    def __init__(self, act):
        self.act, self.me = act, self

    def __del__(self):
        self.act()


class World:
    """The objects that there are, and what may be made."""

    def __init__(self, seed):
        self.chance, self.alive, self.in_call = random.Random(seed), [], False
        self.number = 0

    def name(self):
        """A name that only this process uses."""
        return f"fuzz-{os.getpid()}-{self.chance.choice(LETTERS)}"

    def make(self):
        """One more object, or several that belong together."""
        made = self.chance.choice(MAKERS)(self)
        self.alive += made if isinstance(made, (list, tuple)) else [made]
        while len(self.alive) > ALIVE:
            self.alive.pop(self.chance.randrange(len(self.alive)))

    def disturb(self):
        """What a finalizer, a codec or a thread may do to somebody else's object."""
        if self.alive:
            victim = self.chance.choice(self.alive)
            quietly(getattr(victim, self.chance.choice(["close", "close", "cancel", "release", "stat"]), len))

    def value(self):
        """A value of any kind."""
        kind = self.chance.randrange(8)
        if kind == 0:
            return Evil(self.disturb, self.chance.choice([0, 1, 5, -1, 2**40, 0.001]))
        if kind == 1 and self.alive:
            return self.chance.choice(self.alive)
        if kind == 2:
            return lambda *_args: self.disturb()
        if kind == 3:
            return self.name()
        return self.chance.choice(VALUES)

    def later(self):
        """A thread that disturbs just when the next call runs."""
        threading.Timer(self.chance.random() * 0.001, self.disturb).start()


VALUES = (
    None, True, 0, 1, 2, 3, 7, 15, 64, 100, 4096, -1, -(2**31), 2**31, 2**32, 2**63, 2**64, 10**30, complex(1, 2),
    0.0, 0.5, -1.5, float("nan"), float("inf"), b"", b"x", b"x" * 100, b"y" * 20_000, bytearray(64), memoryview(b"abc"),
    memoryview(bytearray(16))[::2], "", "x", "/x", "a/b", "\0", "\udc80", "x" * 300, (), (1, 2), [], [b"a", b"b"],
    [None], {}, {"a": 1}, set(), object(), int, len, Ellipsis, "shared", "read", "write", "wait", "tell", "rw",
    "stream", "seqpacket",
)  # fmt: skip


def quietly(call, *args, **named):
    """Any exception will do: what counts is that there is a process to see it."""
    try:
        return call(*args, **named)
    except BaseException as error:
        if isinstance(error, SystemExit):
            raise
        return None


def a_channel(world):
    kind = world.chance.choice([channel.Queue, channel.Topic])
    codec = world.chance.choice([None, None, Evil(world.disturb, 1)])
    full = world.chance.choice(["wait", "refuse", "drop_oldest"])
    made = kind.anonymous(4096, full, codec)
    if kind is channel.Topic:
        return made, made.publisher(), made.subscriber(world.chance.choice(["wait", "tell"]))
    sender, receiver = made.sender(), made.receiver(world.chance.random() < 0.3)
    quietly(sender.try_send, b"first")
    return made, sender, receiver, *filter(None, [quietly(sender.try_reserve, 50), quietly(receiver.try_lease)])


def a_robust_lock(world):
    memory = mmap.mmap(-1, 4096)
    kind = world.chance.choice([robust.Mutex, robust.RWLock, robust.Semaphore, robust.Condition])
    made = kind.create(memory)
    return made, made


def a_system_v_object(world):
    kind = world.chance.randrange(3)
    if kind == 0:
        return sysv.MessageQueue.temporary()
    if kind == 1:
        made = sysv.SemaphoreSet.temporary([1, 0, 2])
        return made, made[0]
    made = sysv.SharedMemory.temporary(8192)
    return made, made.attach()


def a_posix_object(world):
    name = "/" + world.name()
    kind = world.chance.randrange(3)
    if kind == 0:
        return posix.MessageQueue.ensure(name)
    return posix.Semaphore.ensure(name, 1) if kind == 1 else posix.SharedMemory.ensure(name, 4096)


def a_socket(world):
    if world.chance.random() < 0.5:
        return sockets.pair(world.chance.choice(["stream", "seqpacket"]))
    return sockets.listen("@" + world.name(), takeover=False)


def a_framer(world):
    reader, writer = pipe()
    return framing.FrameReader(reader), framing.FrameWriter(writer)


def a_mapping(world):
    made = mapping.MemFd.create("fuzz", 8192)
    return made, made.map("rw"), mapping.map_anonymous(4096)


MAKERS = (
    a_channel, a_channel, a_robust_lock, a_system_v_object, a_posix_object, a_socket, a_framer, a_mapping,
    lambda world: pipe(), lambda world: event.EventFd(),
    lambda world: locks.FileLock(world.name()), lambda world: locks.RecordLock(world.name()),
    lambda world: fifo.Fifo.ensure(world.name()), lambda world: signals.SignalStream(signal.SIGUSR2),
    lambda world: signals.Counter(signal.SIGUSR2), lambda world: signals.Timer(),
)  # fmt: skip


def named_arguments(method, world):
    """A time limit wherever there may be a wait."""
    try:
        known = inspect.signature(method).parameters
    except (TypeError, ValueError):
        return {}
    return {"timeout": world.chance.choice([0, WAIT, WAIT, Evil(world.disturb, WAIT)])} if "timeout" in known else {}


def one_call(world, log):
    """Something public of something that is there, or of its class with another self."""
    target = world.chance.choice(world.alive)
    names = [each for each in dir(type(target)) if each not in LEFT_ALONE and (each[0] != "_" or each[:2] == "__")]
    if not names:
        return
    name = world.chance.choice(names)
    args = [world.value() for _ in range(world.chance.choice([0, 1, 1, 1, 2, 3]))]
    wrong = world.chance.random() < 0.1
    log(f"{type(target).__name__}.{name} {'of another self' if wrong else ''} {[type(each).__name__ for each in args]}")
    method = quietly(getattr, type(target) if wrong else target, name)
    if not callable(method):
        return
    if wrong:
        args.insert(0, world.chance.choice([world.value(), *world.alive]))
    result = quietly(method, *args, **named_arguments(method, world))
    if world.chance.random() < 0.3 and hasattr(result, "__enter__"):
        world.alive.append(result)


def interrupted_call(world, log):
    """The handler may raise in the call, and not in what is around it."""
    world.in_call = True
    try:
        one_call(world, log)
    finally:
        world.in_call = False


def main():
    seed, calls, path = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    faulthandler.enable()
    enter_own_ipc_namespace()  # what the calls make there goes with us
    enter_own_shared_memory()
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))
    sys.unraisablehook = lambda _unraisable: None
    threading.excepthook = lambda _failed: None
    world = World(seed)

    def interrupt(_number, _frame):
        if world.in_call and world.chance.random() < 0.5:
            raise KeyboardInterrupt
        world.disturb()

    signal.signal(signal.SIGALRM, interrupt)
    with open(path, "w", buffering=1, encoding="utf-8", errors="replace") as file:
        for number in range(calls):
            if not world.alive or world.chance.random() < 0.2:
                quietly(world.make)
            if not world.alive:
                continue
            if world.chance.random() < 0.05:
                Finalizer(world.disturb)
                gc.set_threshold(world.chance.choice([1, 5, 50, 700]))
            if world.chance.random() < 0.03:
                quietly(world.later)
            signal.setitimer(signal.ITIMER_REAL, world.chance.choice([0.0005, 0.02, 0.1]), 0.1)
            quietly(interrupted_call, world, lambda text, number=number: file.write(f"{number} {text}\n"))
            signal.setitimer(signal.ITIMER_REAL, 0)
    os._exit(0)


if __name__ == "__main__":
    main()
