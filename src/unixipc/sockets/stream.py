"""Connected sockets, streams and packets alike, and the listeners that make them. -- unix(7)"""

from __future__ import annotations

import errno
import os
import stat

from .. import _wait
from .._at_exit import close_at_exit
from .._call import explained, failure
from .._creation import checked_mode
from .._fd import Descriptor
from .._native import socket as _socket
from .._native.file import flock_once, open_owned
from .._stream import Reading, Writing
from ..errors import ObjectRemoved
from . import _socket as shared
from .address import SUN_PATH_BYTES, Address, by_descriptor, display, open_folder, parse, reachable
from .credentials import Peer, peer_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeVar

    from .address import AddressLike

    S = TypeVar("S", bound=Descriptor)

__all__ = ["Connection", "Listener", "connect", "listen", "pair", "try_connect"]

CONNECTED = ("stream", "seqpacket")
BACKLOG = 128
LOCK_EX, LOCK_UN, LOCK_NB = 2, 8, 4


class Connection(shared.Sock, Reading, Writing):
    """One end of a connection. A stream carries bytes, a seqpacket connection messages with their borders.

    `read`/`write` for bytes; `send`/`receive` for messages, descriptors and credentials: ``receive(max_bytes,
    max_descriptors=0)`` gives a `Received`. An empty message and the end of the connection are told apart by `eof`.
    `PeerGone` (EPIPE, ECONNRESET) when the peer has closed or died; it never raises SIGPIPE. `Connection(fd)` takes
    over a descriptor.
    """

    def __init__(self, fd: int, name: object = "connection", kind: int | None = None) -> None:
        super().__init__(fd, name, kind)
        if self.kind == shared.KINDS["seqpacket"]:
            self.pass_credentials = True  # what tells an empty message from the end: only messages bring credentials

    @property
    def peer(self) -> Peer:
        """Who is on the other side, as of connect, listen or pair; asked anew each time. -- SO_PEERCRED"""
        return peer_of(self.fileno(), self.name)

    @property
    def peer_address(self) -> Address:
        """The name the peer is bound to. -- getpeername(2)"""
        return display(_socket.peer_name(self.fileno(), self.name))

    def shutdown_write(self) -> None:
        """Say that nothing more will come: the peer reads the end, and may still answer. -- shutdown(2), SHUT_WR"""
        _socket.shutdown(self.fileno(), 1, self.name)

    def shutdown_read(self) -> None:
        """Say that nothing more is wanted: the peer's next write is `PeerGone`. -- shutdown(2), SHUT_RD"""
        _socket.shutdown(self.fileno(), 0, self.name)


class Listener(Descriptor):
    """A socket that others connect to. `close` frees the handle; `remove` unlinks the file, if it is still ours.

    `accept` waits for a connection, iterating accepts for ever. Made by `listen`; `Listener(fd)` takes over a listening
    socket that was passed on (by a supervisor, or for a restart without a gap). Its open file keeps its flags: the
    others who have it see no change.
    """

    def __init__(
        self,
        fd: int,
        address: Address | None = None,
        identity: tuple[int, int] | None = None,
        *,
        temporary: bool = False,
    ) -> None:
        kind = shared.adopted_kind(fd)
        if not _socket.get_option(fd, "listening", f"fd {fd}"):
            raise failure(errno.EINVAL, "getsockopt(2)", f"fd {fd}", "this socket does not listen")
        self.kind = kind
        self.address = display(_socket.own_name(fd, None)) if address is None else address
        super().__init__(fd, str(self.address))
        self._identity = identity
        self._owner = os.getpid() if temporary else None

    @property
    def kind_name(self) -> str:
        """Stream or seqpacket."""
        return shared.NAMES[self.kind]

    def try_accept(self) -> Connection | None:
        """The next connection, None if nobody is waiting. EMFILE leaves it waiting. -- accept(2)"""
        return _socket.accept_now(self, Connection, self.kind)

    def accept(self, timeout: float | None = None) -> Connection:
        """Wait for the next connection. -- accept(2)"""
        return _wait.on_descriptor(self, _wait.READABLE, self.try_accept, timeout=timeout)

    def __iter__(self) -> Iterator[Connection]:
        while True:
            yield self.accept()

    def remove(self) -> None:
        """Unlink the file; connections go on. `ObjectRemoved` if the name is another object's now. -- unlink(2)"""
        unlink_if_ours(self.address, self._identity)
        self._owner = None

    def close(self) -> None:
        """Close this handle; a temporary listener's file goes too, if this process made it and it is still ours."""
        owner, self._owner = getattr(self, "_owner", None), None
        mine = owner == os.getpid() and not self.closed
        super().close()  # first: the number that this frees may be the one that removing needs
        if mine:
            try:
                unlink_if_ours(self.address, self._identity)
            except (FileNotFoundError, ObjectRemoved):
                pass  # taken over or removed by somebody else: no longer ours


