"""POSIX semaphores: names, modes, values, timeouts, pickles; and the same object as sem_open(3) makes."""

import _multiprocessing
import errno
import os
import pickle
import stat
import time

import pytest

from unixipc import ClosedError
from unixipc.posix import Semaphore, remove_semaphore

WAIT = 20
MOST = 2**31 - 1


@pytest.fixture
def semaphore():
    with Semaphore.temporary(1) as semaphore:
        yield semaphore


def path_of(name):
    return f"/dev/shm/sem.{name[1:]}"


def refusal(error, number, call, *args, **named):
    """The exception: of this class, with this errno, and a note."""
    with pytest.raises(error) as caught:
        call(*args, **named)
    assert caught.value.errno == number
    assert caught.value.__notes__
    return caught.value


# getting one ----------------------------------------------------------------------------------------------------------


def test_create_open_ensure(name):
    assert refusal(FileNotFoundError, errno.ENOENT, Semaphore.open, name).filename == name
    with Semaphore.create(name, 3) as mine:
        refusal(FileExistsError, errno.EEXIST, Semaphore.create, name, 1)
        with Semaphore.open(name) as same, Semaphore.ensure(name, 7) as third:
            same.acquire()
            third.acquire()
            assert (mine.value, mine.name) == (1, name)
        mine.remove()
        refusal(FileNotFoundError, errno.ENOENT, mine.remove)
        refusal(FileNotFoundError, errno.ENOENT, remove_semaphore, name)
        with Semaphore.ensure(name, 7) as fresh:
            assert (fresh.value, mine.value) == (7, 1)


@pytest.mark.parametrize("bad", ["", "name", "/", "/.", "/..", "/a/b", "//a", "a/b", "/a\0b"])
@pytest.mark.parametrize(
    "call", [lambda n: Semaphore.create(n, 1), Semaphore.open, lambda n: Semaphore.ensure(n, 1), remove_semaphore]
)
def test_a_name_is_a_slash_and_one_word(bad, call):
    assert "one word" in refusal(OSError, errno.EINVAL, call, bad).__notes__[0]


def test_a_name_has_at_most_251_bytes(name):
    for call in (Semaphore.open, lambda n: Semaphore.create(n, 1), remove_semaphore):
        assert "251" in refusal(OSError, errno.ENAMETOOLONG, call, "/" + 252 * "n").__notes__[0]
    longest = name + (252 - len(name)) * "n"
    with Semaphore.create(longest, 1) as semaphore:
        assert os.stat(path_of(longest)).st_size == 32
        semaphore.remove()


def test_the_mode_is_what_was_asked_for_whatever_the_umask(name):
    before = os.umask(0o777)
    try:
        with Semaphore.create(name, 1, 0o622):
            assert stat.S_IMODE(os.stat(path_of(name)).st_mode) == 0o622
    finally:
        os.umask(before)


@pytest.mark.parametrize("mode", [-1, 0o1000])
def test_a_mode_has_nine_bits(name, mode):
    with pytest.raises(ValueError, match="0o777"):
        Semaphore.create(name, 1, mode)


def test_permissions(name, as_nobody):
    with Semaphore.create(name, 1) as mine:

        def refused():
            for call in (Semaphore.open, lambda n: Semaphore.ensure(n, 1)):
                assert refusal(PermissionError, errno.EACCES, call, name).filename == name
            with pytest.raises(PermissionError) as caught:
                remove_semaphore(name)
            assert "owner" in caught.value.__notes__[0]

        as_nobody(refused)
        os.chmod(path_of(name), 0o606)

        def granted():
            with Semaphore.open(name) as theirs:
                theirs.acquire(timeout=WAIT)

        as_nobody(granted)
        assert mine.value == 0


def test_another_user_makes_one_too(name, as_nobody):
    def child():
        with Semaphore.create(name, 5, 0o640) as mine:
            assert stat.S_IMODE(os.stat(path_of(name)).st_mode) == 0o640
            mine.remove()

    as_nobody(child)


@pytest.mark.parametrize("initial", [0, 1, MOST])
def test_the_values_that_one_begins_with(name, initial):
    with Semaphore.create(name, initial) as named, Semaphore.temporary(initial) as temporary:
        assert named.value == temporary.value == initial


@pytest.mark.parametrize("initial", [-1, MOST + 1, 2**32, 2**70])
def test_the_values_that_it_does_not(name, initial):
    for make in (lambda: Semaphore.create(name, initial), lambda: Semaphore.temporary(initial)):
        assert f"not {initial}" in refusal(OSError, errno.EINVAL, make).__notes__[0]
    for bad in (1.0, "1", None):
        with pytest.raises(TypeError):
            Semaphore.create(name, bad)
    assert not os.path.exists(path_of(name))


def test_beyond_the_highest_value_is_eoverflow(semaphore):
    with Semaphore.temporary(MOST) as full:
        assert "SEM_VALUE_MAX" in refusal(OSError, errno.EOVERFLOW, full.release).__notes__[0]
        assert full.value == MOST


