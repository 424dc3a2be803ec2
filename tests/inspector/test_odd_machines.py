"""Machines that hide, storm or overflow: no exception, no wrong row, and what could not be seen is said."""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import resource
import shutil
import subprocess
import sys
import textwrap

import pytest

from unixipc import inspector, pipe, sysv
from unixipc.inspector import procfs
from unixipc.inspector.reading import bytes_of

LIMIT_S = 100


def in_a_namespace(script, before, *flags):
    """The JSON that a script prints, in a mount namespace of its own, after the shell command `before`."""
    if shutil.which("unshare") is None or os.geteuid():
        pytest.skip("needs unshare(1), and root to mount /proc anew")
    command = f'set -e; mount --make-rprivate /; {before}; exec "$0" "$@"'
    words = ["unshare", "--mount", *flags, "sh", "-c", command, sys.executable, "-c", textwrap.dedent(script)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=LIMIT_S, check=False, cwd="/")
    if "unshare failed" in done.stderr or "mount:" in done.stderr:
        pytest.skip(f"no mount of our own: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


LOOK = """
    import json, os
    from unixipc import inspector
    from unixipc.inspector import procfs
    inspector.ls(); inspector.why(); inspector.examine()
    child = os.fork()
    if child == 0:
        os.setgid(65534); os.setuid(65534)
        seen = procfs.snapshot()
        graph, why = inspector.graph(), inspector.why()
        print(json.dumps({
            "ourselves": seen.pids == [os.getpid()], "one": 1 in seen.pids, "one hidden": 1 in seen.hidden,
            "graph": 1 in graph.hidden, "why": 1 in why.hidden, "more": seen.hides_processes,
            "rows": len(inspector.ls()), "signals": [row.id for row in inspector.ls("signals")] == [os.getpid()],
        }), flush=True)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
"""


def test_processes_that_are_not_listed_are_known_to_be_missing():
    told = in_a_namespace(LOOK, "mount -t proc -o hidepid=2 proc /proc")
    assert told["more"] and not told["one"] and not told["one hidden"] and told["signals"]


def test_processes_that_are_listed_and_closed_are_hidden():
    told = in_a_namespace(LOOK, "mount -t proc -o hidepid=1 proc /proc")
    assert told["one"] and told["one hidden"] and told["graph"] and told["why"] and not told["more"]


def test_another_namespaces_proc_shows_its_processes_alone():
    told = in_a_namespace(LOOK, "mount -t proc proc /proc", "--pid", "--fork")
    assert told["one"] and told["one hidden"] and told["graph"] and told["why"] and not told["more"]


@pytest.mark.usefixtures("own_ipc_namespace")
def test_a_segment_is_surely_nobodys_only_if_everybody_is_listed(monkeypatch, children):
    """Who is not listed may know its number; the rest of the verdict is test_orphans's."""
    told, tell = pipe()
    with told, tell:
        children.start(lambda: tell.write_all(str(sysv.SharedMemory.create(sysv.Key.PRIVATE, 4096).id).encode()))
        number = int(told.read(20, 20))
    children.all_succeed()
    with sysv.SharedMemory(number) as segment:
        monkeypatch.setattr(procfs, "hides_processes", lambda: True)
        assert [each.certainty for each in inspector.orphans() if each.id == number] == ["likely"]
        monkeypatch.undo()
        assert [each.certainty for each in inspector.orphans() if each.id == number] == ["sure"]
        segment.remove()


# many, and short-lived ------------------------------------------------------------------------------------------------

STORM = """
import os, signal
signal.alarm(60)
while True:
    for _ in range(4):
        if os.fork() == 0:
            reader, writer = os.pipe()
            os.dup2(reader, 300)
            os._exit(0)
    for _ in range(4):
        os.wait()
"""


def storm(looks):
    own_reader, own_writer = pipe()
    with subprocess.Popen([sys.executable, "-c", STORM]) as forks, own_reader, own_writer:
        try:
            inode = os.fstat(own_reader.fileno()).st_ino
            for _ in range(looks):
                (row,) = [row for row in inspector.ls("pipe") if row.id == inode]
                ours = {(end.pid, end.number) for end in (*row.readers, *row.writers)}
                assert ours == {(os.getpid(), own_reader.fileno()), (os.getpid(), own_writer.fileno())}
                for look in (inspector.ls, inspector.why, inspector.graph, lambda: inspector.who(own_reader)):
                    look()
                seen = procfs.snapshot()
                assert all(
                    mode & 0o600 for table in (seen.pipes, seen.files) for raw in table.values() for *_, mode in raw
                )
        finally:
            forks.kill()
            forks.wait(LIMIT_S)


def test_processes_that_end_while_we_look():
    storm(1)


@pytest.mark.deep
@pytest.mark.timeout(600)
def test_processes_that_end_while_we_look_for_long():
    storm(60)


def with_descriptors(count):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = min(count, hard - 500)  # not even root may always have more
    resource.setrlimit(resource.RLIMIT_NOFILE, (count + 500, hard))
    reader, writer = pipe()
    copies = []
    try:
        copies += [os.dup(writer.fileno()) for _ in range(count)]
        (row,) = [row for row in inspector.ls("pipe") if row.id == os.fstat(reader.fileno()).st_ino]
        assert {end.number for end in row.writers if end.pid == os.getpid()} == {writer.fileno(), *copies}
        assert len({edge.detail for edge in inspector.who(reader)}) >= count + 2
    finally:
        for copy in copies:
            os.close(copy)
        reader.close()
        writer.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_process_with_many_descriptors():
    with_descriptors(3000)


@pytest.mark.deep
@pytest.mark.timeout(600)
def test_a_process_with_a_hundred_thousand_descriptors():
    with_descriptors(100_000)


def with_mappings(count, tmp_path):
    """Every second page of a file, so that no two mappings become one. (Python's own keep a descriptor each.)"""
    path = tmp_path / "mapped"
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    offsets = [2 * i * mmap.PAGESIZE for i in range(count)]
    with open(path, "w+b") as file:
        file.truncate(2 * count * mmap.PAGESIZE)
        maps = [
            libc.mmap(None, ctypes.c_size_t(mmap.PAGESIZE), 3, mmap.MAP_SHARED, file.fileno(), ctypes.c_long(offset))
            for offset in offsets
        ]
    found = os.stat(path)
    try:
        ours = [each for each in procfs.snapshot().maps[found.st_dev, found.st_ino] if each.pid == os.getpid()]
        assert sorted(each.offset for each in ours) == offsets
        assert all(each.path == str(path) and each.writes for each in ours)
        assert [edge.how for edge in inspector.who(path) if edge.pid == os.getpid()] == ["maps"]
    finally:
        for each in maps:
            libc.munmap(ctypes.c_void_p(each), ctypes.c_size_t(mmap.PAGESIZE))


def test_a_process_with_many_mappings(tmp_path):
    with_mappings(2000, tmp_path)


@pytest.mark.deep
@pytest.mark.timeout(600)
def test_a_process_with_sixty_thousand_mappings(tmp_path):
    with_mappings(60_000, tmp_path)


def test_mappings_are_the_same_by_text_and_by_query(tmp_path):
    """Before Linux 6.11 there is only the text."""
    path = tmp_path / "a file"
    path.write_bytes(bytes(9000))
    with open(path, "r+b") as file, mmap.mmap(-1, 4096), mmap.mmap(file.fileno(), 4096, prot=mmap.PROT_READ):
        path.unlink()
        asked = list(procfs._raw_mappings(os.getpid()))
        assert asked == list(procfs._mappings_in(bytes_of("/proc/self/maps")))
        assert {f"{path} (deleted)", "/dev/zero (deleted)"} <= {each[-1] for each in asked}


def test_no_descriptor_left_to_look_by_is_no_empty_answer():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    held = [os.dup(2)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (held[0] + 1, hard))
    try:
        held += iter(lambda: duplicate(), None)
        with pytest.raises(OSError, match="Too many open files"):
            inspector.ls("pipe")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for each in held:
            os.close(each)


def duplicate():
    try:
        return os.dup(2)
    except OSError:
        return None


def test_a_look_as_nobody_says_what_it_did_not_see(as_nobody):
    def look():
        seen = procfs.snapshot()
        assert os.getppid() in seen.hidden and os.getpid() not in seen.hidden
        for told in (inspector.graph(), inspector.why()):
            assert os.getppid() in told.hidden
        inspector.ls()
        with pytest.raises(FileNotFoundError):
            inspector.who("no such thing")

    as_nobody(look)