def unlink_if_ours(address: Address, identity: tuple[int, int] | None) -> None:
    """Remove the name only while it stands for the socket we bound. -- unlink(2)"""
    if address.path is None:
        return  # an abstract name goes with the socket
    if identity is None:
        raise failure(
            errno.EPERM, "unlink(2)", address.path, "this handle did not bind the name: who bound it removes it"
        )
    folder, name = open_folder(address.path)
    with folder:
        try:
            found = os.lstat(name, dir_fd=folder.fileno())
            if (found.st_dev, found.st_ino) == identity:
                os.unlink(name, dir_fd=folder.fileno())
                return
        except OSError as error:
            raise explained(error, "unlink(2)", address.path) from None
    raise failure(errno.EIDRM, "unlink(2)", address.path, "another socket has this name now; it was not touched")


def pair(kind: str = "stream") -> tuple[Connection, Connection]:
    """Two connected sockets, both ways, for a fork or a descriptor to pass on. -- socketpair(2)"""
    number = shared.number_of_kind(kind, (*CONNECTED, "dgram"))
    return _socket.new_pair(Connection, number, "socket pair")


def connect(address: AddressLike, kind: str = "stream", timeout: float | None = None) -> Connection:
    """Connect to a listener; while its backlog is full, wait. -- connect(2)

    FileNotFoundError: no such name. ConnectionRefusedError: a stale file, nobody listens. OSError(EPROTOTYPE): it
    listens for another kind. A time-out or an error leaves nothing open.
    """
    target = parse(address)
    number = shared.number_of_kind(kind, CONNECTED)
    connection = _socket.new_connection(Connection, number, str(target))
    try:
        with reachable(target) as raw:
            # A full backlog is nothing that poll(2) could tell: connect itself sleeps until there is room.
            _wait.in_kernel(
                _socket.connect_once, connection.fileno(), raw, str(target), timeout=timeout, name=str(target)
            )
    except BaseException:
        connection.close()
        raise
    return connection


def try_connect(address: AddressLike, kind: str = "stream") -> Connection | None:
    """Connect if that needs no waiting; None while the listener's backlog is full. -- connect(2)"""
    target = parse(address)
    number = shared.number_of_kind(kind, CONNECTED)
    connection = _socket.new_connection(Connection, number, str(target))
    try:
        os.set_blocking(connection.fileno(), False)
        with reachable(target) as raw:
            if _socket.connect_once(connection.fileno(), raw, str(target)) is None:
                connection.close()
                return None
        os.set_blocking(connection.fileno(), True)
    except BaseException:
        connection.close()
        raise
    return connection


def listen(
    address: AddressLike,
    kind: str = "stream",
    mode: int = 0o600,
    takeover: bool = True,
    *,
    temporary: bool = False,
    backlog: int = BACKLOG,
    timeout: float | None = 10.0,
) -> Listener:
    """Bind a name and listen on it. -- bind(2), listen(2)

    A socket file that nobody is bound to any more is stale: with `takeover` it is replaced, without it is EADDRINUSE. A
    live one, or a file of another kind, is EADDRINUSE or FileExistsError and is never touched. `mode`: who may connect
    (write permission), exactly, whatever the umask. `temporary`: `close` removes the file, the exit at the latest.
    Processes that do this at once take turns by a lock on the folder (flock(2)), waiting at most `timeout` seconds.
    """
    target = parse(address)
    number = shared.number_of_kind(kind, CONNECTED)
    checked_mode(mode)
    if backlog < 0:
        raise ValueError(f"a backlog is at least 0, not {backlog}")
    socket = _socket.new_socket(number, str(target))
    try:
        if number == shared.KINDS["seqpacket"]:
            _socket.set_option(socket.fileno(), "pass_credentials", 1, str(target))  # accepted sockets inherit it
        bound, identity = bind_name(socket, target, mode, takeover, timeout, backlog)
        return owner_of_name(Listener, socket, bound, identity, temporary)
    except BaseException:
        socket.close()
        raise


