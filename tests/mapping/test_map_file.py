"""Rows A01-A03, A05-A09, truth B18: files in memory, what can be asked of them, and what is refused with words."""

from __future__ import annotations

import errno
import os
import pathlib
import resource

import pytest

from unixipc import map_anonymous, map_file
from unixipc.mapping import ADVICE

WAIT = 30
PAGE = os.sysconf("SC_PAGESIZE")
SIZE = 4 * PAGE + 100


def note(caught):
    return " ".join(caught.value.__notes__)


def test_A01_its_bytes(file):
    with map_file(file) as memory:
        assert (len(memory), memory.size_bytes, memory.readonly) == (SIZE, SIZE, True)
        assert bytes(memory) == file.read_bytes()
        assert memory.buffer.readonly
        with pytest.raises(TypeError):
            memory.buffer[0] = 1


@pytest.mark.parametrize("offset", [0, 1, 100, PAGE - 1, PAGE, PAGE + 1, 4 * PAGE + 99])
@pytest.mark.parametrize("length", [None, 1])
def test_A01_any_offset(file, offset, length):
    whole = file.read_bytes()
    with map_file(file, "r", offset, length) as memory:
        assert bytes(memory) == whole[offset : None if length is None else offset + length]


def as_path(file, flags):
    return file


def as_bytes(file, flags):
    return os.fsencode(file)


def as_number(file, flags):
    return os.open(file, flags)


def as_file(file, flags):
    return open(file, "rb" if flags == os.O_RDONLY else "r+b")


@pytest.mark.parametrize("given", [as_path, as_bytes, as_number, as_file])
def test_A01_A09_a_path_a_number_a_file_that_may_be_closed(file, given):
    thing = given(file, os.O_RDWR)
    memory = map_file(thing, "rw")
    if isinstance(thing, int):
        os.close(thing)
    elif hasattr(thing, "close"):
        thing.close()
    with memory:
        memory.buffer[0] = ord("x")
        assert file.read_bytes()[:2] == b"xA"
        assert memory.name


def test_A01_two_mappings_of_a_file_are_the_same_memory(file):
    with map_file(file, "rw") as one, map_file(file) as two:
        one.buffer[PAGE] = 7
        assert two.buffer[PAGE] == 7 and one.address != two.address


def test_A03_a_copy_is_ours(file):
    before = file.read_bytes()
    with map_file(file, "copy") as memory:
        memory.buffer[:3] = b"xyz"
        assert bytes(memory.buffer[:4]) == b"xyzA"
    assert file.read_bytes() == before


def test_A02_B18_writing_needs_a_file_that_was_opened_for_both(file):
    fd = os.open(file, os.O_WRONLY)
    for mode in ("r", "rw", "copy"):
        with pytest.raises(PermissionError) as caught:
            map_file(fd, mode)
        assert caught.value.errno == errno.EACCES and "reading and writing" in note(caught)
    os.close(fd)
    fd = os.open(file, os.O_RDONLY)
    with pytest.raises(PermissionError):
        map_file(fd, "rw")
    map_file(fd, "copy").close()  # the file's mode does not "have to match": this needs no more than reading
    os.close(fd)


@pytest.mark.parametrize("mode", ["w", "", "RW", None, 3])
def test_modes_are_three_words(file, mode):
    with pytest.raises(ValueError, match="mode must be"):
        map_file(file, mode)


@pytest.mark.parametrize(
    ("offset", "length"),
    [(0, SIZE + 1), (1, SIZE), (SIZE, None), (SIZE, 1), (SIZE + 1, None), (-1, None), (-1, 1), (0, 0), (0, -1),
     (PAGE, 2**62), (2**62, None), (0, 2**63 - 1), (0, 2**70), (2**70, 1)],
)  # fmt: skip
def test_A05_bytes_that_are_not_in_the_file(file, offset, length):
    with pytest.raises(ValueError, match="are not in"):
        map_file(file, "r", offset, length)


