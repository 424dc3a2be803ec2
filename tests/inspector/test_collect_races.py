"""N06: who comes between the look and the removal keeps it. The first of two orphans is removed while he comes."""

from __future__ import annotations

import fcntl
import os
import socket
from contextlib import ExitStack

import pytest

from unixipc import channel, inspector, map_file, sockets, sysv

from .leaving import CHANNELS, NAME, OURS, a_set, as_somebody, collect, killed, queue, segment, skip_if_blind

pytestmark = pytest.mark.usefixtures("own_ipc_namespace")


NEW = ("another object has its name now", "a socket is bound to it now")
"""A new file may have the number of the old one."""


def between(kinds, come, folders=(), **options):
    """Two orphans are found; while the first is removed, somebody comes to the second: what became of that."""
    seen = []

    def step(row):
        seen.append(row)
        if len(seen) == 1:
            come(orphans[1])

    orphans = [
        each.orphan.id
        for each in inspector.collect(kinds, dry_run=True, older_than_s=0, folders=folders, **options)
        if each.done == "would remove"
    ]
    assert len(orphans) == 2
    inspector.collect(kinds, older_than_s=0, folders=folders, on_each=step, **options)
    assert (seen[0].orphan.id, seen[0].done, seen[1].orphan.id) == (orphans[0], "removed", orphans[1])
    return seen[1]


def test_N06_who_attaches_between_look_and_removal_keeps_the_segment():
    killed(segment), killed(segment)
    with ExitStack() as stay:
        left = between(["sysv-segment"], lambda id: stay.enter_context(sysv.SharedMemory(id).attach()))
        assert (left.done, left.because) == ("left", "it was used meanwhile")
        with sysv.SharedMemory(left.orphan.id) as memory:
            assert memory.stat().attached == 1 and not memory.stat().marked_for_removal
            memory.remove()


def test_N06_who_attached_and_left_again_keeps_it_too():
    killed(segment), killed(segment)
    left = between(["sysv-segment"], lambda id: sysv.SharedMemory(id).attach().close())
    assert left.because == "it was used meanwhile"
    with sysv.SharedMemory(left.orphan.id) as memory:
        memory.remove()


@pytest.mark.parametrize(
    ("make", "come"),
    [(queue, lambda id: sysv.MessageQueue(id).receive()), (a_set, lambda id: sysv.SemaphoreSet(id)[0].release())],
)
def test_N06_who_sends_receives_or_changes_between_keeps_it(make, come):
    numbers = [killed(as_somebody, make, sysv.Key.random())[1] for _ in range(2)]
    kind = "sysv-queue" if make is queue else "sysv-set"
    if make is queue:
        skip_if_blind(kind, *numbers)
    left = between([kind], come, likely=True)
    assert (left.done, left.because) == ("left", "it was used meanwhile")
    (sysv.MessageQueue if make is queue else sysv.SemaphoreSet)(left.orphan.id).remove()


def test_N06_who_joins_between_keeps_the_channel():
    for n in (1, 2):
        killed(lambda n=n: channel.Queue.temporary(f"{NAME}-{n}"))
    with ExitStack() as stay:
        left = between(["channel"], lambda name: stay.enter_context(channel.Queue.temporary(name)), **OURS)
        assert (left.done, left.because) == ("left", "somebody uses it")
        assert os.path.exists(CHANNELS + left.orphan.id)


def test_N06_a_program_that_takes_no_lock_keeps_the_channel_that_it_has_mapped():
    """As programs in C do: no lock of a user, but it is there."""
    for n in (1, 2):
        killed(lambda n=n: channel.Queue.temporary(f"{NAME}-{n}"))
    with ExitStack() as stay:

        def map_it(name):
            with open(CHANNELS + name, "rb") as file:
                stay.enter_context(map_file(file))

        left = between(["channel"], map_it, **OURS)
        assert (left.done, left.because[:19]) == ("left", "somebody has it ope")
        assert collect(["channel"], **OURS) == {} and os.path.exists(CHANNELS + left.orphan.id)
    assert [row.done for row in collect(["channel"], **OURS).values()] == ["removed"]


