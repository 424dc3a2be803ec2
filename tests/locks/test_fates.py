"""Fork, exec, removal and replacement of the file, other users, odd files."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import stat
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import pytest

from unixipc import Exited, FileLock, Killed, RecordLock, fork, pipe

WAIT = 30
PATIENCE = 0.05


def has_ended_well(child):
    with child:
        assert child.wait(timeout=WAIT) == Exited(0)


@pytest.mark.parametrize("cls", [FileLock, RecordLock])
def test_a_forked_child_holds_nothing(path, cls):
    lock = cls(path)

    def live():
        assert not lock.held
        assert not lock.try_acquire()
        assert not cls(path).try_acquire()

    with lock:
        has_ended_well(fork(live))
        assert lock.held
        assert not cls(path).try_acquire()
    lock.close()


@pytest.mark.parametrize("cls", [FileLock, RecordLock])
@pytest.mark.parametrize("waiting", [False, True])
def test_a_forked_child_does_not_keep_its_killed_parents_lock_alive(path, cls, waiting):
    """Also of what a thread of the parent was just waiting for, and got later."""
    told, tell = pipe()
    gate, opened = pipe()
    blocker = cls(path)
    if waiting:
        blocker.acquire()

    def grandchild():
        opened.close()
        tell.write(b"x")
        gate.read(1)

    def holder():
        lock = cls(path)
        thread = threading.Thread(target=lock.acquire, daemon=True)
        thread.start()
        thread.join(PATIENCE if waiting else WAIT)
        assert lock.held is not waiting
        fork(grandchild)
        thread.join()
        tell.write(b"y")
        signal.pause()

    with told, tell, gate, fork(holder) as child:
        first = told.read(1, timeout=WAIT)
        if waiting:
            assert first == b"x"
            blocker.release()
        assert {first, told.read(1, timeout=WAIT)} == {b"x", b"y"}
        assert not blocker.try_acquire()
        child.kill()
        assert child.wait(timeout=WAIT) == Killed(signal.SIGKILL)
        blocker.acquire(timeout=WAIT)
        opened.close()
    blocker.close()


def test_S12_a_file_that_was_opened_before_is_shared_with_the_child(path):
    """flock(2) belongs to the opening, and that one is the caller's, not ours: the child has it too."""
    with open(path, "r+b") as file:
        lock = FileLock(file)

        def live():
            assert not lock.held
            assert lock.try_acquire()

        with lock:
            has_ended_well(fork(live))
        lock.close()


@pytest.mark.parametrize("cls", [FileLock, RecordLock])
def test_exec_releases_it(path, cls):
    (told, tell), (told_there, tell_there) = pipe(), pipe()

    def live():
        lock = cls(path)
        lock.acquire()
        told_there.dup2(0)
        tell.dup2(1)
        os.execv("/bin/sh", ["sh", "-c", "echo here; read line"])

    with told, tell, told_there, tell_there, fork(live) as child:
        assert told.read(4, timeout=WAIT) == b"here"
        with cls(path, timeout=WAIT) as lock:
            assert lock.held, "the program runs on, and holds nothing"
            assert not child.has_ended()
        tell_there.write(b"\n")
        assert child.wait(timeout=WAIT) == Exited(0)
        lock.close()


@pytest.mark.parametrize("kind", ["posix", "ofd"])
@pytest.mark.parametrize("inheritable", [True, False])
def test_L10_exec_keeps_the_lock_of_an_inheritable_file_of_yours(path, kind, inheritable):
    (told, tell), (told_there, tell_there) = pipe(), pipe()

    def live():
        file = open(path, "r+b")
        os.set_inheritable(file.fileno(), inheritable)
        RecordLock(file, kind=kind).acquire()
        told_there.dup2(0)
        tell.dup2(1)
        os.execv("/bin/sh", ["sh", "-c", "echo here; read line"])

    with told, tell, told_there, tell_there, fork(live) as child:
        assert told.read(4, timeout=WAIT) == b"here"
        lock = RecordLock(path)
        assert lock.try_acquire() is not inheritable
        tell_there.write(b"\n")
        assert child.wait(timeout=WAIT) == Exited(0)
        lock.close()


@pytest.mark.parametrize("kind", ["posix", "ofd"])
def test_L10_a_fork_shares_the_opening_of_yours_and_with_it_ofd_locks_only(path, kind):
    with open(path, "r+b") as file:
        lock = RecordLock(file, kind=kind)

        def live():
            assert RecordLock(file, kind=kind).try_acquire() is (kind == "ofd")

        with lock:
            has_ended_well(fork(live))
        lock.close()


