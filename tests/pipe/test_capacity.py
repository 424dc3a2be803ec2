"""I06: how much a pipe holds: the default, rounding, and the refusals EBUSY and EPERM."""

import errno
import os

import pytest

from unixipc import Exited, fork, pipe

WAIT = 20


@pytest.fixture
def ends():
    reader, writer = pipe()
    with reader, writer:
        yield reader, writer


def test_I06_a_new_pipe_holds_64_kib(ends):
    assert [end.capacity_bytes for end in ends] == [65536, 65536]


@pytest.mark.parametrize(("asked", "given"), [(0, 4096), (1, 4096), (4096, 4096), (5000, 8192), (1 << 20, 1 << 20)])
def test_I06_a_capacity_is_rounded_up_to_a_power_of_two_of_pages(ends, asked, given):
    reader, writer = ends
    reader.capacity_bytes = asked
    assert reader.capacity_bytes == writer.capacity_bytes == given
    written = 0
    while (done := writer.try_write(b"x" * given)) is not None:
        written += done
    assert written == given


def test_I06_a_capacity_can_be_asked_for_at_birth():
    reader, writer = pipe(capacity_bytes=1 << 18)
    with reader, writer:
        assert writer.capacity_bytes == 1 << 18


def test_I06_a_capacity_below_the_content_is_busy_and_changes_nothing(ends):
    reader, writer = ends
    writer.write_all(b"x" * 20000, timeout=WAIT)
    with pytest.raises(OSError) as refused:
        writer.capacity_bytes = 4096
    assert (refused.value.errno, refused.value.filename) == (errno.EBUSY, "pipe writer")
    assert "more bytes than the new capacity" in refused.value.__notes__[0]
    assert writer.capacity_bytes == 65536
    assert reader.read_exactly(20000, timeout=WAIT) == b"x" * 20000


@pytest.mark.parametrize("size", [2**31 - 1, 2**31, 2**40])
def test_I06_a_capacity_above_the_limit_is_not_permitted_to_an_ordinary_user(size):
    def ask_for_too_much():
        if os.getuid() == 0:
            os.setgid(65534)
            os.setuid(65534)
        before = len(os.listdir("/proc/self/fd"))
        try:
            pipe(capacity_bytes=size)
        except PermissionError as refused:
            assert refused.errno == errno.EPERM
            assert refused.filename == "pipe writer"
            assert "pipe-max-size" in refused.__notes__[0]
            return 7 if len(os.listdir("/proc/self/fd")) == before else 1
        return 2

    with fork(ask_for_too_much) as child:
        assert child.wait(timeout=WAIT) == Exited(7)


def test_I06_a_negative_capacity_is_a_value_error_and_leaks_no_pipe(ends):
    with pytest.raises(ValueError, match="at least 0"):
        ends[0].capacity_bytes = -1
    with pytest.raises(ValueError, match="at least 0"):
        pipe(capacity_bytes=-1)
