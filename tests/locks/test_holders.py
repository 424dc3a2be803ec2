"""Who holds it, and on which file systems a lock excludes nobody."""

from __future__ import annotations

import errno
import os
import time

import pytest

from unixipc import FileLock, RecordLock
from unixipc.locks import Holder, _file_systems
from unixipc.locks._holders import conflicting, describe
from unixipc.locks._table import parsed

WAIT = 30

TABLE = """\
1: POSIX  ADVISORY  WRITE 708 08:01:262152 0 EOF
2: FLOCK  ADVISORY  WRITE 700 00:1a:262152 0 EOF
2: -> FLOCK  ADVISORY  WRITE 701 00:1a:262152 0 EOF
3: OFDLCK ADVISORY  READ  -1 00:1a:262152 10 19
4: POSIX  ADVISORY  READ  702 00:1a:262152 128 128
5: LEASE  ACTIVE    READ  703 00:1a:262152 0 EOF
6: POSIX  ADVISORY  WRITE 704 00:1a:26215 0 EOF
"""
FLOCK = Holder(700, "flock", False, 0, 0)
OFD = Holder(None, "ofd", True, 10, 10)
POSIX = Holder(702, "posix", True, 128, 1)
LEASE = Holder(703, "lease", True, 0, 0)


def test_L20_the_rows_of_the_table():
    rows = [parsed(line) for line in TABLE.splitlines()]
    found = [(row.type, row.shared, row.pid, row.start, row.length) for row in rows if row.file == "00:1a:262152"]
    assert found == [("flock", False, 700, 0, 0), ("flock", False, 701, 0, 0), ("ofd", True, None, 10, 10),
                     ("posix", True, 702, 128, 1), ("lease", True, 703, 0, 0)]  # fmt: skip
    assert [row.pid for row in rows if row.waits] == [701]


@pytest.mark.parametrize("kind", ["flock", "posix", "ofd"])
def test_L20_who_waits_is_listed_and_no_holder(path, other, kind):
    make = {"flock": "FileLock(p)", "posix": "RecordLock(p, 5, 10, kind='posix')", "ofd": "RecordLock(p, 5, 10)"}[kind]
    other.do(f"from unixipc import *; p = {os.fspath(path)!r}; lock = {make}")
    lock = FileLock(path) if kind == "flock" else RecordLock(path)
    pid, (start, length) = other.child.pid, (0, 0) if kind == "flock" else (5, 10)
    with lock:
        assert lock.waiters() == []
        other.start("lock.acquire(timeout=30, shared=True); lock.release()")
        while not (found := lock.waiters()):
            time.sleep(0.001)
        assert found == [Holder(None if kind == "ofd" else pid, kind, True, start, length)]
        assert len(lock.holders()) == 1
    other.answer()
    assert lock.waiters() == []
    lock.close()


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (("flock", False, 0, 0), [FLOCK]),
        (("flock", True, 0, 0), [FLOCK]),
        (("ofd", False, 0, 0), [OFD, POSIX]),
        (("posix", True, 0, 0), []),
        (("ofd", False, 19, 1), [OFD]),
        (("ofd", False, 20, 108), []),
        (("ofd", False, 20, 109), [POSIX]),
        (("ofd", False, 20, -1), [OFD]),
        (("ofd", False, 129, 0), []),
    ],
)
def test_who_of_them_keeps_us_out(wanted, expected):
    assert conflicting([FLOCK, OFD, POSIX, LEASE], *wanted) == expected


def test_L20_holders_are_those_of_the_file(path, other):
    other.do(f"from unixipc import *; p = {os.fspath(path)!r}")
    other.do("a, b, c = FileLock(p), RecordLock(p, 5, 10, shared=True), RecordLock(p, 50, 0, kind='posix')")
    other.do("a.acquire(), b.acquire(), c.acquire()")
    lock, pid = FileLock(path), other.child.pid
    expected = {Holder(pid, "flock", False, 0, 0), Holder(pid, "ofd", True, 5, 10), Holder(pid, "posix", False, 50, 0)}
    assert set(lock.holders()) == expected
    with open(path) as file:
        on_file = FileLock(file)
        assert set(on_file.holders()) == expected
        on_file.close()
    lock.close()