def owner_of_name(
    cls: Callable[..., S], socket: Descriptor, bound: Address, identity: tuple[int, int] | None, temporary: bool
) -> S:
    """The bound socket as a `cls`; if that cannot be, its name goes again."""
    try:
        made = cls(socket.fileno(), bound, identity, temporary=temporary)
    except BaseException:
        unlink_if_ours(bound, identity)
        raise
    socket.detach()
    return close_at_exit(made) if temporary else made


def bind_name(
    socket: Descriptor, target: Address, mode: int, takeover: bool, timeout: float | None, backlog: int | None
) -> tuple[Address, tuple[int, int] | None]:
    """Bind (and listen, if a backlog is given); the name we got and the identity of its file."""
    if target.path is None:
        raw = b"" if target.abstract is None else b"\0" + target.abstract
        _socket.bind(socket.fileno(), raw, str(target))
        if backlog is not None:
            _socket.listen(socket.fileno(), backlog, str(target))
        return display(_socket.own_name(socket.fileno(), None)), None
    folder, name = open_folder(target.path)
    with folder:
        _wait.in_kernel(flock_once, folder.fileno(), LOCK_EX, folder.name, timeout=timeout, name=folder.name)
        clear_the_name(folder, name, target, takeover)  # the lock goes with the folder's descriptor
        identity = bind_in_folder(socket, folder, name, target, mode)
        try:
            if backlog is not None:
                _socket.listen(socket.fileno(), backlog, str(target))
        except BaseException:
            unlink_if_ours(target, identity)
            raise
    return target, identity


def clear_the_name(folder: Descriptor, name: str, target: Address, takeover: bool) -> None:
    """Unlink a stale socket file; raise for anything that is alive or is no socket."""
    try:
        found = os.lstat(name, dir_fd=folder.fileno())
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise failure(
            errno.EEXIST, "bind(2)", target.path, "this path exists and is not a socket; it was left as it is"
        )
    if somebody_is_bound(folder, name):
        raise failure(
            errno.EADDRINUSE, "bind(2)", target.path, "another process is bound to this socket (ss -xlp shows it)"
        )
    if not takeover:
        raise failure(
            errno.EADDRINUSE,
            "bind(2)",
            target.path,
            "a stale socket file, nobody is bound to it: takeover=True replaces it",
        )
    try:
        os.unlink(name, dir_fd=folder.fileno())
    except OSError as error:
        raise explained(error, "unlink(2)", target.path) from None


def somebody_is_bound(folder: Descriptor, name: str) -> bool:
    """Whether a live socket is behind the file, without disturbing it.

    A datagram socket that connects to a socket of another kind is told EPROTOTYPE if one is bound there and
    ECONNREFUSED if not, and leaves no trace in anybody's backlog. Unlike a real connect it also sees a server that
    has bound its name but does not listen yet. A live datagram socket lets it connect.
    """
    with _socket.new_socket(shared.KINDS["dgram"], "probe") as probe:
        held = open_owned(name, os.O_PATH | os.O_NOFOLLOW, dir_fd=folder.fileno())
        with held:
            try:
                _socket.connect_once(probe.fileno(), b"/proc/self/fd/%d" % held.fileno(), name)
            except ConnectionRefusedError:
                return False
            except OSError:
                return True
    return True


def _permit(socket: Descriptor, mode: int, target: Address) -> None:
    """The file gets these permissions less the umask."""
    try:
        os.fchmod(socket.fileno(), mode)
    except OSError as error:
        raise explained(error, "fchmod(2)", target.path) from None


def bind_in_folder(socket: Descriptor, folder: Descriptor, name: str, target: Address, mode: int) -> tuple[int, int]:
    """Bind the path; a long one through the open folder. Never more permissions than asked, at any moment."""
    short = os.fsencode(target.path or "")  # the kernel keeps it: it is what peers answer to, and what `ss` shows
    temporary = None
    if len(short) > SUN_PATH_BYTES:
        short = by_descriptor(folder, name)
    if len(short) > SUN_PATH_BYTES:  # the name alone is too long: bind a short one, then rename
        temporary = f".uipc-{os.urandom(6).hex()}"
        short = by_descriptor(folder, temporary)
    _permit(socket, mode, target)
    _socket.bind(socket.fileno(), short, str(target))
    here = temporary or name
    try:
        found = os.lstat(here, dir_fd=folder.fileno())
        if stat.S_IMODE(found.st_mode) != mode:
            os.chmod(here, mode, dir_fd=folder.fileno())
        if temporary is not None:
            os.rename(temporary, name, src_dir_fd=folder.fileno(), dst_dir_fd=folder.fileno())
    except BaseException:
        os.unlink(here, dir_fd=folder.fileno())
        raise
    return found.st_dev, found.st_ino
