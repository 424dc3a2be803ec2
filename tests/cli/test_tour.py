"""`ipc tour`: every mechanism carries real files between two processes, and lies about none of it."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from unixipc import EventFd, Exited, fork, posix, sysv
from unixipc.cli import carriers, delivery, trial
from unixipc.cli.cargo import collect
from unixipc.cli.carriers import carrier as base
from unixipc.cli.group import ipc
from unixipc.cli.tour import slug
from unixipc.cli.traces import Traces
from unixipc.posix._names import temporary_name

IPC = (sys.executable, "-m", "unixipc.cli")
LIMIT_S = 60
NAMES = list(carriers.CARRIERS)

pytestmark = pytest.mark.usefixtures("own_ipc_namespace")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Small and large files, an empty one, odd names, a symbolic link that leads out."""
    top = tmp_path / "cargo"
    (top / "sub").mkdir(parents=True)
    noise = random.Random(1)
    for number, size in enumerate((1, 4096, 65536, 65537, 200_000)):
        (top / f"file {number}").write_bytes(noise.randbytes(size))
    (top / "sub" / "empty").write_bytes(b"")
    Path(os.fsdecode(os.fsencode(top / "sub") + b"/\xff\xfe")).write_bytes(b"a name that is no text")
    (top / "link").symlink_to("/etc/passwd")
    return top


def tour(*words: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*IPC, "tour", *words], capture_output=True, text=True, timeout=LIMIT_S, check=False, **options
    )


def test_every_mechanism_carries_and_survives_a_kill(folder: Path, tmp_path: Path):
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    result = tour(str(folder), "--json", env=os.environ | {"TMPDIR": str(temporary)})
    assert result.returncode == 0, result.stdout + result.stderr
    rows = json.loads(result.stdout)
    assert [row["mechanism"] for row in rows] == NAMES
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    for row in rows:
        assert (row["files"], row["bytes"], row["verified"]) == (7, size, True), row
        assert row["messages"] >= 2 * 7 + 1 and row["seconds"] > 0 and row["complaints"] == []
        killed = row["after_kill"]
        assert killed["ok"] is True and killed["noticed"] is True, row
        assert (killed["torn"], killed["left_behind"]) == (0, []), row
        assert killed["files"] < 7 and killed["seconds"] > 0 and killed["how"]
    assert list(temporary.iterdir()) == []


def test_table_without_kill(folder: Path):
    result = tour(str(folder), "--no-kill", "--only", "fifo", "--only", "pipe, packet mode")
    lines = result.stdout.splitlines()
    assert result.returncode == 0 and result.stderr == ""
    assert lines[0].split() == ["mechanism", "files", "bytes", "messages", "MB/s", "verified", "after", "kill", "-9"]
    assert [line.split("  ")[0] for line in lines[1:]] == ["pipe, packet mode", "fifo"]
    assert all(" yes " in line and "not tried" in line for line in lines[1:])


@pytest.mark.parametrize("name", NAMES)
def test_one_empty_file(tmp_path: Path, name: str):
    (tmp_path / "empty").touch()
    result = tour(str(tmp_path / "empty"), "--only", slug(name), "--json")
    row = json.loads(result.stdout)[0]
    assert result.returncode == 0, row
    assert (row["files"], row["bytes"], row["verified"], row["after_kill"]["ok"]) == (1, 0, True, True)


def test_a_terminal_sees_a_bar_and_a_table(folder: Path):
    master, terminal = os.openpty()
    try:
        words = [*IPC, "tour", str(folder), "--only", "pipe"]
        done = subprocess.run(words, stdout=terminal, stderr=terminal, timeout=LIMIT_S, check=False)
        os.set_blocking(master, False)
        shown = os.read(master, 1 << 20).decode()
    finally:
        os.close(master)
        os.close(terminal)
    assert done.returncode == 0
    assert "pipe, kill -9" in shown and "%" in shown and "mechanism" in shown and "noticed" in shown


def test_nothing_to_carry_is_a_clear_error(tmp_path: Path):
    for path, said in ((tmp_path, "no file in it"), (tmp_path / "no", "No such file"), ("/dev/null", "neither a file")):
        result = tour(str(path))
        assert result.returncode == 1 and result.stdout == ""
        assert result.stderr.startswith("ipc: ") and said in result.stderr and result.stderr.count("\n") == 1


def test_an_unknown_mechanism_lists_the_known_ones(folder: Path):
    result = tour(str(folder), "--only", "telepathy")
    assert result.returncode == 2
    assert "descriptor-passing" in result.stderr


