"""Unix sockets with both sides: names, states, peers and the processes that have them open. -- unix(7), sock_diag(7)"""

from __future__ import annotations

import os

from .._record import record
from .procfs import End, ends
from .sock_diag import Socket, unix_sockets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .procfs import Snapshot

__all__ = ["SocketRow", "socket_rows"]

TYPES = {1: "stream", 2: "dgram", 5: "seqpacket"}
ESTABLISHED, CLOSED, LISTENING = 1, 7, 10


@record
class SocketRow:
    """A Unix socket ("socket"; its id is the inode number).

    `state`: "listening", "connected" or "unconnected". `name`: its path, or "@" and an abstract name. `peer`: the id of
    the other side, and who has that open. `received_bytes`: what nobody has read yet; for a listener, `waiting`
    connections that nobody has accepted. A socket without holders is in flight, waits to be accepted, or belongs to
    processes that we may not look into. `uid`: its owner, None on kernels that do not tell.
    """

    kind: str
    id: int
    type: str
    state: str
    name: str | None
    uid: int | None
    peer: int | None
    peer_name: str | None
    received_bytes: int
    waiting: int
    holders: tuple[End, ...]
    peer_holders: tuple[End, ...]


def socket_rows(seen: Snapshot) -> list[SocketRow]:
    """Every Unix socket of this network namespace; the holders are those that we may see. -- sock_diag(7)

    OSError(ENOENT) where the kernel was built without unix_diag.
    """
    table = {each.inode: each for each in unix_sockets()}
    return [_row(each, table, seen) for _inode, each in sorted(table.items())]


def _row(this: Socket, table: dict[int, Socket], seen: Snapshot) -> SocketRow:
    listens = this.state == LISTENING
    peer = this.peer or None
    return SocketRow(
        "socket", this.inode, TYPES.get(this.type, str(this.type)), _state(this), name_of(this), this.uid,
        peer, name_of(table[peer]) if peer in table else None,
        0 if listens else this.receive_queue, len(this.waiting) if listens else 0,
        ends(seen.sockets.get(this.inode, ())), ends(seen.sockets.get(peer or 0, ())),
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
