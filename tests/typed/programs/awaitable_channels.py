"""Awaitable channels, as the plain ones."""

from __future__ import annotations

import dataclasses
from typing import Any, assert_type

from numpy.typing import NDArray

from unixipc import channel as plain
from unixipc.aio import channel


@dataclasses.dataclass
class Ship:
    guns: int


async def by_codec() -> None:
    assert_type(await channel.Queue.create("q"), channel.Queue[bytes])
    assert_type(await channel.Queue.open("q", "numpy"), channel.Queue[NDArray[Any]])
    assert_type(await channel.Queue.ensure("q", codec=Ship), channel.Queue[Ship])
    assert_type(await channel.Queue.temporary("q", codec="json"), channel.Queue[Any])
    assert_type(await channel.Topic.anonymous(codec=Ship), channel.Topic[Ship])
    assert_type((await channel.Topic.open("t")).publisher(), channel.Publisher[bytes])


async def bytes_are_bytes(queue: channel.Queue[bytes]) -> None:
    async with queue.sender() as sender, queue.receiver() as receiver:
        await sender.send(memoryview(b"x"))
        await sender.send_many([b"x", bytearray(b"y")])
        await sender.send("text")  # type: ignore[call-overload]
        sender.try_send("text")  # type: ignore[call-overload]
        assert_type(await receiver.receive(), bytes)
        assert_type(await receiver.receive_many(), list[bytes])
        assert_type(receiver.sync, plain.Receiver[bytes])
        async for message in receiver:
            assert_type(message, bytes)
        async with receiver.peek() as seen, receiver.lease() as job, sender.reserve(3) as room:
            assert_type(seen, memoryview)
            assert_type(job, bytes)
            assert_type(room, memoryview)


async def objects(ships: channel.Topic[Ship], frames: channel.Topic[NDArray[Any]], unknown: channel.Queue) -> None:
    await ships.publisher().send(Ship(3))
    await ships.publisher().send(b"x")  # type: ignore[arg-type]
    assert_type(await ships.subscriber().receive(), Ship)
    async with frames.subscriber().peek() as frame:
        assert_type(frame, NDArray[Any])
    await unknown.sender().send("text")
    async with unknown.receiver().peek() as seen:
        assert_type(seen, Any)