def test_an_empty_file(tmp_path):
    (tmp_path / "empty").touch()
    with pytest.raises(ValueError, match="empty"):
        map_file(tmp_path / "empty")


def test_what_cannot_be_mapped(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader, writer = os.pipe()
    for thing in (tmp_path, fifo, reader, writer):
        for length in (None, PAGE):
            with pytest.raises(OSError) as caught:
                map_file(thing, "r", 0, length)
            assert caught.value.errno == errno.ENODEV and "can be mapped" in note(caught)
    os.close(reader)
    os.close(writer)
    with pytest.raises(OSError) as caught:
        map_file("/dev/null", "r", 0, PAGE)
    assert caught.value.errno == errno.ENODEV


def test_devices_with_memory():
    with pytest.raises(ValueError, match="length_bytes"):
        map_file("/dev/zero")
    with map_file("/dev/zero", "rw", 0, PAGE) as memory:
        memory.buffer[0] = 1


def test_what_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        map_file(tmp_path / "missing")
    assert caught.value.filename == str(tmp_path / "missing") or caught.value.filename == tmp_path / "missing"
    with pytest.raises(IsADirectoryError):
        map_file(tmp_path, "rw")
    with pytest.raises(OSError) as caught:
        map_file(99_999)
    assert caught.value.errno == errno.EBADF
    with pytest.raises(ValueError):
        map_file("a\0b")


def test_A06_flush(file):
    with map_file(file, "rw") as memory:
        memory.buffer[0] = 1
        memory.flush()
        memory.flush(PAGE + 7, 10)
        memory.flush(wait=False)
        memory.flush(invalidate=True)
        memory.flush(SIZE, 0)
        for offset, length in ((-1, 1), (0, SIZE + 1), (SIZE, 1), (0, -1), (SIZE + 1, None)):
            with pytest.raises(ValueError, match="are not within"):
                memory.flush(offset, length)
        memory.lock()
        with pytest.raises(OSError) as caught:
            memory.flush(invalidate=True)
        assert caught.value.errno == errno.EBUSY and "locked" in note(caught)


def test_A06_what_was_flushed_is_on_the_disk(file):
    """Asked past the page cache, as far as this file system allows."""
    with map_file(file, "rw") as memory:
        memory.buffer[:4] = b"disk"
        memory.flush()
    with open(file, "rb") as again:
        os.posix_fadvise(again.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        assert again.read(4) == b"disk"


def test_A07_protect(file, in_child):
    with map_file(file, "rw") as memory:
        view = memoryview(memory)
        with pytest.raises(BufferError):
            memory.protect()
        view.release()
        memory.protect()
        assert memory.readonly and memory.buffer.readonly and "read-only" in repr(memory)
        with pytest.raises(TypeError):
            memory.buffer[0] = 1
        maps = pathlib.Path("/proc/self/maps").read_text()
        assert any(line.split()[1] == "r--s" and line.endswith(str(file)) for line in maps.splitlines())
        os.truncate(file, 0)
        assert memory.buffer[PAGE] == 0 and memory.damaged_pages == 1


def test_A07_lock_and_unlock(file, in_child):
    def child():
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (2 * PAGE, 2 * PAGE))
        with map_anonymous(10 * PAGE) as memory:
            memory.lock(PAGE + 1, 1)
            memory.lock(0, 2 * PAGE)
            with pytest.raises(OSError) as caught:
                memory.lock()
            assert caught.value.errno == errno.ENOMEM and "RLIMIT_MEMLOCK" in note(caught)
            memory.unlock()
            memory.lock(8 * PAGE, 2 * PAGE)
            memory.unlock(9 * PAGE)
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (0, 0))
        with map_anonymous(PAGE) as memory, pytest.raises(PermissionError) as caught:
            memory.lock()
        assert "RLIMIT_MEMLOCK" in note(caught)

    if os.geteuid():
        pytest.skip("only root can become another user, and root has no limit")
    in_child(child)


