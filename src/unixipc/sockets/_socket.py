"""What every Unix socket of ours has: its kind, names, options and queues."""

from __future__ import annotations

import errno
import stat

from .._call import failure
from .._fd import check_kind
from .._native import socket as _socket
from .address import Address, display

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    Kind = Literal["stream", "seqpacket", "dgram"]

KINDS: dict[str, int] = {"stream": 1, "dgram": 2, "seqpacket": 5}
NAMES = {number: name for name, number in KINDS.items()}
AF_UNIX = 1


def number_of_kind(kind: str, allowed: tuple[str, ...]) -> int:
    """SOCK_STREAM and so on, or a ValueError that lists what is allowed."""
    if kind not in allowed:
        raise ValueError(f"kind must be {' or '.join(map(repr, allowed))}, not {kind!r}")
    return KINDS[kind]


def adopted_kind(fd: int) -> int:
    """The kind of a descriptor that comes from outside; OSError(EINVAL) if it is no Unix socket."""
    check_kind(fd, stat.S_ISSOCK, "socket")
    if _socket.get_option(fd, "domain", f"fd {fd}") != AF_UNIX:
        raise failure(errno.EINVAL, "getsockopt(2)", f"fd {fd}", "this socket is not a Unix domain socket")
    return _socket.get_option(fd, "kind", f"fd {fd}")


class Sock(_socket.Endpoint):
    """A Unix socket: kind, names, options and queues. Takes over a descriptor (EINVAL if it is no Unix socket)."""

    def __init__(self, fd: int, name: object = "socket", kind: int | None = None) -> None:
        super().__init__(fd, name, adopted_kind(fd) if kind is None else kind)

    @property
    def kind_name(self) -> str:
        """stream, seqpacket or dgram."""
        return NAMES[self.kind]

    @property
    def address(self) -> Address:
        """The name this socket is bound to. -- getsockname(2)"""
        return display(_socket.own_name(self.fileno(), self.name))

    @property
    def pass_credentials(self) -> bool:
        """Whether every message brings its sender's `Credentials`. Set it before messages are sent. -- SO_PASSCRED"""
        return bool(_socket.get_option(self.fileno(), "pass_credentials", self.name))

    @pass_credentials.setter
    def pass_credentials(self, on: bool) -> None:
        _socket.set_option(self.fileno(), "pass_credentials", int(on or self.kind == KINDS["seqpacket"]), self.name)
        self.control = True

    @property
    def pass_pidfd(self) -> bool:
        """Whether every message brings a pidfd of its sender (Linux 6.5). -- SO_PASSPIDFD"""
        return bool(_socket.get_option(self.fileno(), "pass_pidfd", self.name))

    @pass_pidfd.setter
    def pass_pidfd(self, on: bool) -> None:
        _socket.set_option(self.fileno(), "pass_pidfd", int(on), self.name)
        self.control = True

    @property
    def send_buffer_bytes(self) -> int:
        """How much may be under way, kernel overhead included; the kernel doubles what you set. -- SO_SNDBUF"""
        return _socket.get_option(self.fileno(), "send_buffer_bytes", self.name)

    @send_buffer_bytes.setter
    def send_buffer_bytes(self, size: int) -> None:
        if size < 0:
            raise ValueError(f"a buffer has at least 0 bytes, not {size}")
        _socket.set_option(self.fileno(), "send_buffer_bytes", size, self.name)

    @property
    def pending_bytes(self) -> int:
        """Bytes that wait to be received here (of the first message, unless it is a stream). -- SIOCINQ"""
        return _socket.queued(self.fileno(), False, self.name)

    @property
    def unsent_bytes(self) -> int:
        """What the peer has not received yet, in the kernel's memory (overhead included). -- SIOCOUTQ"""
        return _socket.queued(self.fileno(), True, self.name)
