"""The file behind a channel: its name, its size, its mapping, its end; and the members of this process."""

from __future__ import annotations

import atexit
import errno
import os
import stat
import weakref

from .._call import explained, failure
from .._creation import checked_mode, create_or_open
from .._fd import Descriptor, check_kind
from .._generic import Generic, T
from .._native import mapping as _mapping
from .._native import posix as _posix
from .._native import ring as _ring
from .._native.file import open_owned
from ..codec import codec_of
from ..errors import LayoutError
from ..mapping._reserve import resize
from ..posix._names import without_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar, Literal, Self, TypeAlias, TypeVar

    from ..codec import CodecLike

    Name: TypeAlias = str | os.PathLike[str]
    M = TypeVar("M", bound=_ring.Member)
    WhenFull: TypeAlias = Literal["wait", "refuse", "drop_oldest"]

FOLDER = "/dev/shm"
PREFIX = "unixipc.channel."
FACTS_BYTES = 64
SENDER, RECEIVER = 0, 1


def checked_name(name: object) -> str:
    """What `create` and its like take: text, or a path object, which is a path whether it has a slash or not.

    A word may be written as POSIX names are: "/word" is "word".
    """
    if isinstance(name, os.PathLike):
        folder, last = os.path.split(os.path.abspath(os.fspath(name)))
        name = os.path.join(folder, ".", last)  # a path, also if it is one step from the root
    if not isinstance(name, str):
        raise TypeError(f"a channel's name is text or a path, not {type(name).__name__}")
    if name[:1] == "/" and "/" not in name[1:]:
        name = name[1:]
    path_of(name)
    return name


def path_of(name: str) -> str:
    """A word is a file in /dev/shm; what has a slash in it is a path."""
    if not name or "\0" in name or name.endswith("/"):
        raise ValueError(f"a channel's name is a word, or a path: not {name!r}")
    return os.path.abspath(name) if "/" in name else f"{FOLDER}/{PREFIX}{name}"


