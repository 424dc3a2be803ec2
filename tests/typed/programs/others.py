"""Signals, System V and POSIX queues, arrays in memory: blocking and awaitable."""

from __future__ import annotations

import dataclasses
from typing import Any, assert_type

import numpy
from numpy.typing import NDArray

from unixipc import aio, mapping, posix, signals, sysv


@dataclasses.dataclass
class Ship:
    guns: int


def streams(stream: signals.SignalStream) -> None:
    assert_type(stream.receive(), signals.SignalInfo)
    assert_type(stream.try_receive(), signals.SignalInfo | None)
    assert_type(signals.wait_for([10]), signals.SignalInfo)
    assert_type(signals.try_wait_for([10]), signals.SignalInfo | None)


async def awaitable_streams(stream: aio.signals.SignalStream) -> None:
    assert_type(await stream.receive(), signals.SignalInfo)
    assert_type(stream.try_receive(), signals.SignalInfo | None)


def system_v(key: int, unknown: sysv.MessageQueue, text: str) -> None:
    assert_type(sysv.MessageQueue(key), sysv.MessageQueue[bytes])
    assert_type(sysv.MessageQueue(key, Ship), sysv.MessageQueue[Ship])
    assert_type(sysv.MessageQueue.create(key, codec="numpy"), sysv.MessageQueue[NDArray[Any]])
    assert_type(sysv.MessageQueue.temporary(codec=text), sysv.MessageQueue[Any])
    with sysv.MessageQueue.ensure(key) as queue:
        queue.send(memoryview(b"x"), type=2)
        queue.send("text")  # type: ignore[call-overload]
        assert_type(queue.receive(), sysv.Message[bytes])
        assert_type(queue.receive().body, bytes)
        assert_type(queue.try_receive(), sysv.Message[bytes] | None)
        assert_type(queue.peek(), sysv.Message[bytes] | None)
    with sysv.MessageQueue.open(key, Ship) as ships:
        ships.send(Ship(3))
        ships.send(b"x")  # type: ignore[arg-type]
        for message in ships:
            assert_type(message.body, Ship)
    unknown.send("text")
    assert_type(unknown.receive().body, Any)


async def awaitable_system_v(key: int) -> None:
    assert_type(await aio.sysv.MessageQueue.temporary(codec=Ship), aio.sysv.MessageQueue[Ship])
    async with await aio.sysv.MessageQueue.ensure(key) as queue:
        await queue.send(b"x")
        await queue.send("text")  # type: ignore[call-overload]
        assert_type(await queue.receive(), sysv.Message[bytes])
        async for message in queue:
            assert_type(message.body, bytes)


async def posix_queues(queue: posix.MessageQueue, awaitable: aio.posix.MessageQueue) -> None:
    queue.send("text")  # type: ignore[arg-type]
    await awaitable.send("text")  # type: ignore[arg-type]
    assert_type(queue.receive().body, bytes)
    assert_type((await awaitable.receive()).body, bytes)


def arrays(memory: mapping.Mapping, segment: sysv.Segment) -> None:
    assert_type(memory.array(numpy.uint8), NDArray[numpy.uint8])
    assert_type(memory.array("u1", (3, 4)), NDArray[Any])
    assert_type(segment.array(numpy.dtype(numpy.float64), 3), NDArray[numpy.float64])
