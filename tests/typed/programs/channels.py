"""Channels: what `codec` says is what is sent and received; without one it is bytes."""

from __future__ import annotations

import ctypes
import dataclasses
import struct
from typing import Any, assert_type

from numpy.typing import NDArray

from unixipc import channel
from unixipc.codec import ArrayCodec, MsgspecCodec, PickleCodec, StructCodec


@dataclasses.dataclass
class Ship:
    guns: int


class Point(ctypes.Structure):
    pass


class Hundredths:
    def encode(self, value: float) -> bytes:
        return str(round(value * 100)).encode()

    def decode(self, body: bytes) -> float:
        return int(body) / 100


def by_codec(handle: int, text: str, perhaps: str | None, unknown: Any) -> None:
    assert_type(channel.Queue(handle), channel.Queue[bytes])
    assert_type(channel.Queue(handle, codec=Ship), channel.Queue[Ship])
    assert_type(channel.Queue.create("q"), channel.Queue[bytes])
    assert_type(channel.Queue.open("q", "numpy"), channel.Queue[NDArray[Any]])
    assert_type(channel.Queue.ensure("q", codec=ArrayCodec()), channel.Queue[NDArray[Any]])
    assert_type(channel.Queue.temporary("q", 4096, "refuse", codec=Ship, mode=0o600), channel.Queue[Ship])
    assert_type(channel.Queue.anonymous(codec=Point), channel.Queue[Point])
    assert_type(channel.Queue.open("q", Hundredths()), channel.Queue[float])
    assert_type(channel.Queue.open("q", MsgspecCodec(dict[str, int])), channel.Queue[dict[str, int]])
    assert_type(channel.Queue.open("q", StructCodec("30s i")), channel.Queue[tuple[Any, ...]])
    assert_type(channel.Queue.open("q", struct.Struct("i")), channel.Queue[Any])
    assert_type(channel.Queue.open("q", MsgspecCodec()), channel.Queue[Any])
    assert_type(channel.Queue.open("q", PickleCodec()), channel.Queue[Any])
    assert_type(channel.Queue.open("q", "msgpack"), channel.Queue[Any])
    assert_type(channel.Queue.open("q", text), channel.Queue[Any])
    assert_type(channel.Queue.open("q", perhaps), channel.Queue[Any])
    assert_type(channel.Queue.create("q", 4096, "wait", Ship), channel.Queue[Any])
    assert_type(channel.Topic.create("t"), channel.Topic[bytes])
    assert_type(channel.Topic.anonymous(codec="numpy").publisher(), channel.Publisher[NDArray[Any]])
    assert_type(channel.Topic.ensure("t", codec=Ship).subscriber("tell"), channel.Subscriber[Ship])


def bytes_are_bytes(queue: channel.Queue[bytes]) -> None:
    with queue.sender() as sender, queue.receiver() as receiver:
        sender.send(b"x")
        sender.send(memoryview(b"x"))
        sender.send_many([b"x", bytearray(b"y")])
        sender.send("text")  # type: ignore[call-overload]
        sender.send(1)  # type: ignore[call-overload]
        sender.try_send("text")  # type: ignore[call-overload]
        sender.send_many(["text"])  # type: ignore[list-item]
        assert_type(receiver.receive(timeout=1), bytes)
        assert_type(receiver.try_receive(), bytes | None)
        assert_type(receiver.receive_many(), list[bytes])
        for message in receiver:
            assert_type(message, bytes)
        with receiver.peek() as seen, receiver.lease() as job, sender.reserve(3) as room:
            assert_type(seen, memoryview)
            assert_type(job, bytes)
            assert_type(room, memoryview)


def arrays(frames: channel.Topic[NDArray[Any]]) -> None:
    with frames.publisher() as camera, frames.subscriber() as viewer, viewer.peek() as frame:
        camera.send(frame)
        camera.send(b"x")  # type: ignore[arg-type]
        assert_type(frame, NDArray[Any])
        assert_type(viewer.receive(), NDArray[Any])


def objects(ships: channel.Queue[Ship]) -> None:
    ships.sender().send(Ship(3))
    ships.sender().send(b"x")  # type: ignore[arg-type]
    with ships.receiver().lease() as ship:
        assert_type(ship, Ship)


def nobody_said(queue: channel.Queue, sender: channel.Sender, receiver: channel.Receiver) -> None:
    """Programs that name no type go on as they were."""
    sender.send("text")
    queue.sender().send({"a": 1})
    assert_type(receiver.receive(), Any)
    with queue.receiver().peek() as frame:
        assert_type(frame, Any)
