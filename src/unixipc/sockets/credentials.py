"""Who is on the other side: credentials that the kernel vouches for. -- unix(7), SO_PEERCRED, SCM_CREDENTIALS

Two sources with two meanings. `Peer` is about the *socket*: who connected, listened or made the pair, as of then,
even if the descriptor has been passed on since. `Credentials` with a message are about the *sender of that message*.
"""

from __future__ import annotations

from typing import NamedTuple

from .._fd import Descriptor
from .._native import socket as _socket
from .._native.within import Closes
from .._record import record

__all__ = ["Credentials", "Peer", "peer_of"]


class Credentials(NamedTuple):
    """Process, user and group ids; (pid, uid, gid) in the kernel's order. -- unix(7), struct ucred"""

    pid: int
    uid: int
    gid: int


_socket.use_credentials_class(Credentials)


@record
class Peer(Closes):
    """The process on the other side as of connect, listen or pair.

    `groups`: its supplementary groups. `pidfd`: a descriptor for the process itself (close it, or this object), None on
    kernels before 6.5 or if it was reaped. `security`: its label where the kernel has a security module, else None.
    """

    pid: int
    uid: int
    gid: int
    groups: tuple[int, ...]
    pidfd: Descriptor | None
    security: str | None

    def close(self) -> None:
        """Close the pidfd."""
        if self.pidfd is not None:
            self.pidfd.close()


def peer_of(fd: int, name: object) -> Peer:
    """What the kernel knows of the other side. -- getsockopt(2), unix(7)"""
    pid, uid, gid = _socket.peer_credentials(fd, name)
    groups, security = _socket.peer_groups(fd, name), _socket.peer_security(fd, name)
    number = _socket.peer_pidfd(fd, name)
    pidfd = None if number is None else Descriptor(number, f"process {pid}")
    return Peer(pid, uid, gid, groups, pidfd, security)
