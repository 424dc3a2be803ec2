"""Awaitable Unix sockets. -- unix(7)"""

from __future__ import annotations

from .. import _wait, sockets
from . import _drive
from ._stream import Reading, Writing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from typing import Any

    from typing_extensions import Buffer

    from .._fd import HasFileno
    from ..sockets.address import Address, AddressLike

__all__ = ["Connection", "Datagrams", "Listener", "bind", "connect", "inherited", "listen", "notify", "pair"]


class Connection(_drive.DescriptorTwin[sockets.Connection], Reading, Writing):
    """One end of a connection; `unixipc.sockets.Connection`, awaitable."""

    @property
    def peer(self) -> sockets.Peer:
        """Who is on the other side."""
        return self.sync.peer

    def try_send(
        self,
        data: Buffer,
        descriptors: Sequence[int | HasFileno] | None = None,
        credentials: tuple[int, int, int] | None = None,
    ) -> int | None:
        """Send what goes now; None for not now."""
        return self.sync.try_send(data, descriptors, credentials)

    async def send(
        self,
        data: Buffer,
        descriptors: Sequence[int | HasFileno] | None = None,
        credentials: tuple[int, int, int] | None = None,
        timeout: float | None = None,
    ) -> int:
        """Wait until it can be sent; how many bytes were taken (all, but for a stream). -- sendmsg(2)"""
        args = (data, descriptors, credentials)
        return await _drive.on_descriptor(self.sync, _wait.WRITABLE, self.sync.try_send, *args, timeout=timeout)

    def try_receive(self, max_bytes: int, max_descriptors: int = 0, peek: bool = False) -> sockets.Received | None:
        """What is here now, None for not now."""
        return self.sync.try_receive(max_bytes, max_descriptors, peek)

    async def receive(
        self, max_bytes: int, max_descriptors: int = 0, peek: bool = False, timeout: float | None = None
    ) -> sockets.Received:
        """Wait for a message (for bytes, on a stream). -- recvmsg(2)"""
        args = (max_bytes, max_descriptors, peek)
        return await _drive.on_descriptor(self.sync, _wait.READABLE, self.sync.try_receive, *args, timeout=timeout)

    def shutdown_write(self) -> None:
        """Say that nothing more will come. -- shutdown(2)"""
        self.sync.shutdown_write()


class Listener(_drive.DescriptorTwin[sockets.Listener]):
    """A socket that others connect to; `unixipc.sockets.Listener`, awaitable; ``async for`` accepts for ever."""

    @property
    def address(self) -> Address:
        """The name it is bound to."""
        return self.sync.address

    def try_accept(self) -> Connection | None:
        """The next connection, None if nobody is waiting."""
        connection = self.sync.try_accept()
        return None if connection is None else Connection(connection)

    async def accept(self, timeout: float | None = None) -> Connection:
        """Wait for the next connection. -- accept(2)"""
        return await _drive.on_descriptor(self.sync, _wait.READABLE, self.try_accept, timeout=timeout)

    def remove(self) -> None:
        """Unlink the socket file, if it is still ours. -- unlink(2)"""
        self.sync.remove()

    async def __aiter__(self) -> AsyncIterator[Connection]:
        while True:
            yield await self.accept()


class Datagrams(_drive.DescriptorTwin[sockets.Datagrams]):
    """A datagram socket; `unixipc.sockets.Datagrams`, awaitable."""

    @property
    def address(self) -> Address:
        """The name it is bound to."""
        return self.sync.address

    def try_send_to(self, data: Buffer, to: AddressLike | bytes, *args: Any) -> int | None:
        """Send one message now; None while the receiver's queue is full."""
        return self.sync.try_send_to(data, to, *args)

    async def send_to(
        self,
        data: Buffer,
        to: AddressLike | bytes,
        descriptors: Sequence[int | HasFileno] | None = None,
        credentials: tuple[int, int, int] | None = None,
        timeout: float | None = None,
    ) -> int:
        """Send one message, waiting while the receiver's queue is full. -- sendto(2)"""
        done = self.sync.try_send_to(data, to, descriptors, credentials)
        if done is not None:
            return done
        # A cancel that comes too late cannot take the message back: it was sent, as with a cancel right after it.
        args = (data, to, descriptors, credentials)
        return await _drive.in_thread(self.sync.send_to, *args, timeout=timeout, give_back=lambda _done: None)

    def try_receive_from(self, max_bytes: int, max_descriptors: int = 0) -> sockets.Received | None:
        """The next message, None for not now."""
        return self.sync.try_receive_from(max_bytes, max_descriptors)

    async def receive_from(
        self, max_bytes: int, max_descriptors: int = 0, timeout: float | None = None
    ) -> sockets.Received:
        """Wait for the next message; `sender` is who to answer. -- recvmsg(2)"""
        args = (max_bytes, max_descriptors)
        return await _drive.on_descriptor(self.sync, _wait.READABLE, self.sync.try_receive, *args, timeout=timeout)

    def remove(self) -> None:
        """Unlink the socket file, if it is still ours. -- unlink(2)"""
        self.sync.remove()


def pair(kind: str = "stream") -> tuple[Connection, Connection]:
    """Two connected sockets. It never waits, so it is not awaited. -- socketpair(2)"""
    a, b = sockets.pair(kind)
    return Connection(a), Connection(b)


async def connect(address: AddressLike, kind: str = "stream", timeout: float | None = None) -> Connection:
    """Connect to a listener; while its backlog is full, wait. A cancel leaves nothing open. -- connect(2)"""
    connection = sockets.try_connect(address, kind)
    if connection is None:
        close = sockets.Connection.close
        connection = await _drive.in_thread(sockets.connect, address, kind, timeout=timeout, give_back=close)
    return Connection(connection)


async def listen(address: AddressLike, kind: str = "stream", mode: int = 0o600, **options: Any) -> Listener:
    """Bind a name and listen; options as in `unixipc.sockets.listen`. A cancel leaves nothing behind. -- listen(2)"""
    return Listener(await _drive.in_thread(sockets.listen, address, kind, mode, **options, give_back=_undo))


async def bind(address: AddressLike, mode: int = 0o600, **options: Any) -> Datagrams:
    """A datagram socket with a name; options as in `unixipc.sockets.bind`. -- bind(2)"""
    return Datagrams(await _drive.in_thread(sockets.bind, address, mode, **options, give_back=_undo))


def inherited() -> list[tuple[str, Any]]:
    """What a service manager has opened for this process: (name, awaitable socket). -- sd_listen_fds(3)"""
    twins: dict[type, Any] = {sockets.Listener: Listener, sockets.Connection: Connection, sockets.Datagrams: Datagrams}
    return [(name, twins.get(type(each), lambda it: it)(each)) for name, each in sockets.inherited()]


async def notify(text: str, timeout: float | None = None) -> bool:
    """Tell the service manager; False if none has asked for that. -- sd_notify(3)"""
    await _drive.checkpoint()
    return await _drive.in_thread(sockets.notify, text, timeout=timeout, give_back=lambda _told: None)


def _undo(socket: sockets.Listener | sockets.Datagrams) -> None:
    with socket:
        if socket.address.path is not None:
            socket.remove()
