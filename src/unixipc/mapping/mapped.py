"""Files and anonymous memory as bytes of this process. -- mmap(2)"""

from __future__ import annotations

import errno
import os

from .._call import explained, failure
from .._fd import Descriptor, name_of, number_of
from .._generic import overload
from .._native import mapping as _mapping
from .._native.file import open_owned
from .._view import array_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Literal, TypeAlias, TypeVar

    import numpy
    from numpy.typing import DTypeLike, NDArray

    from .._fd import HasFileno
    from .._generic import Array, Scalar, Shape

    PathOrFile: TypeAlias = "str | bytes | os.PathLike[str] | int | HasFileno"
    Mode: TypeAlias = Literal["r", "rw", "copy"]
    V = TypeVar("V")

__all__ = ["ADVICE", "Mapping", "map_anonymous", "map_file"]

MODES = {"r": os.O_RDONLY, "rw": os.O_RDWR, "copy": os.O_RDONLY}
SHARED, PRIVATE = 1, 2  # MAP_SHARED, MAP_PRIVATE
HUGE_PAGES, POPULATE, NO_RESERVE = 0x40000, 0x8000, 0x4000  # MAP_HUGETLB, MAP_POPULATE, MAP_NORESERVE
HUGE_SHIFT = 26
HUGE_SIZES = {"2MB": 21, "1GB": 30}
MOST_BYTES = 2**63 - 1
ADVICE = {
    "normal": 0,
    "random": 1,
    "sequential": 2,
    "willneed": 3,
    "dontneed": 4,
    "free": 8,
    "remove": 9,
    "dontfork": 10,
    "dofork": 11,
    "mergeable": 12,
    "unmergeable": 13,
    "hugepage": 14,
    "nohugepage": 15,
    "dontdump": 16,
    "dodump": 17,
    "wipeonfork": 18,
    "keeponfork": 19,
    "cold": 20,
    "pageout": 21,
    "populate_read": 22,
    "populate_write": 23,
    "collapse": 25,
}
"""What `Mapping.advise` can say, and the kernel's number for it."""
ONLY_WHOLE_PAGES = {"dontneed", "free", "remove", "dontfork", "wipeonfork"}  # or bytes next to ours would go too


class Mapping(_mapping.Mapped):
    """Mapped memory: a buffer. Made by `map_file`, `map_anonymous`, ``MemFd.map`` and ``posix.SharedMemory.map``.

    `close` (also at the end of ``with``) unmaps it; BufferError while arrays, structures or slices of it are in use. A
    read-only one refuses writing with TypeError.

    The five fates: **close** unmaps. **remove**: a file that lost its name lives on while it is mapped. **fork**: the
    child has the same bytes if they are shared, its own copy if they are not. **exec** unmaps. **kill -9** unmaps;
    what was written to shared memory is there, half written things too.
    """

    __slots__ = ()

    @property
    def size_bytes(self) -> int:
        """How long it is: what was asked for. Whole pages are mapped."""
        return self.length

    def view(self, structure: type[V], offset_bytes: int = 0) -> V:
        """A `ctypes` structure (or array) in these bytes: its fields are the memory's."""
        if self.readonly:
            how = f"{structure.__name__}.from_buffer_copy(mapping, {offset_bytes})"
            raise TypeError(f"ctypes cannot look at read-only memory without a copy: map it 'rw', or copy it: {how}")
        made: Any = structure
        result: V = made.from_buffer(self, offset_bytes)
        return result

    @overload
    def array(
        self, dtype: type[Scalar] | numpy.dtype[Scalar], shape: Shape = None, offset_bytes: int = 0
    ) -> NDArray[Scalar]: ...
    @overload
    def array(self, dtype: DTypeLike, shape: Shape = None, offset_bytes: int = 0) -> Array: ...
    def array(self, dtype: DTypeLike, shape: Shape = None, offset_bytes: int = 0) -> Array:
        """A numpy array in these bytes; as many items as fit, unless `shape` says otherwise. Needs numpy."""
        return array_in(self, dtype, shape, offset_bytes)

    def advise(self, advice: str, offset_bytes: int = 0, length_bytes: int | None = None) -> None:
        """Tell the kernel how it will be used: one of `ADVICE`, in the words of the man page. -- madvise(2)

        What throws pages away ("dontneed", "free", "remove", "wipeonfork") or keeps them from children ("dontfork")
        is done to whole pages inside the range only. After "dontfork" a child that touches the memory is killed by
        SIGSEGV: that is what it is for, and the one advice with such an end.
        """
        if advice not in ADVICE:
            raise ValueError(f"advice must be {', '.join(map(repr, ADVICE))}, not {advice!r}")
        self.give_advice(ADVICE[advice], offset_bytes, length_bytes, advice in ONLY_WHOLE_PAGES)

    def resize(self, size_bytes: int) -> None:
        """Change its length; its address may change. BufferError while views of it are in use. -- mremap(2)

        A mapped file keeps its own length: make it longer first, or it is ValueError. Shared anonymous memory has its
        size from birth: it can become shorter, and as long as it was.
        """
        self.remap(size_bytes)

    def check(self) -> None:
        """OSError(EIO) if pages of the file are missing: those that were touched are zeros of our own since then.

        Somebody made the file shorter, or there was no room on the disk for a page that was written to. It looks at the
        end of the mapping, so that a shorter file is noticed before anybody has touched what is missing.
        """
        self.look_at_end()
        if self.damaged_pages:
            why = "the file was made shorter while it was mapped, or its disk is full"
            if self.name == "anonymous":
                why = "there were too few huge pages (sysctl vm.nr_hugepages)"
            hint = f"{why}: {self.damaged_pages} pages here were lost, and what is written to them is; map it anew"
            raise failure(errno.EIO, "mmap(2)", self.name, hint)

    def __repr__(self) -> str:
        if self.closed:
            return "<Mapping closed>"
        kind = " read-only" if self.readonly else ""
        return f"<Mapping {self.name} {self.size_bytes} bytes{kind} at 0x{self.address:x}>"

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("an address means nothing in another process: pass the file, or its descriptor")