def test_thirty_processes_that_ensure_have_one_semaphore(name, children):
    gate, opener = os.pipe()

    def child():
        os.close(opener)
        os.read(gate, 1)
        with Semaphore.ensure(name, 100) as semaphore:
            semaphore.acquire(timeout=WAIT)

    children.start(child, times=30)
    os.close(opener)
    os.close(gate)
    children.all_succeed()
    with Semaphore.open(name) as semaphore:
        assert semaphore.value == 70


def test_a_temporary_one_never_has_a_name(semaphore):
    before = set(os.listdir("/dev/shm"))
    with Semaphore.temporary(1) as other:
        assert set(os.listdir("/dev/shm")) == before
        refusal(FileNotFoundError, errno.ENOENT, other.remove)
        with pytest.raises(TypeError, match="no name"):
            pickle.dumps(other)
        other.acquire()
        assert (other.value, semaphore.value) == (0, 1)
        assert "temporary" in repr(other)


def test_what_is_no_semaphore_is_refused_and_never_a_sigbus(name):
    path = path_of(name)
    for content in (b"", b"short"):
        with open(path, "wb") as file:
            file.write(content)
        assert "no semaphore" in refusal(OSError, errno.EINVAL, Semaphore.open, name).__notes__[0]
    os.remove(path)
    os.symlink("/etc/passwd", path)
    refusal(OSError, errno.ELOOP, Semaphore.open, name)
    os.remove(path)
    os.mkfifo(path)
    refusal(OSError, errno.EINVAL, Semaphore.open, name)


# acquiring ------------------------------------------------------------------------------------------------------------


def test_try_acquire_and_release(semaphore):
    assert semaphore.try_acquire() is True
    assert semaphore.try_acquire() is False
    assert semaphore.release() is None
    assert semaphore.value == 1


def test_a_timeout_is_seconds_from_now_and_takes_nothing(semaphore):
    semaphore.acquire(timeout=0)
    for wait in (semaphore.acquire, semaphore.wait_until_possible, lambda timeout: semaphore.hold(timeout).__enter__()):
        for timeout in (0.05, 0):
            began = time.monotonic()
            with pytest.raises(TimeoutError) as late:
                wait(timeout=timeout)
            assert time.monotonic() - began >= timeout
            assert late.value.filename == semaphore.name
        with pytest.raises(ValueError, match="timeout"):
            wait(timeout=-1)
    semaphore.release()
    assert semaphore.value == 1


def test_waiting_until_possible_takes_nothing(semaphore):
    assert semaphore.wait_until_possible(timeout=WAIT) is True
    assert semaphore.value == 1


def test_hold_gives_back_what_it_took_whatever_happens(semaphore):
    with semaphore.hold() as held:
        assert held is semaphore
        assert semaphore.value == 0
    with pytest.raises(KeyError), semaphore.hold(timeout=WAIT):
        raise KeyError
    assert semaphore.value == 1


def test_with_closes_and_does_not_acquire(name):
    with Semaphore.create(name, 1) as semaphore:
        assert semaphore.value == 1
    assert semaphore.closed
    with Semaphore.open(name) as semaphore:
        assert semaphore.value == 1


CALLS = {
    "acquire": lambda s: s.acquire(timeout=WAIT),
    "try_acquire": lambda s: s.try_acquire(),
    "wait_until_possible": lambda s: s.wait_until_possible(timeout=WAIT),
    "release": lambda s: s.release(),
    "value": lambda s: s.value,
    "hold": lambda s: s.hold().__enter__(),
    "with": lambda s: s.__enter__(),
    "remove": lambda s: s.remove(),
    "pickle": pickle.dumps,
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_nothing_works_after_close(name, call):
    with Semaphore.create(name, 1) as semaphore:
        pass
    semaphore.close()
    with pytest.raises(ClosedError):
        call(semaphore)
    with pytest.raises(ClosedError):
        call(Semaphore.__new__(Semaphore))


def test_it_is_pickled_by_name(name):
    with Semaphore.create(name, 2) as semaphore, pickle.loads(pickle.dumps(semaphore)) as same:
        same.acquire()
        assert semaphore.value == 1


def test_repr_tells_name_value_and_end(name):
    with Semaphore.create(name, 2) as semaphore:
        assert repr(semaphore) == f"<Semaphore {name!r} value 2>"
    assert repr(semaphore) == f"<Semaphore {name!r} closed>"


# the same thing as others make ----------------------------------------------------------------------------------------


def test_multiprocessings_semaphore_is_the_same_object(name):
    theirs = _multiprocessing.SemLock(1, 3, 10, name, False)  # kind 1: a semaphore; sem_open(3), O_CREAT | O_EXCL
    with Semaphore.open(name) as ours:
        ours.acquire()
        theirs.acquire()
        assert ours.value == 1
        theirs.release()
        ours.release()
        assert theirs._get_value() == 3
        assert ours.value == 3


def test_multiprocessing_opens_ours(name):
    with Semaphore.create(name, 2) as ours:
        theirs = _multiprocessing.SemLock._rebuild(0, 1, 10, name)
        theirs.acquire()
        assert ours.value == 1
        ours.acquire()
        assert theirs.acquire(False) is False
        ours.release()
        assert theirs.acquire(True, WAIT) is True
