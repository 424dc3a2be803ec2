"""Datagram sockets: messages without a connection; reliable, in order; a full queue makes the sender wait. -- unix(7)

>>> from unixipc import sockets
>>> with sockets.bind("") as inbox, sockets.bind("") as outbox:
...     outbox.send_to(b"ping", inbox.address)
...     inbox.receive_from(100).data
4
b'ping'
"""

from __future__ import annotations

import os

from .. import _wait
from .._call import explained
from .._creation import checked_mode
from .._native import socket as _socket
from ..errors import ObjectRemoved
from . import _socket as shared
from .address import nobody_there, parse, reachable
from .fd_passing import Received
from .stream import bind_name, owner_of_name, unlink_if_ours

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from typing_extensions import Buffer

    from .._fd import HasFileno
    from .address import Address, AddressLike

__all__ = ["Datagrams", "bind"]


class _naming:
    """A refusal to send is about the receiver: it gets the receiver's name."""

    def __init__(self, target: Address) -> None:
        self.target = target

    def __enter__(self) -> None: ...

    def __exit__(self, _kind: object, error: BaseException | None, _where: object) -> None:
        if isinstance(error, OSError) and not isinstance(error, TimeoutError):  # a time-out has the name already
            gone = self.target.abstract is not None and isinstance(error, ConnectionRefusedError)
            hint = nobody_there(str(self.target)) if gone else None
            raise explained(error, "sendmsg(2)", str(self.target), hint) from None


class Datagrams(shared.Sock):
    """A socket that sends to and receives from any address. Made by `bind`; `Datagrams(fd)` takes over a descriptor.

    `receive_from` gives a `Received` with `sender`: pass it to `send_to` to answer (not if its path is beyond 108
    bytes). Errors of sending: ConnectionRefusedError (nobody is bound there), FileNotFoundError, OSError(EMSGSIZE)
    beyond `send_buffer_bytes`.
    """

    def __init__(
        self,
        fd: int,
        address: Address | None = None,
        identity: tuple[int, int] | None = None,
        *,
        temporary: bool = False,
    ) -> None:
        super().__init__(fd, "datagram socket" if address is None else str(address))
        if self.kind != shared.KINDS["dgram"]:
            kind = self.kind_name
            self.detach()
            raise ValueError(f"fd {fd} is a {kind} socket, not a datagram socket")
        self._address, self._identity = address, identity
        self._owner = os.getpid() if temporary else None

    @property
    def address(self) -> Address:
        """The name this socket is bound to. -- getsockname(2)"""
        return super().address if self._address is None else self._address

    def try_send_to(
        self,
        data: Buffer,
        to: AddressLike | bytes,
        descriptors: Sequence[int | HasFileno] | None = None,
        credentials: tuple[int, int, int] | None = None,
    ) -> int | None:
        """Send one message now; None while the receiver's queue is full. -- sendto(2)"""
        target = parse(to)
        with reachable(target) as raw, _naming(target):
            return self.try_send(data, descriptors, credentials, raw)

    def send_to(
        self,
        data: Buffer,
        to: AddressLike | bytes,
        descriptors: Sequence[int | HasFileno] | None = None,
        credentials: tuple[int, int, int] | None = None,
        timeout: float | None = None,
    ) -> int:
        """Send one message, waiting while the receiver's queue is full; how many bytes (all). -- sendto(2)"""
        target = parse(to)
        with reachable(target) as raw, _naming(target):
            done = self.try_send(data, descriptors, credentials, raw)
            if done is None:  # poll(2) would tell of our buffer, not of their queue: the call itself sleeps
                args: tuple[Any, ...] = (data, descriptors, credentials, raw)
                return _wait.in_kernel(self.send_in_kernel, *args, timeout=timeout, name=str(target), on=self)
            return done

    def try_receive_from(self, max_bytes: int, max_descriptors: int = 0) -> Received | None:
        """The next message, None for not now. -- recvmsg(2)"""
        return self.try_receive(max_bytes, max_descriptors)

    def receive_from(self, max_bytes: int, max_descriptors: int = 0, timeout: float | None = None) -> Received:
        """Wait for the next message; `sender` is who to answer. -- recvmsg(2)"""
        return self.receive(max_bytes, max_descriptors, timeout=timeout)

    def remove(self) -> None:
        """Unlink the socket file, if it is still ours. -- unlink(2)"""
        unlink_if_ours(self.address, self._identity)
        self._owner = None

    def close(self) -> None:
        """Close this handle; a temporary socket's file goes too, if this process made it and it is still ours."""
        owner, self._owner = getattr(self, "_owner", None), None
        mine = owner == os.getpid() and not self.closed
        super().close()  # first: the number that this frees may be the one that removing needs
        if mine:
            try:
                unlink_if_ours(self.address, self._identity)
            except (FileNotFoundError, ObjectRemoved):
                pass  # taken over or removed by somebody else: no longer ours


def bind(
    address: AddressLike,
    mode: int = 0o600,
    takeover: bool = True,
    *,
    temporary: bool = False,
    timeout: float | None = 10.0,
) -> Datagrams:
    """A datagram socket with a name; ``""`` lets the kernel choose an abstract one. -- bind(2)

    Stale files, `mode`, `takeover` and `temporary`: as in `listen`.
    """
    target = parse(address)
    checked_mode(mode)
    socket = _socket.new_socket(shared.KINDS["dgram"], str(target))
    try:
        bound, identity = bind_name(socket, target, mode, takeover, timeout, None)
        return owner_of_name(Datagrams, socket, bound, identity, temporary)
    except BaseException:
        socket.close()
        raise