def test_L24_who_waits_for_a_removed_file_gets_the_one_that_has_the_name_then(path):
    first, got = FileLock(path), []
    first.acquire()

    def wait():
        with FileLock(path, timeout=WAIT) as lock:
            got.append((os.fstat(lock.fileno()).st_ino, path.stat().st_ino))

    thread = threading.Thread(target=wait)
    thread.start()
    time.sleep(PATIENCE)
    path.unlink()
    first.release()
    thread.join(WAIT)
    ((held, named),) = got
    assert held == named
    first.close()


@pytest.mark.parametrize("how", ["remove", "replace"])
def test_L24_a_lock_on_a_file_that_is_no_longer_there_is_not_given(path, how):
    lock = FileLock(path)
    if how == "remove":
        path.unlink()
    else:
        path.rename(f"{path}.old")
        path.touch()
    with lock:
        assert os.path.samestat(os.fstat(lock.fileno()), os.stat(path))
        assert not FileLock(path).try_acquire()
    lock.close()


def change(path, how):
    if how == "remove":
        path.unlink()
    elif how == "remove one of two names":
        path.with_name("other name").hardlink_to(path)
        path.unlink()
    elif how == "rename":
        path.rename(f"{path}.old")
    elif how == "exchange":
        path.with_name("fresh").touch()
        path.rename(f"{path}.old")
        path.with_name("fresh").rename(path)
    else:
        path.with_name("fresh").touch()
        path.with_name("fresh").rename(path)


CHANGES = ["remove", "remove one of two names", "rename", "exchange", "replace"]


@pytest.fixture(params=["here", "/dev/shm"])
def settled(request, tmp_path):
    """A lock on a file that was last changed so long ago that one look at its path is remembered."""
    folder = tmp_path
    if request.param != "here":
        folder = Path(tempfile.mkdtemp(dir=request.param))
    path = folder / "x.lock"
    path.touch()
    lock = FileLock(path)
    time.sleep(0.07)
    yield lock, path
    lock.close()
    if folder != tmp_path:
        shutil.rmtree(folder)


@pytest.mark.parametrize("how", CHANGES)
def test_L24_a_change_just_after_the_path_was_looked_up_is_seen(settled, how):
    lock, path = settled
    for _ in range(3):
        with lock:
            pass  # the first looks at the path; the others are content with a look at the file
    change(path, how)
    with lock:
        assert os.path.samestat(os.fstat(lock.fileno()), os.stat(path))
        assert not FileLock(path).try_acquire()


@pytest.mark.parametrize("how", CHANGES)
def test_L24_a_change_in_the_same_tick_as_the_one_before_is_seen(settled, how):
    """Files change twice within a tick of the clock that stamps them: what was just changed is not remembered."""
    lock, path = settled
    for _ in range(20):
        path.touch()
        path.chmod(0o600)
        with lock:
            pass
        change(path, how)
        with lock:
            assert os.path.samestat(os.fstat(lock.fileno()), os.stat(path))
        path.with_name("other name").unlink(missing_ok=True)