def test_N06_who_opens_between_keeps_the_file_and_its_name():
    """A lease of the kernel says that nobody has it open or mapped, in any namespace."""
    for n in (1, 2):
        killed(lambda n=n: channel.Queue.create(f"{NAME}-{n}").receiver())
    with ExitStack() as stay:
        left = between(["channel"], lambda name: stay.enter_context(channel.Queue.open(name)), likely=True, **OURS)
        assert left.done == "left" and left.because.startswith("somebody has it open")
        assert not [name for name in os.listdir("/dev/shm") if name.startswith(".uipc-gc")]
        os.unlink(CHANNELS + left.orphan.id)


def test_N06_who_binds_the_name_anew_between_keeps_it(tmp_path):
    for name in ("a", "b"):
        killed(lambda name=name: sockets.listen(str(tmp_path / name)))
    with ExitStack() as stay:
        left = between(["socket"], lambda path: stay.enter_context(sockets.listen(path)), [str(tmp_path)])
        assert left.done == "left" and left.because in NEW
        assert os.listdir(tmp_path) == ["b"]
        sockets.connect(str(tmp_path / "b")).close()


def test_N06_another_file_of_that_name_is_not_touched(tmp_path):
    for name in ("a", "b"):
        killed(lambda name=name: sockets.listen(str(tmp_path / name)))

    def replace(path):
        os.unlink(path)
        for n in range(20):  # one of them gets the number of the socket's file, on many file systems
            (tmp_path / f"file-{n}").write_text("precious")
        same = [each for each in tmp_path.iterdir() if each.stat().st_ino == number]
        os.rename(same[0] if same else tmp_path / "file-0", path)

    number = (tmp_path / "b").stat().st_ino
    left = between(["socket"], replace, [str(tmp_path)])
    assert (left.done, left.because) == ("left", "another object has its name now")
    assert (tmp_path / "b").read_text() == "precious"


def test_N06_who_locks_the_folder_to_bind_there_is_not_disturbed(tmp_path):
    killed(lambda: sockets.listen(str(tmp_path / "a")))
    folder = os.open(tmp_path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        (row,) = collect(["socket"], [str(tmp_path)]).values()
    finally:
        os.close(folder)
    assert row.done == "left" and "locked its folder" in row.because


def test_N06_what_somebody_else_removed_is_gone():
    killed(segment), killed(segment)
    left = between(["sysv-segment"], lambda id: sysv.SharedMemory(id).remove())
    assert left.done == "left" and left.because.startswith("it is gone")


@pytest.mark.parametrize("call", ["lstat", "unlink"])
def test_N06_what_cannot_be_removed_after_all_has_its_name_back(tmp_path, monkeypatch, call):
    """An error between the new name and the end, or Ctrl-C."""
    killed(lambda: sockets.listen(str(tmp_path / "dead")))
    real = getattr(os, call)

    def interrupted(path, *, dir_fd=None):
        if str(path).startswith(".uipc-gc-"):
            monkeypatch.undo()
            raise KeyboardInterrupt
        return real(path, dir_fd=dir_fd)

    monkeypatch.setattr(os, call, interrupted)
    with pytest.raises(KeyboardInterrupt):
        collect(["socket"], [str(tmp_path)])
    assert os.listdir(tmp_path) == ["dead"]
    assert [row.done for row in collect(["socket"], [str(tmp_path)]).values()] == ["removed"]


def test_N06_a_name_that_is_taken_meanwhile_is_not_taken_back(tmp_path, monkeypatch):
    """Two came at once: one put another file in its place before the look, one after it. Both live, one is renamed."""
    killed(lambda: sockets.listen(str(tmp_path / "name")))
    stay, real, steps = ExitStack(), os.rename, []

    def raced(old, new, **options):
        steps.append(new)
        os.unlink(tmp_path / "name")
        server = stay.enter_context(socket.socket(socket.AF_UNIX))  # no server of ours: it knows nothing of our lock
        server.bind(str(tmp_path / "name"))
        server.listen()
        real(old, new, **options)
        monkeypatch.undo()
        (tmp_path / "name").write_text("new")

    monkeypatch.setattr(os, "rename", raced)
    with stay:
        (row,) = collect(["socket"], [str(tmp_path)]).values()
        assert row.because in [f"{why}; its name was taken meanwhile: it is {steps[0]} now" for why in NEW]
        assert (tmp_path / "name").read_text() == "new"
        sockets.connect(str(tmp_path / steps[0])).close()