@pytest.mark.parametrize("advice", ADVICE)
def test_A08_every_advice(file, advice):
    """The kernel takes it, or says that this kind of mapping cannot be told so; the file keeps its bytes."""
    with map_file(file, "rw") as memory:
        try:
            memory.advise(advice, PAGE, PAGE)
        except OSError as error:
            assert error.errno in (errno.EINVAL, errno.EAGAIN) and error.__notes__
        if advice != "remove":
            assert bytes(memory) == file.read_bytes() and memory.buffer[PAGE] == ord("B")


def test_A08_unknown_advice(file):
    with map_file(file) as memory:
        for advice in ("hwpoison", "", 4, None):
            with pytest.raises(ValueError, match="advice must be"):
                memory.advise(advice)


@pytest.mark.parametrize("advice", ["dontneed", "remove"])
def test_A08_what_throws_pages_away_spares_their_neighbours(advice):
    """The kernel rounds to pages: bytes outside the range would go."""
    with map_anonymous(3 * PAGE, shared=advice == "remove") as memory:
        memory.buffer[:] = b"x" * (3 * PAGE)
        memory.advise(advice, 10, 10)
        memory.advise(advice, PAGE + 1, PAGE - 1 - 1)
        memory.advise(advice, 5, 0)
        assert bytes(memory) == b"x" * (3 * PAGE)
        memory.advise(advice, 10, 2 * PAGE)
        assert bytes(memory) == b"x" * PAGE + bytes(PAGE) + b"x" * PAGE
        memory.advise(advice)
        assert not any(memory.buffer)


def test_A08_remove_spares_what_of_the_file_is_outside_the_mapping(tmp_path):
    fd = os.memfd_create("x")
    os.write(fd, b"x" * (3 * PAGE))
    with map_file(fd, "rw", 10, 2 * PAGE) as memory:
        memory.advise("remove")
    assert os.pread(fd, 3 * PAGE, 0) == b"x" * PAGE + bytes(PAGE) + b"x" * PAGE
    os.close(fd)


def test_A07_resize(file):
    with map_file(file, "rw", 0, PAGE) as memory:
        memory.resize(3 * PAGE + 5)
        assert bytes(memory) == file.read_bytes()[: 3 * PAGE + 5]
        memory.resize(10)
        assert bytes(memory) == b"A" * 10
        with pytest.raises(ValueError, match="too short"):
            memory.resize(100 * PAGE)
        assert bytes(memory) == b"A" * 10
        memory.check()
        os.truncate(file, 100 * PAGE)
        memory.resize(100 * PAGE)
        assert len(memory) == 100 * PAGE and memory.buffer[PAGE] == ord("B")
        for wrong in (0, -1):
            with pytest.raises(ValueError, match="at least 1 byte"):
                memory.resize(wrong)
        with pytest.raises(OSError) as caught:
            memory.resize(2**47 + 1)
        assert caught.value.errno in (errno.ENOMEM, errno.EINVAL)
        view = memoryview(memory)
        with pytest.raises(BufferError, match="resize"):
            memory.resize(PAGE)
        view.release()


def test_A07_resize_with_an_offset_inside_a_page(file):
    with map_file(file, "r", PAGE - 1, 2) as memory:
        assert bytes(memory) == b"AB"
        memory.resize(PAGE + 2)
        assert bytes(memory) == b"A" + b"B" * PAGE + b"C"
        os.truncate(file, PAGE - 1)
        assert not any(memory.buffer) and memory.damaged_pages == 2


def test_A07_resize_of_one_that_was_damaged_says_so_or_works(file):
    with map_file(file, "rw") as memory:
        os.truncate(file, 0)
        memory.buffer[2 * PAGE] = 1
        os.truncate(file, 50 * PAGE)
        try:
            memory.resize(20 * PAGE)
        except OSError as error:
            assert error.errno == errno.EFAULT and "anew" in " ".join(error.__notes__)
        sum(memory.buffer)
        with pytest.raises(OSError):
            memory.check()