def test_L24_a_folder_that_was_moved_away_is_noticed_after_a_while(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    path = folder / "x.lock"
    path.touch()
    lock = FileLock(path)
    time.sleep(0.07)
    for _ in range(2):
        with lock:
            pass
    folder.rename(tmp_path / "elsewhere")
    folder.mkdir()
    path.touch()
    time.sleep(0.12)  # what the docstring says it may take, and a tick or two
    with lock:
        assert os.path.samestat(os.fstat(lock.fileno()), os.stat(path))
    lock.close()


@pytest.mark.parametrize("rounds", [150, pytest.param(5000, marks=[pytest.mark.deep, pytest.mark.timeout(900)])])
def test_L24_processes_that_lock_remove_and_make_anew_exclude_each_other(tmp_path, rounds):
    """The counter is read, and written one higher, under the lock: an overlap would lose a step."""
    path, counter = tmp_path / "x.lock", tmp_path / "counter"
    counter.write_text("0")

    def work(number):
        for i in range(rounds):
            lock = FileLock(path)
            with lock:
                value = int(counter.read_text())
                if i % 7 == 0:
                    time.sleep(0)
                counter.write_text(str(value + 1))
                if (i + number) % 3 == 0:  # last: without the name the lock excludes nobody any more
                    path.unlink()
                elif (i + number) % 3 == 1:
                    fresh = tmp_path / f"fresh{number}"
                    fresh.touch()
                    fresh.rename(path)
            lock.close()

    children = [fork(work, number) for number in range(4)]
    for child in children:
        with child:
            assert child.wait(timeout=600) == Exited(0)
    assert int(counter.read_text()) == 4 * rounds


def test_a_link_in_place_of_the_file_is_refused(path, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(path)
    with pytest.raises(OSError, match="Too many levels") as caught:
        FileLock(link)
    assert caught.value.errno == errno.ELOOP
    assert "link" in caught.value.__notes__[0]
    lock = FileLock(path)
    path.rename(tmp_path / "moved")
    path.symlink_to(tmp_path / "moved")
    with pytest.raises(OSError, match="Too many levels"):
        lock.acquire()
    assert not lock.held
    lock.close()


def test_a_missing_folder_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        FileLock(tmp_path / "no" / "x.lock")
    assert caught.value.filename == os.fspath(tmp_path / "no" / "x.lock")
    with pytest.raises(FileNotFoundError):
        RecordLock(tmp_path / "x", mode=-1)
    with pytest.raises(FileNotFoundError):
        FileLock(tmp_path / "x", mode=-1)
    with FileLock(tmp_path / "x") as lock:
        assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o600
    lock.close()
    assert (tmp_path / "x").exists(), "it stays"
    RecordLock(tmp_path / "y", mode=0o640).close()
    assert stat.S_IMODE((tmp_path / "y").stat().st_mode) == 0o640


def test_a_folder_a_running_program_and_a_fifo_can_be_locked(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path, tmp_path / "fifo"):
        with FileLock(path) as lock:
            assert not FileLock(path).try_acquire()
        lock.close()


def as_nobody(live):
    def changed():
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        live()

    has_ended_well(fork(changed))


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_another_users_file(tmp_path):
    folder = tmp_path / "shared"
    folder.mkdir()
    for part in (folder, *folder.parents):
        if part.stat().st_uid == os.getuid() and os.fspath(part).startswith("/tmp/"):
            part.chmod(0o755)
    readable, closed = folder / "readable", folder / "closed"
    readable.touch(0o644)
    closed.touch(0o600)

    def live():
        with FileLock(readable) as lock:
            assert lock.held, "flock does not need to write"
        shared = RecordLock(readable, shared=True)
        with pytest.raises(PermissionError):
            shared.acquire(shared=False)
        with shared:
            assert shared.held
        with pytest.raises(PermissionError):
            RecordLock(readable)
        for cls in (FileLock, RecordLock):
            with pytest.raises(PermissionError) as caught:
                cls(closed)
            assert caught.value.filename == os.fspath(closed)
        with pytest.raises(PermissionError):
            FileLock(folder / "new")

    as_nobody(live)
    folder.chmod(0o1777)  # as /tmp is, where O_CREAT of another's file may be refused

    def in_a_sticky_folder():
        with FileLock(readable) as lock:
            assert lock.held

    as_nobody(in_a_sticky_folder)


def test_files_numbers_and_names(path):
    with open(path, "r+b") as file:
        for thing in (file, file.fileno()):
            with FileLock(thing) as lock:
                assert lock.fileno() == file.fileno()
                assert not FileLock(os.fsencode(path)).try_acquire()
            lock.close()
        os.fstat(file.fileno())
    with pytest.raises(OSError, match="Bad file descriptor"):
        FileLock(987654)


def test_a_lock_cannot_be_pickled_and_tells_its_state(path):
    lock = FileLock(path)
    with pytest.raises(TypeError, match="path"):
        __import__("pickle").dumps(lock)
    assert repr(lock) == f"<FileLock {str(path)!r} free>"
    with lock.reading():
        assert repr(lock).endswith("held shared>")
    with lock:
        assert repr(lock).endswith("held>")
    lock.close()
    assert repr(lock).endswith("closed>")


def test_locks_are_released_and_closed_with_their_last_reference(path):
    FileLock(path).acquire()
    with FileLock(path) as lock:
        assert lock.held
    lock.close()


def test_subprocesses_inherit_no_lock(path):
    with FileLock(path) as lock:
        done = subprocess.run(["ls", "-l", "/proc/self/fd"], capture_output=True, text=True, timeout=WAIT, check=True)
    assert os.fspath(path) not in done.stdout
    lock.close()