def test_what_cannot_be_carried_is_named_and_skipped(folder: Path):
    os.mkfifo(folder / "a fifo")  # opening it would wait for ever
    locked = folder / "locked"
    locked.write_bytes(b"secret")
    locked.chmod(0)
    result = tour(str(folder), "--only", "pipe", "--json")
    assert result.returncode == 0
    assert "skipped a fifo: not a plain file" in result.stderr
    if os.geteuid() != 0:
        assert "skipped locked: Permission denied" in result.stderr
    assert json.loads(result.stdout)[0]["files"] == (8 if os.geteuid() == 0 else 7)


def test_the_default_cargo_is_the_standard_library_without_packages():
    import sysconfig

    from unixipc.cli import cargo

    walked = [path for path, _ in cargo._walk(sysconfig.get_path("stdlib"), cargo.NOT_OURS)]
    assert "os.py" in walked
    assert not any(part in path.split("/") for path in walked for part in cargo.NOT_OURS)


class Corrupting(carriers.Pipe):
    """Flips a bit in the middle of every large message."""

    name = "corrupting"

    def send(self, message):
        damaged = bytearray(message)
        if len(damaged) > 1000:
            damaged[500] ^= 1
        super().send(bytes(damaged))


class Losing(carriers.PacketPipe):
    """Loses one packet without a word."""

    name = "losing"
    sent = 0

    def send(self, message):
        self.sent += 1
        if self.sent != 5:
            super().send(message)


class Deaf(carriers.Pipe):
    """Its receiver keeps a copy of the write end: it can never see the end of the stream."""

    name = "deaf"

    def start_receiving(self):
        self.copy = self.writer.dup()
        super().start_receiving()


class Littering(carriers.Pipe):
    """Leaves a name and a descriptor behind."""

    name = "littering"

    def remove(self):
        Path(self.folder, "litter").touch()
        Littering.kept = os.open("/dev/null", os.O_RDONLY)


def run_with(monkeypatch: pytest.MonkeyPatch, kind: type[carriers.Carrier], folder: Path, *words: str):
    monkeypatch.setattr(carriers, "CARRIERS", {kind.name: kind})
    result = CliRunner().invoke(ipc, ["tour", str(folder), "--json", *words])
    return result.exit_code, json.loads(result.stdout)[0]


def test_a_flipped_bit_is_found(monkeypatch: pytest.MonkeyPatch, folder: Path):
    status, row = run_with(monkeypatch, Corrupting, folder, "--no-kill")
    assert (status, row["verified"], row["after_kill"]) == (1, False, None)
    assert row["files"] == 3  # the small ones
    assert any("SHA-256 is not what it must be" in line for line in row["complaints"])


def test_a_flipped_bit_is_no_kill_test_passed(monkeypatch: pytest.MonkeyPatch, folder: Path):
    status, row = run_with(monkeypatch, Corrupting, folder)
    assert (status, row["after_kill"]["ok"]) == (1, False)
    assert row["after_kill"]["torn"] > 0


def test_a_lost_packet_is_found(monkeypatch: pytest.MonkeyPatch, folder: Path):
    status, row = run_with(monkeypatch, Losing, folder, "--no-kill")
    assert (status, row["verified"]) == (1, False)


def test_a_receiver_that_does_not_notice_is_found_and_ended(monkeypatch: pytest.MonkeyPatch, folder: Path):
    monkeypatch.setattr(base, "PATIENCE_S", 1.0)
    status, row = run_with(monkeypatch, Deaf, folder)
    assert row["verified"] is True
    assert (status, row["after_kill"]["ok"], row["after_kill"]["noticed"]) == (1, False, False)
    assert row["after_kill"]["left_behind"] == []  # we ended it


def test_a_receiver_that_hangs_is_killed(monkeypatch: pytest.MonkeyPatch, folder: Path):
    monkeypatch.setattr(trial, "AFTER_KILL_S", 0.5)  # less than the receiver's own patience
    status, row = run_with(monkeypatch, Deaf, folder)
    assert (status, row["after_kill"]["ok"]) == (1, False)
    assert children() == []


def test_what_is_left_behind_is_found(monkeypatch: pytest.MonkeyPatch, folder: Path):
    status, row = run_with(monkeypatch, Littering, folder, "--no-kill")
    os.close(Littering.kept)
    assert (status, row["verified"]) == (1, False)
    assert any("litter" in line for line in row["complaints"])
    assert any("/dev/null" in line for line in row["complaints"])


class Cluttering(carriers.Pipe):
    """Leaves System V objects behind."""

    name = "cluttering"

    def make(self):
        super().make()
        key = sysv.Key.PRIVATE
        Cluttering.kept = [sysv.MessageQueue.create(key), sysv.SemaphoreSet.create(key, [0])]
        Cluttering.kept.append(sysv.SharedMemory.create(key, 1))


