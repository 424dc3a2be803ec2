"""Ours and the peers', each as a way to send messages from one process to another, for `bench.channel`.

A way is made before the fork. `sender` and `receiver` are called in the process that uses them, and give a call: one
that waits, or one that has to be repeated until it is true (or not None): the loops in `bench.channel` do that.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from glob import glob
from typing import Any, ClassVar

from unixipc import channel

from . import harness

WAIT_S = 20.0
Call = Callable[..., Any]


class Way:
    """One channel for messages of `size` bytes, `count` of them at most, in a ring of `capacity` bytes."""

    name: ClassVar[str]
    kind: ClassVar[str] = "peer"
    needs: ClassVar[str | None] = None
    send_must_be_repeated = receive_must_be_repeated = False
    blocks = True  # who waits sleeps, sooner or later
    loses = False
    slow: ClassVar[int] = 1  # so much fewer messages, as time is short
    at_most_bytes: ClassVar[int] = 1 << 30

    def __init__(self, size: int, count: int, capacity: int) -> None:
        self.size, self.count, self.capacity = size, count, capacity
        self.make()

    @classmethod
    def here(cls) -> bool:
        return cls.needs is None or harness.has(cls.needs)

    def make(self) -> None:
        raise NotImplementedError

    def sender(self) -> Call:
        raise NotImplementedError

    def receiver(self) -> Call:
        raise NotImplementedError

    def finish(self) -> None:
        """Behind the last message: in the sender, and in every subscriber of a topic."""

    def close(self) -> None:
        """In the parent, when both are done."""


class Ours(Way):
    name, kind = "unixipc Queue", "ours"

    def make(self) -> None:
        self.queue = channel.Queue.anonymous(self.capacity)

    def sender(self) -> Call:
        self.end = self.queue.sender()
        return self.end.send

    def receiver(self) -> Call:
        self.end = self.queue.receiver()
        return self.end.receive

    def close(self) -> None:
        self.queue.close()


class Pipe(Way):
    name, kind, slow = "multiprocessing.Pipe", "stdlib", 8

    def make(self) -> None:
        from multiprocessing import Pipe as make_pipe

        self.source, self.sink = make_pipe(duplex=False)

    def sender(self) -> Call:
        return self.sink.send_bytes

    def receiver(self) -> Call:
        return self.source.recv_bytes

    def close(self) -> None:
        self.source.close()
        self.sink.close()


class SimpleQueue(Way):
    name, kind, slow = "multiprocessing.SimpleQueue", "stdlib", 16

    def make(self) -> None:
        from multiprocessing import SimpleQueue as Make

        self.queue = Make()

    def sender(self) -> Call:
        return self.queue.put

    def receiver(self) -> Call:
        return self.queue.get

    def close(self) -> None:
        self.queue.close()


class FeederQueue(SimpleQueue):
    name, slow = "multiprocessing.Queue", 16

    def make(self) -> None:
        from multiprocessing import Queue as make_queue

        self.queue = make_queue(1000)

    def finish(self) -> None:
        self.queue.close()
        self.queue.join_thread()

    def close(self) -> None:
        self.finish()


class Zmq(Way):
    name, needs, slow = "pyzmq PUSH/PULL ipc", "zmq", 8

    def make(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.address = f"ipc://{self.folder.name}/s"

    def sender(self) -> Call:
        import zmq

        self.socket = zmq.Context().socket(zmq.PUSH)  # a context has threads: each process makes its own
        self.socket.setsockopt(zmq.RECONNECT_IVL, 1)  # it may be there before the other one
        self.socket.connect(self.address)
        return self.socket.send

    def receiver(self) -> Call:
        import zmq

        self.socket = zmq.Context().socket(zmq.PULL)
        self.socket.bind(self.address)
        return self.socket.recv

    def finish(self) -> None:
        context = self.socket.context
        self.socket.close()
        context.term()  # in the sender: until everything is out

    def close(self) -> None:
        self.finish()
        self.folder.cleanup()


class FasterFifo(Way):
    name, needs, slow = "faster-fifo", "faster_fifo", 8

    def make(self) -> None:
        import faster_fifo

        self.queue = faster_fifo.Queue(self.capacity, loads=bytes, dumps=bytes)  # bytes as they are, no pickling

    def sender(self) -> Call:
        return self.queue.put

    def receiver(self) -> Call:
        return self.queue.get


class Cloudtoid(Way):
    name, needs = "cloudtoid-interprocess", "cloudtoid_interprocess"
    send_must_be_repeated = True

    def make(self) -> None:
        self.folder = tempfile.TemporaryDirectory()

    def _end(self, kind: str) -> Any:
        import cloudtoid_interprocess

        name = os.path.basename(self.folder.name)  # it wakes by the name alone, whatever the folder
        return getattr(cloudtoid_interprocess, kind)(name, self.capacity, self.folder.name)

    def sender(self) -> Call:
        self.end = self._end("Publisher")
        return self.end.try_send

    def receiver(self) -> Call:
        self.end = self._end("Subscriber")
        receive = self.end.receive
        return lambda: receive(WAIT_S)

    def close(self) -> None:
        self.end.close()
        self.folder.cleanup()


class CloudtoidSpinning(Cloudtoid):
    name = "cloudtoid-interprocess, spinning"
    receive_must_be_repeated, blocks = True, False

    def receiver(self) -> Call:
        self.end = self._end("Subscriber")
        return self.end.try_receive


class Membridge(Way):
    name, needs = "membridge, spinning", "membridge"
    send_must_be_repeated = receive_must_be_repeated = True
    blocks = False

    def make(self) -> None:
        import membridge

        self.path = f"/unixipc-bench-{os.urandom(6).hex()}"
        self.memory = membridge.SharedMemory.create(self.path, self.capacity + 24)
        self.memory.spsc()

    def _ring(self) -> Any:
        import membridge

        self.end = membridge.SharedMemory.open(self.path)
        return self.end.spsc()

    def sender(self) -> Call:
        return self._ring().push

    def receiver(self) -> Call:
        return self._ring().pop

    def close(self) -> None:
        import membridge

        membridge.SharedMemory.remove(self.path)


class Kickmsg(Way):
    """It overwrites what is not read in time, so its ring holds a whole slice: nothing is lost, and nobody waits."""

    name, needs = "kickmsg (lossy)", "kickmsg"
    loses, at_most_bytes = True, 4096
    receive_must_be_repeated = True

    def make(self) -> None:
        import kickmsg

        config = kickmsg.Config()
        config.max_subscribers, config.max_payload_size = 1, self.size
        config.sub_ring_capacity = 1 << (self.count * 2).bit_length()
        config.pool_size = config.sub_ring_capacity
        self.path = f"/unixipc-bench-{os.urandom(6).hex()}"
        self.region = kickmsg.SharedRegion.create(self.path, kickmsg.ChannelType.PubSub, config, "bench")

    def sender(self) -> Call:
        import kickmsg

        self.end = kickmsg.Publisher(self.region)
        return self.end.send

    def receiver(self) -> Call:
        import kickmsg

        self.end = kickmsg.Subscriber(self.region)
        return self.end.try_receive

    def close(self) -> None:
        self.region.unlink()


class TopicWay(Way):
    """A topic whose publisher waits for every subscriber."""

    name, kind = "unixipc Topic", "ours"

    def make(self) -> None:
        self.topic = channel.Topic.anonymous(self.capacity)

    def sender(self) -> Call:
        self.end = self.topic.publisher()
        return self.end.send

    def receiver(self) -> Call:
        self.end = self.topic.subscriber()
        return self.end.receive

    def close(self) -> None:
        self.topic.close()


class Iceoryx2(Way):
    """Its publisher waits for subscribers that are slow; who receives has to ask again and again."""

    name, needs, slow = "iceoryx2, spinning", "iceoryx2", 20
    receive_must_be_repeated, blocks = True, False

    def make(self) -> None:
        self.path, self.before = f"unixipc-bench-{os.urandom(6).hex()}", self._files()

    def _files(self) -> set[str]:
        return {name for place in ("/dev/shm/iox2_*", "/tmp/iceoryx2") for name in glob(place)}

    def _service(self) -> Any:
        import ctypes

        import iceoryx2

        iceoryx2.set_log_level(iceoryx2.LogLevel.Fatal)
        self.node = iceoryx2.NodeBuilder.new().create(iceoryx2.ServiceType.Ipc)
        name = iceoryx2.ServiceName.new(self.path)
        service = self.node.service_builder(name).publish_subscribe(iceoryx2.Slice[ctypes.c_uint8])
        return service.subscriber_max_buffer_size(1024).enable_safe_overflow(False).open_or_create()

    def sender(self) -> Call:
        import iceoryx2

        self.service = self._service()
        builder = self.service.publisher_builder().initial_max_slice_len(self.size)
        self.end = builder.backpressure_strategy(iceoryx2.BackpressureStrategy.RetryUntilDelivered).create()
        loan, size = self.end.loan_slice_uninit, self.size
        from ctypes import memmove

        def send(data: bytes) -> None:
            sample = loan(size)
            memmove(sample.payload().data_ptr, data, size)
            sample.assume_init().send()

        return send

    def receiver(self) -> Call:
        from ctypes import string_at

        self.service = self._service()
        self.end = self.service.subscriber_builder().create()
        receive, size = self.end.receive, self.size

        def take() -> bytes | None:
            sample = receive()
            if sample is None:
                return None
            data = string_at(sample.payload().data_ptr, size)
            sample.delete()
            return data

        return take

    def finish(self) -> None:
        for each in (self.end, self.service, self.node):
            getattr(each, "delete", int)()

    def close(self) -> None:
        """It leaves some files behind."""
        for name in self._files() - self.before:
            if os.path.isdir(name):
                shutil.rmtree(name, ignore_errors=True)
            else:
                with suppress(FileNotFoundError):
                    os.unlink(name)


ALL: tuple[type[Way], ...] = (
    Ours,
    Pipe,
    SimpleQueue,
    FeederQueue,
    Zmq,
    FasterFifo,
    Cloudtoid,
    CloudtoidSpinning,
    Membridge,
    Kickmsg,
)
