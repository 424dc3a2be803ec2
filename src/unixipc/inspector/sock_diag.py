"""The kernel's own table of Unix sockets, with the peer of each. -- sock_diag(7), netlink(7)

Needs no rights. It knows the sockets of one network namespace: ours, or one that we may enter.
"""

from __future__ import annotations

import socket
import struct
import sys

from .._call import explained
from .._native import glance as _glance
from .._record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Socket", "unix_sockets"]

NETLINK_SOCK_DIAG = 4
SOCK_DIAG_BY_FAMILY = 20
NLM_F_REQUEST, NLM_F_DUMP = 1, 0x300
NLMSG_ERROR, NLMSG_DONE = 2, 3
SHOW_NAME, SHOW_VFS, SHOW_PEER, SHOW_ICONS, SHOW_RQLEN, SHOW_UID = 1, 2, 4, 8, 16, 64
NAME, VFS, PEER, ICONS, RQLEN, SHUTDOWN, UID = 0, 1, 2, 3, 4, 6, 7
EVERY_STATE = 0xFFFFFFFF

HEADER = struct.Struct("=IHHII")  # struct nlmsghdr: length, type, flags, sequence, pid
REQUEST = struct.Struct("=BBHIIIQ")  # struct unix_diag_req: family, protocol, pad, states, inode, show, cookie
ANSWER = struct.Struct("=BBBxIQ")  # struct unix_diag_msg: family, type, state, inode, cookie
ATTRIBUTE = struct.Struct("=HH")  # struct nlattr: length, type
LENGTHS = struct.Struct("=II")  # struct unix_diag_rqlen: to be read, to be sent
FILE = struct.Struct("=II")  # struct unix_diag_vfs: inode, device
NO_LENGTHS = bytes(LENGTHS.size)


@record
class Socket:
    """One socket as the kernel tells it. Numbers are the kernel's; `file` is (device, inode) of the name's file.

    `waiting` and the queues are None where they were not asked for: in /proc/PID/net/unix.
    """

    inode: int
    type: int
    state: int
    name: bytes
    file: tuple[int, int] | None
    peer: int | None
    waiting: tuple[int, ...] | None
    receive_queue: int | None
    send_queue: int | None
    shut_down: int
    uid: int | None


def unix_sockets(space: int | None = None) -> list[Socket]:
    """Every Unix socket of this network namespace. OSError where the kernel has no unix_diag. -- sock_diag(7)

    `space`: a descriptor of another one (setns(2)), which needs CAP_SYS_ADMIN there.
    """
    try:
        own = None if space is None else _glance.netlink_in(space, NETLINK_SOCK_DIAG)
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG, own) as table:
            table.send(_request())
            return list(_answers(table))
    except OSError as error:
        raise explained(error, "sock_diag(7)", "the table of Unix sockets") from None


def _request() -> bytes:
    show = SHOW_NAME | SHOW_VFS | SHOW_PEER | SHOW_ICONS | SHOW_RQLEN | SHOW_UID
    body = REQUEST.pack(socket.AF_UNIX, 0, 0, EVERY_STATE, 0, show, 0xFFFFFFFFFFFFFFFF)
    size = HEADER.size + len(body)
    return HEADER.pack(size, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP, 1, 0) + body


def _answers(table: socket.socket) -> Iterator[Socket]:
    """The kernel has the whole answer ready, piece by piece: a receive never waits for anybody."""
    while True:
        piece = table.recv(1 << 17)
        at = 0
        while at < len(piece):
            length, kind, _flags, _sequence, _pid = HEADER.unpack_from(piece, at)
            if kind == NLMSG_DONE:
                return
            if kind == NLMSG_ERROR:
                (code,) = struct.unpack_from("=i", piece, at + HEADER.size)
                raise OSError(-code, "the kernel refuses to list Unix sockets")
            yield _socket(piece[at + HEADER.size : at + length])
            at += length + 3 & ~3


def _socket(message: bytes) -> Socket:
    _family, kind, state, inode, _cookie = ANSWER.unpack_from(message)
    found = _attributes(message, ANSWER.size)
    file = FILE.unpack(found[VFS]) if VFS in found else None
    waiting = found.get(ICONS, b"")
    received, to_send = LENGTHS.unpack(found.get(RQLEN, NO_LENGTHS))
    return Socket(
        inode, kind, state, found.get(NAME, b""), None if file is None else (_device(file[1]), file[0]),
        int.from_bytes(found[PEER], sys.byteorder) if PEER in found else None,
        struct.unpack(f"={len(waiting) // 4}I", waiting) if waiting else (), received, to_send,
        found[SHUTDOWN][0] if SHUTDOWN in found else 0,
        int.from_bytes(found[UID], sys.byteorder) if UID in found else None,
    )  # fmt: skip


def _device(number: int) -> int:
    """The kernel's dev_t (12 bits major, 20 bits minor) as stat(2) gives it."""
    major, minor = number >> 20, number & 0xFFFFF
    return (major & 0xFFF) << 8 | (minor & 0xFF) | (minor & 0xFFF00) << 12


def _attributes(message: bytes, at: int) -> dict[int, bytes]:
    found = {}
    last = len(message) - ATTRIBUTE.size
    unpack = ATTRIBUTE.unpack_from
    while at <= last:
        length, kind = unpack(message, at)
        if length < ATTRIBUTE.size:
            break
        found[kind] = message[at + 4 : at + length]
        at += length + 3 & ~3
    return found