def test_the_process_behind_an_opening_is_found(path, other):
    other.do(f"from unixipc import *; lock = RecordLock({os.fspath(path)!r}, 5, 10); lock.acquire()")
    lock = RecordLock(path)
    assert f"held by process {other.child.pid} (" in lock.held_by()[0]
    assert "nobody" in RecordLock(path, 100, 1).held_by()[0]
    assert "nobody" in FileLock(path).held_by()[0]
    lock.close()


def test_what_cannot_be_seen_is_said_to_be_unseen(path):
    assert "cannot be seen" in describe([])
    assert "cannot be seen" in describe([Holder(None, "ofd", False, 0, 0)])
    lock = FileLock(path)
    path.unlink()
    assert "cannot be seen" in lock.held_by()[0]
    lock.close()


def test_another_object_of_this_process_is_called_so(path):
    with FileLock(path):
        lock = FileLock(path)
        with pytest.raises(TimeoutError) as caught:
            lock.acquire(timeout=0.01)
        assert f"process {os.getpid()} (" in str(caught.value)
        assert "this one" in str(caught.value)
        lock.close()


# where a lock would not exclude

MOUNTS = """\
22 28 0:20 / /sys rw,nosuid shared:7 - sysfs sysfs rw
28 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,discard,errors=remount-ro
101 28 0:45 / /home rw,relatime shared:50 master:3 - nfs4 nas:/home rw,vers=4.2,proto=tcp,local_lock=none,addr=10.0.0.1
102 28 0:46 / /a rw,relatime - nfs nas:/a rw,vers=3,nolock,proto=tcp,local_lock=all,addr=10.0.0.1
103 28 0:47 / /b\\040c rw,relatime - nfs nas:/b rw,vers=3,local_lock=flock
104 28 0:48 / /d rw,relatime - nfs nas:/d rw,vers=3,local_lock=posix
105 28 0:49 / /e rw,relatime - cifs //nas/e rw,vers=3.1.1,nobrl,mapposix
106 28 0:50 / /f rw,relatime - cifs //nas/f rw,vers=3.1.1
"""


@pytest.mark.parametrize(
    ("mount", "system", "refused"),
    [
        ("101", "nfs", ()),
        ("102", "nfs", ("flock", "ofd", "posix")),
        ("103", "nfs", ("flock",)),
        ("104", "nfs", ("ofd", "posix")),
        ("105", "cifs", ("flock", "ofd", "posix")),
        ("106", "smb3", ()),
    ],
)
def test_mounts_that_keep_locks_to_one_machine_are_known(mount, system, refused):
    options = _file_systems.options_in(MOUNTS, mount)
    for kind in ("flock", "ofd", "posix"):
        reason = _file_systems.why_not(system, options, kind)
        assert (reason is not None) is (kind in refused), reason


def test_the_options_are_of_the_right_mount():
    assert _file_systems.options_in(MOUNTS, "28") == {"rw", "relatime", "discard", "errors=remount-ro"}
    assert _file_systems.options_in(MOUNTS, "8") == frozenset()


def test_the_options_of_this_very_mount_are_found(path):
    with open(path) as file:
        options = _file_systems.mount_options(file.fileno())
    assert options & {"rw", "ro"}


def test_a_network_file_system_is_refused_unless_it_is_trusted(path, monkeypatch):
    """There is no such server here: the table of numbers is told that this file system is NFS."""
    with open(path) as file:
        number = _file_systems.file_system_type(file.fileno())
    monkeypatch.setitem(_file_systems.NETWORK, number, "nfs")
    with FileLock(path) as lock:
        assert lock.held, "NFS that locks"
    lock.close()
    monkeypatch.setattr(_file_systems, "mount_options", lambda _fd: _file_systems.options_in(MOUNTS, "102"))
    for cls in (FileLock, RecordLock):
        with pytest.raises(OSError, match="No locks") as caught:
            cls(path)
        assert caught.value.errno == errno.ENOLCK
        assert "nolock" in caught.value.__notes__[0]
        with cls(path, trust_file_system=True) as lock:
            assert lock.held
        lock.close()


def test_a_file_system_in_user_space_is_warned_about(path, monkeypatch):
    with open(path) as file:
        number = _file_systems.file_system_type(file.fileno())
    monkeypatch.setitem(_file_systems.NETWORK, number, "fuse")
    with pytest.warns(RuntimeWarning, match="this machine only") as caught:
        FileLock(path).close()
    assert caught[0].filename == __file__
    FileLock(path, trust_file_system=True).close()