class Channel(Descriptor, Generic[T]):
    """What `Queue` and `Topic` have in common: the file, its mapping, and who of this process is a member."""

    kind: ClassVar[str]

    def __init__(self, fd: int, name: str | None = None, codec: CodecLike | None = None) -> None:
        known = codec_of(codec)
        found = check_kind(fd, stat.S_ISREG, "channel")
        self._facts, self._size = os.pread(fd, FACTS_BYTES, 0), found.st_size
        kind, self._when_full, self._temporary, capacity = _ring.read_facts(self._facts, self._size)
        if kind != self.kind:
            raise LayoutError("kind of the channel", self.kind, kind)
        self._nameless = name is None and not found.st_nlink
        if (self._temporary or self._nameless) and not _ring.use(fd, 0):
            raise failure(errno.ENOENT, "open(2)", name, "the last one who used it is just removing it")
        self._mapping = _mapped(fd, capacity, name, self._nameless)
        self._watcher: _ring.Member | None = None
        self._pid = os.getpid()
        self.codec = known
        super().__init__(fd, name)
        if self._temporary:
            _until_exit(self)

    @classmethod
    def create(
        cls,
        name: Name,
        capacity_bytes: int = 1 << 20,
        when_full: WhenFull = "wait",
        codec: CodecLike | None = None,
        mode: int = 0o600,
    ) -> Self:
        """Make a new channel. FileExistsError if the name is in use. -- open(2), link(2)

        Nobody sees it before it is whole: it gets its name last.
        """
        return cls._named(name, capacity_bytes, when_full, codec, mode, False)

    @classmethod
    def open(cls, name: Name, codec: CodecLike | None = None) -> Self:
        """The channel of this name. FileNotFoundError, or LayoutError if it is something else. -- open(2)

        Whose it is does not matter: who asks for this one trusts the users who may write to it.
        """
        name = checked_name(name)
        path = path_of(name)
        try:
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError as error:
            raise explained(error, "open(2)", path) from None
        made = cls._adopt(fd, name, codec)
        if made._temporary and not os.fstat(fd).st_nlink:  # removed before our lock said that it is in use
            made.close()
            raise failure(errno.ENOENT, "open(2)", name, "the last one who used it has just removed it")
        return made

    @classmethod
    def ensure(
        cls,
        name: Name,
        capacity_bytes: int = 1 << 20,
        when_full: WhenFull = "wait",
        codec: CodecLike | None = None,
        mode: int = 0o600,
    ) -> Self:
        """Open it, or make it if it is missing: any number of processes may do so at once. -- open(2)

        OSError(EINVAL) if the one that is there has less capacity, or another meaning of "full"; PermissionError if it
        is in /dev/shm and belongs to another user than us and root, who would then read and forge our messages.
        """
        name = checked_name(name)
        found = create_or_open(
            lambda: cls.create(name, capacity_bytes, when_full, codec, mode), lambda: cls._open_own(name, codec)
        )
        return found._checked(capacity_bytes, when_full)

    @classmethod
    def temporary(
        cls,
        name: Name,
        capacity_bytes: int = 1 << 20,
        when_full: WhenFull = "wait",
        codec: CodecLike | None = None,
        mode: int = 0o600,
    ) -> Self:
        """Open it, or make it; the last process that closes it, or ends, removes it. -- open(2), unlink(2)

        "Last" is a fact: each has a lock on the file that the kernel drops however the process ends. If the last one
        is killed the file stays, and the next `temporary` of the name, or `remove`, takes it.
        """
        name = checked_name(name)
        found = create_or_open(
            lambda: cls._named(name, capacity_bytes, when_full, codec, mode, True), lambda: cls._open_own(name, codec)
        )
        return found._checked(capacity_bytes, when_full)

    @classmethod
    def anonymous(
        cls, capacity_bytes: int = 1 << 20, when_full: WhenFull = "wait", codec: CodecLike | None = None
    ) -> Self:
        """One without a name: for forked children, and for whom its descriptor is sent to. -- open(2), O_TMPFILE"""
        return cls._adopt(_new_file(FOLDER, None, cls.kind, capacity_bytes, when_full, 0o600, False), None, codec)

    @classmethod
    def _open_own(cls, name: str, codec: CodecLike | None) -> Self:
        """Open it for `ensure`: somebody else may have taken a word's name in /dev/shm before us, to listen."""
        made = cls.open(name, codec)
        owner = os.fstat(made.fileno()).st_uid
        if "/" in name or owner in (0, os.geteuid()):
            return made
        made.close()
        hint = f"it belongs to user {owner}: open() takes it, if you trust that user"
        raise failure(errno.EACCES, "open(2)", path_of(name), hint)

    @classmethod
    def _named(
        cls, name: Name, capacity_bytes: int, when_full: WhenFull, codec: CodecLike | None, mode: int, temporary: bool
    ) -> Self:
        name = checked_name(name)
        path = path_of(name)
        fd = _new_file(os.path.dirname(path), name, cls.kind, capacity_bytes, when_full, mode, temporary)
        made = cls._adopt(fd, name, codec)
        try:
            _posix.give_name(made, path, name)
        except FileNotFoundError as error:
            made.close()
            raise without_name(error, path) from None
        except BaseException:
            made.close()
            raise
        return made

    @classmethod
    def _adopt(cls, fd: int, name: str | None, codec: CodecLike | None) -> Self:
        try:
            return cls(fd, name, codec)
        except BaseException:
            os.close(fd)
            raise

    def _checked(self, capacity_bytes: int, when_full: WhenFull) -> Self:
        if self.capacity_bytes >= capacity_bytes and self.when_full == when_full:
            return self
        hint = (
            f"the channel of this name has {self.capacity_bytes} bytes and when_full={self.when_full!r}; "
            f"{capacity_bytes} and {when_full!r} were asked for"
        )
        name = self.name
        self.close()
        raise failure(errno.EINVAL, "open(2)", name, hint)

    @property
    def capacity_bytes(self) -> int:
        """How many bytes the ring has: a power of two. Each message takes 16 more than its own, in steps of 16."""
        return self._size - _ring.HEADER_BYTES

    @property
    def when_full(self) -> str:
        """What a full channel means: "wait", "refuse" or "drop_oldest"."""
        return self._when_full

    def remove(self) -> None:
        """Take the name away; who has it open goes on. FileNotFoundError if somebody was faster. -- unlink(2)

        ObjectRemoved if the name is another channel's by now: that stays.
        """
        if self.name is None:
            raise failure(errno.ENOENT, "unlink(2)", None, "this channel has no name")
        _take_name(self.fileno(), str(self.name))
        _ring.tell_everybody(self._mapping)  # persistent receivers end with the name

    def close(self) -> None:
        """Close this handle; its members go on. The last one out removes a temporary channel. -- close(2)"""
        if self.closed:
            return
        if self._watcher is not None:
            self._watcher.close()
        self._end_if_last()
        super().close()
        self._tell_if_nameless()
        try:
            self._mapping.close()
        except BufferError:
            pass  # members still use it; it goes with the last of them

    def _end_if_last(self) -> None:
        """A temporary one: the lock is our parent's in a forked process, so there it stays."""
        if self._temporary and self._pid == os.getpid():
            _end_if_last(self.fileno(), self.name)

    def _tell_if_nameless(self) -> None:
        """Persistent receivers may be the last who have this channel now: they look."""
        if self._nameless and self._pid == os.getpid() and not self._mapping.closed:
            _ring.tell_everybody(self._mapping)

    def _new_member(self, cls: type[M], role: int | None, persistent: bool = False) -> M:
        """A member with an opening of its own: its lock belongs to that."""
        self.check_open()
        try:
            fd = os.open(f"/proc/self/fd/{self.fileno()}", os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise explained(error, "open(2)", self.name, "this needs /proc") from None
        file, member = Descriptor(fd, self.name), None
        try:
            if self._temporary:
                _ring.use(fd, 0)
            member = cls()
            _members.add(member)  # before it has a place: a forked child must not keep that
            last_out = _end_if_last if self._temporary and role is not None else None
            member._start(self._mapping, file, self._facts, self._size, self.name, self.codec, last_out)
            if persistent:
                member._persist()  # type: ignore[attr-defined]
            if role is not None:
                member._join(role)
        except BaseException:
            _leave_quietly(member, file)
            raise
        return member

    def _outside(self) -> _ring.Member:
        """A look at the ring without a place in it."""
        if self._watcher is None or self._watcher.closed:
            self._watcher = self._new_member(_ring.Member, None)
        return self._watcher

    def __reduce__(self) -> tuple[Any, ...]:
        self.check_open()
        if self.name is None:
            raise TypeError("what has no name cannot be pickled: send its descriptor over a Unix socket instead")
        return type(self).open, (self.name, self.codec)

    def __repr__(self) -> str:
        state = "closed" if self.closed else f"{self.capacity_bytes} bytes, when_full={self.when_full!r}"
        return f"<{type(self).__name__} {self.name!r} {state}>"


def _mapped(fd: int, capacity: int, name: str | None, nameless: bool) -> _mapping.Mapped:
    """The header, and the ring twice.

    A mapping keeps the locks of the opening that it was made by. The lock of a nameless channel's handle says that
    somebody has a handle still: so its mapping is made by another opening.
    """
    if not nameless:
        return _mapping.map_twice(_mapping.Mapped, fd, _ring.HEADER_BYTES, capacity, name)
    with open_owned(f"/proc/self/fd/{fd}", os.O_RDWR | os.O_CLOEXEC, name=name) as another:
        return _mapping.map_twice(_mapping.Mapped, another.fileno(), _ring.HEADER_BYTES, capacity, name)


def _leave_quietly(member: _ring.Member | None, file: Descriptor) -> None:
    """Something interrupted us, perhaps when it had its place already."""
    if member is not None:
        member.close()
    file.close()


def _take_name(fd: int, name: str) -> None:
    """Two who remove it do so one after the other, or the second might take away what has the name by then."""
    path = path_of(name)
    if not _ring.begin_removal(fd):
        raise failure(errno.ENOENT, "unlink(2)", path, "somebody else is just removing it")
    try:
        _unlink_own(fd, path)
    finally:
        _ring.end_removal(fd)


def _unlink_own(fd: int, path: str) -> None:
    try:
        there = os.stat(path, follow_symlinks=False)
        if not os.path.samestat(there, os.fstat(fd)):
            raise failure(errno.EIDRM, "unlink(2)", path, "its name was taken away, and given to another")
        os.unlink(path)
    except FileNotFoundError as error:
        raise explained(error, "unlink(2)", path) from None


def _end_if_last(fd: int, name: object) -> None:
    """Take a temporary channel's name away if nobody else has it open.

    First our own lock goes: of two that end at once each would see the other's. And a mapping would keep it.
    """
    _ring.use(fd, -1)
    if _ring.use(fd, 1):
        try:
            _take_name(fd, str(name))
        except OSError:
            pass  # somebody else has removed it, or given the name to another


def _new_file(
    folder: str, name: str | None, kind: str, capacity_bytes: int, when_full: str, mode: int, temporary: bool
) -> int:
    """A file without a name, whole and with its memory."""
    checked_mode(mode)
    if when_full not in _ring.POLICIES:
        raise ValueError(f"when_full is one of {', '.join(map(repr, _ring.POLICIES))}, not {when_full!r}")
    capacity = _ring.capacity_for(capacity_bytes)
    try:
        made = open_owned(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600, name=name)
    except OSError as error:
        hint = f"a new channel needs write permission on {folder}" if isinstance(error, PermissionError) else None
        raise explained(error, "open(2)", folder if name is None else path_of(name), hint) from None
    try:
        os.fchmod(made.fileno(), mode)
        _set_aside(made, _ring.HEADER_BYTES + capacity, folder)
        with _mapping.map_twice(_mapping.Mapped, made.fileno(), _ring.HEADER_BYTES, capacity, name) as memory:
            identity = int.from_bytes(os.urandom(8), "little")
            _ring.format_ring(memory, kind, when_full, temporary, capacity, identity)
        return made.detach()
    except BaseException:
        made.close()
        raise


def _set_aside(file: Descriptor, size_bytes: int, folder: str) -> None:
    try:
        resize(file, size_bytes)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            error.add_note(
                f"{folder} has too little room (df {folder}): give less capacity_bytes=, or a path on another file "
                f"system as the name, or make it larger: mount -o remount,size=... {folder}; "
                "a container's: docker run --shm-size=..."
            )
        raise


_temporaries: weakref.WeakSet[Any] = weakref.WeakSet()
_members: weakref.WeakSet[_ring.Member] = weakref.WeakSet()


def _until_exit(channel: Channel) -> None:
    """Gone at exit at the latest, also if nobody closes it."""
    if not _temporaries:
        atexit.unregister(_close_temporaries)
        atexit.register(_close_temporaries)
    _temporaries.add(channel)


def _close_temporaries() -> None:
    """At a normal exit: their members first, which use them, too."""
    for each in [*(member for member in list(_members) if member._is_temporary), *list(_temporaries)]:
        try:
            each.close()
        except BufferError:
            pass  # a view of a message is in use: the file stays until somebody else is the last one


def _forget_in_child() -> None:
    """A member's place is its process's: a child's copy of the descriptor would keep a dead parent's place alive."""
    for member in list(_members):
        member.forget()


os.register_at_fork(after_in_child=_forget_in_child)
