"""Unix sockets with both sides: names, states, peers and the processes that have them open. -- unix(7), sock_diag(7)"""

from __future__ import annotations

import os
from contextlib import suppress

from .._native.file import open_owned
from .._record import record
from .procfs import End, ends, identity, lines_of
from .sock_diag import Socket, unix_sockets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .procfs import Snapshot

__all__ = ["SocketRow", "socket_rows"]

TYPES = {1: "stream", 2: "dgram", 5: "seqpacket"}
ESTABLISHED, CLOSED, LISTENING = 1, 7, 10
ACCEPTS, CONNECTED = 0x10000, 3  # __SO_ACCEPTCON, SS_CONNECTED: /proc/net/unix


@record
class SocketRow:
    """A Unix socket ("socket"; its id is the inode number).

    `state`: "listening", "connected" or "unconnected". `name`: its path, or "@" and an abstract name. `peer`: the id of
    the other side, and who has that open. `received_bytes`: what nobody has read yet; for a listener, `waiting`
    connections that nobody has accepted. A socket without holders is in flight, waits to be accepted, or belongs to
    processes that we may not look into. `uid`: its owner, None on kernels that do not tell. `netns`: the network
    namespace, by its inode number; `file`: what its path leads to where it was bound, major:minor:inode.
    """

    kind: str
    id: int
    type: str
    state: str
    name: str | None
    uid: int | None
    peer: int | None
    peer_name: str | None
    received_bytes: int | None
    waiting: int | None
    holders: tuple[End, ...]
    peer_holders: tuple[End, ...]
    netns: int
    file: str | None


def socket_rows(seen: Snapshot) -> list[SocketRow]:
    """Every Unix socket of this network namespace, and of those that processes which we may look into are in.

    The holders are those that we may see. Into another namespace root alone can go; of that others know what
    /proc/PID/net/unix tells: no peer, no owner, no queues. OSError(ENOENT) where the kernel was built without
    unix_diag. -- sock_diag(7)
    """
    own = os.stat("/proc/thread-self/ns/net").st_ino
    tables = {own: {each.inode: each for each in unix_sockets()}}
    for space, pid in _other_spaces(seen, own).items():
        tables[space] = {each.inode: each for each in _sockets_of(pid)}
    everywhere = {inode: each for table in tables.values() for inode, each in table.items()}
    rows = [_row(each, everywhere, seen, space) for space, table in tables.items() for each in table.values()]
    return sorted(rows, key=lambda row: row.id)


def _other_spaces(seen: Snapshot, own: int) -> dict[int, int]:
    """A process in each of the other network namespaces. -- network_namespaces(7)"""
    found: dict[int, int] = {}
    for pid in seen.pids:
        with suppress(OSError):  # it has ended, or may not be looked into
            found.setdefault(os.stat(f"/proc/{pid}/ns/net").st_ino, pid)
    found.pop(own, None)
    return found


def _sockets_of(pid: int) -> list[Socket]:
    try:
        with open_owned(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC, name="net") as space:
            return unix_sockets(space.fileno())
    except OSError:  # we may not go there, or it has ended
        return [each for line in lines_of(f"/proc/{pid}/net/unix")[1:] if (each := _told(line.split(None, 7)))]


def _told(words: list[bytes]) -> Socket | None:
    """Address, references, protocol, flags, type, state, inode, name. -- proc_pid_net(5)"""
    if len(words) < 7 or not words[6].isdigit() or words[6] == b"0":
        return None
    name = words[7] if len(words) > 7 else b""
    state = LISTENING if int(words[3], 16) & ACCEPTS else ESTABLISHED if int(words[5], 16) == CONNECTED else CLOSED
    name = b"\0" + name[1:] if name[:1] == b"@" else name
    return Socket(int(words[6]), int(words[4], 16), state, name, None, None, None, None, None, 0, None)


def _row(this: Socket, table: dict[int, Socket], seen: Snapshot, space: int) -> SocketRow:
    listens = this.state == LISTENING
    peer = this.peer or None
    waiting = None if this.waiting is None else len(this.waiting) if listens else 0
    return SocketRow(
        "socket", this.inode, TYPES.get(this.type, str(this.type)), _state(this), name_of(this), this.uid,
        peer, name_of(table[peer]) if peer in table else None,
        0 if listens else this.receive_queue, waiting,
        ends(seen.sockets.get(this.inode, ())), ends(seen.sockets.get(peer or 0, ())),
        space, None if this.file is None else identity(*this.file),
    )  # fmt: skip


def _state(this: Socket) -> str:
    if this.state == LISTENING:
        return "listening"
    return "connected" if this.state == ESTABLISHED or this.peer else "unconnected"


def name_of(this: Socket) -> str | None:
    """A path, "@name" or None."""
    if not this.name:
        return None
    return "@" + os.fsdecode(this.name[1:]) if this.name[0] == 0 else os.fsdecode(this.name.rstrip(b"\0"))