def test_system_v_objects_that_are_left_behind_are_found(monkeypatch: pytest.MonkeyPatch, folder: Path):
    status, row = run_with(monkeypatch, Cluttering, folder, "--no-kill")
    queue, semaphores, memory = Cluttering.kept
    for each in Cluttering.kept:
        each.remove()
    wanted = {f"message queue {queue.id}", f"semaphore set {semaphores.id}", f"shared memory {memory.id}"}
    assert (status, row["verified"]) == (1, False)
    assert {line.removeprefix("left behind: ") for line in row["complaints"]} == wanted


class Naming(carriers.Pipe):
    """Leaves POSIX names behind."""

    name = "naming"

    def make(self):
        super().make()
        name = temporary_name()
        posix.SharedMemory.create(name, 1).close()
        posix.Semaphore.create(name, 0).close()
        Naming.kept = name


def test_posix_names_that_are_left_behind_are_found(monkeypatch: pytest.MonkeyPatch, folder: Path):
    status, row = run_with(monkeypatch, Naming, folder, "--no-kill")
    word = Naming.kept.lstrip("/")
    for name in (word, f"sem.{word}"):
        os.unlink(f"/dev/shm/{name}")
    wanted = {f"POSIX shared memory {word}", f"POSIX semaphore sem.{word}"}
    assert (status, row["verified"]) == (1, False)
    assert {line.removeprefix("left behind: ") for line in row["complaints"]} == wanted


def test_a_stranger_s_posix_names_are_no_leftover(tmp_path: Path):
    def make_and_stay():
        posix.SharedMemory.create(names[0], 1).close()  # as others call theirs
        with posix.SharedMemory.create(temporary_name(), 1) as ours:
            names.append(ours.name)
            ready.add()
            stop.take(LIMIT_S)
            ours.remove()

    names = [f"/tour-test-{os.getpid()}"]
    with EventFd() as ready, EventFd() as stop:
        traces = Traces(str(tmp_path))
        with fork(make_and_stay) as stranger:
            ready.take(LIMIT_S)
            there = [name for name in os.listdir("/dev/shm") if name.startswith(f"unixipc-{stranger.pid}-")]
            found = traces.left_behind()
            stop.add()
            assert stranger.wait(LIMIT_S) == Exited(0)
        os.unlink(f"/dev/shm{names[0]}")
    assert len(there) == 1
    assert [line.split()[0] for line in found] == ["child", "fd"]  # the process and its pidfd


def test_a_stranger_s_system_v_objects_are_no_leftover(tmp_path: Path):
    def make_and_stay():
        key = sysv.Key.PRIVATE
        queue, memory = sysv.MessageQueue.create(key), sysv.SharedMemory.create(key, 1)
        semaphores = sysv.SemaphoreSet.create(key, [0])
        queue.send(b"mine")
        ready.release()
        stop.acquire(timeout=LIMIT_S)
        for each in (queue, memory, semaphores):
            each.remove()

    with sysv.Semaphore.temporary(0) as ready, sysv.Semaphore.temporary(0) as stop:
        traces = Traces(str(tmp_path))
        with fork(make_and_stay) as stranger:
            ready.acquire(timeout=LIMIT_S)
            assert len(system_v()) == 5
            assert [line.split()[0] for line in traces.left_behind()] == ["child", "fd"]  # the process and its pidfd
            stop.release()
            assert stranger.wait(LIMIT_S) == Exited(0)


def test_a_piece_is_as_long_as_the_kernel_s_limits_allow(tmp_path: Path):
    with open("/proc/sys/kernel/msgmax") as number:
        most = int(number.read())
    carrier = carriers.MessageQueues(str(tmp_path))
    assert 0 < carrier.chunk_bytes <= most
    carrier.remove()


def test_a_file_that_vanishes_or_changes_is_a_complaint(folder: Path):
    cargo = collect(str(folder))
    (folder / "file 0").unlink()
    (folder / "file 1").write_bytes(b"other")
    found = trial.deliver(carriers.Pipe, cargo, lambda _arrived: None)
    assert found.files == 5
    assert any("file 0: No such file" in line for line in found.complaints)
    assert any("file 1: its SHA-256" in line for line in found.complaints)


def test_a_path_longer_than_a_packet(tmp_path: Path):
    deep = tmp_path
    while len(str(deep)) < 3000:
        deep = deep / ("d" * 200)
    deep.mkdir(parents=True)
    (deep / "file").write_bytes(b"deep")
    found = trial.deliver(carriers.PacketPipe, collect(str(tmp_path)), lambda _arrived: None)
    assert found.complaints == () and len(str(deep)) > 2 * delivery.MOST_PATH_BYTES


def children() -> list[str]:
    from unixipc.cli import traces

    return list(traces._children())


def system_v() -> list[object]:
    return [*sysv.queues(), *sysv.semaphore_sets(), *sysv.segments()]