def map_file(
    file: PathOrFile,
    mode: Mode = "r",
    offset_bytes: int = 0,
    length_bytes: int | None = None,
    *,
    populate: bool = False,
) -> Mapping:
    """Map a file's bytes, from any offset; all that follow, unless `length_bytes` says otherwise. -- mmap(2)

    `mode`: "r"; "rw" changes the file, and everybody who has it mapped sees that; "copy" may be written and stays
    ours. ValueError if the bytes are not all in the file; PermissionError if an open file's mode does not allow it
    ("rw" needs one that was opened for reading and writing); OSError(ENODEV) for what cannot be mapped.
    """
    if not isinstance(file, Descriptor) and isinstance(file, (str, bytes, os.PathLike)):
        if mode not in MODES:
            raise ValueError(f"mode must be 'r', 'rw' or 'copy', not {mode!r}")
        with _opened(file, MODES[mode]) as opened:
            return _mapping.map_file(opened.fileno(), os.fspath(file), mode, offset_bytes, length_bytes, populate)
    return _mapping.map_file(number_of(file), name_of(file), mode, offset_bytes, length_bytes, populate)


def _opened(file: str | bytes | os.PathLike[str], flags: int) -> Descriptor:
    """Open it; without waiting for the other side if it is a FIFO."""
    flags |= os.O_CLOEXEC | os.O_NOCTTY
    try:
        try:
            return open_owned(file, flags | os.O_NONBLOCK)
        except BlockingIOError:  # somebody has a lease on it, and is asked to give it up: the kernel sees to that
            return open_owned(file, flags)
    except OSError as error:
        raise explained(error, "open(2)", file) from None


def map_anonymous(
    size_bytes: int,
    *,
    shared: bool = True,
    huge_pages: Literal["2MB", "1GB"] | bool = False,
    reserve: bool = True,
    populate: bool = False,
) -> Mapping:
    """Memory without a file, all zero; `shared` with the children that are forked later. -- mmap(2), MAP_ANONYMOUS

    `huge_pages` must have been reserved (sysctl vm.nr_hugepages), or it is OSError(ENOMEM); True is the machine's usual
    size. `populate` takes all pages now. Otherwise they are taken when they are touched, and as with every other memory
    of the process the kernel may have promised more than it has (sysctl vm.overcommit_memory); ``reserve=False`` lets
    it promise anything (MAP_NORESERVE).
    """
    flags = (SHARED if shared else PRIVATE) | (POPULATE if populate else 0)
    flags |= 0 if reserve else NO_RESERVE
    page_size_bytes = _mapping.PAGE_SIZE
    if huge_pages:
        page_size_bytes, how = _huge(huge_pages)
        flags |= how
    if size_bytes > MOST_BYTES:
        raise failure(errno.ENOMEM, "mmap(2)", "anonymous")
    # A huge page may be missing although it was promised: to a fork that writes, and without a reservation.
    return _mapping.map_anonymous(size_bytes, flags, bool(huge_pages), page_size_bytes)


def _huge(pages: str | bool) -> tuple[int, int]:
    """(the size of a page, the flags)."""
    if pages is True:
        with open("/proc/meminfo", "rb") as file:
            usual = next((line for line in file if line.startswith(b"Hugepagesize:")), None)
        if usual is None:
            raise failure(errno.ENOMEM, "mmap(2)", "anonymous", "this kernel has no huge pages")
        return int(usual.split()[1]) * 1024, HUGE_PAGES
    if pages not in HUGE_SIZES:
        raise ValueError(f"huge_pages must be True, {' or '.join(map(repr, HUGE_SIZES))}, not {pages!r}")
    return 1 << HUGE_SIZES[pages], HUGE_PAGES | HUGE_SIZES[pages] << HUGE_SHIFT
