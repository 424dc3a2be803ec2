"""However one of the tour's processes ends, the other notices, and nothing is left."""

from __future__ import annotations

import mmap
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from unixipc import Exited, Killed, Process, fork, sysv
from unixipc.cli import carriers
from unixipc.cli.tour import slug
from unixipc.testing import crash

IPC = (sys.executable, "-m", "unixipc.cli")
LIMIT_S = 60
MESSAGES = 3  # the first one, one after another, the last one
WITHOUT_END = (
    carriers.MessageQueues,
    carriers.SharedBuffer,
    carriers.SignalValues,
    carriers.LockedFile,
    carriers.MappedFile,
    carriers.PosixQueue,
    carriers.PosixMemory,
    carriers.ChannelQueue,
    carriers.ChannelInPlace,
    carriers.ChannelTopic,
)
"""Mechanisms that have no end of the stream: the carrier itself sees to it that nobody waits for ever."""

pytestmark = pytest.mark.usefixtures("own_ipc_namespace")


def send_until_step(carrier: carriers.Carrier, sent: mmap.mmap, n: int) -> None:
    carrier.start_sending()
    crash._until_step(send_some, (carrier, sent), n)


def send_some(carrier: carriers.Carrier, sent: mmap.mmap) -> None:
    """Each message, and then word for our parent that it is sent."""
    for number in range(MESSAGES):
        carrier.send(bytes([number]) * 3000)
        sent[0] = number + 1


def receive_all(carrier: carriers.Carrier) -> int:
    """How many arrived before the receiver saw that the sender has ended; 99 if one was torn, or out of turn."""
    carrier.start_receiving()
    for count in range(MESSAGES + 1):
        try:
            message = carrier.receive()
        except EOFError:
            return count
        if message != bytes([count]) * 3000:
            return 99
    return 99


@pytest.mark.parametrize("kind", WITHOUT_END)
def test_a_sender_killed_at_any_step_is_noticed_after_all_that_it_had_sent(
    tmp_path: Path, kind: type[carriers.Carrier]
):
    counts = set()
    for n in range(1000):
        carrier = kind(str(tmp_path))
        with mmap.mmap(-1, 1) as sent:
            with fork(receive_all, carrier) as receiver, fork(send_until_step, carrier, sent, n) as sender:
                arrived = receiver.wait(LIMIT_S).code
                ended = sender.wait(LIMIT_S)
            assert arrived - sent[0] in (0, 1), "all that it had sent, and the one that it was just sending or not"
        counts.add(arrived)
        carrier.close()
        carrier.remove()
        if ended == Exited(0):
            break
        assert ended == Killed(signal.SIGKILL)
    assert counts == set(range(MESSAGES + 1)) and objects(os.getpid()) == []


def die_after_two(carrier: carriers.Carrier) -> None:
    carrier.start_receiving()
    for _ in range(2):
        carrier.receive()
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("kind", WITHOUT_END)
def test_a_receiver_that_is_killed_is_noticed_by_a_sender_that_waits_for_room(
    tmp_path: Path, kind: type[carriers.Carrier], capfd: pytest.CaptureFixture[str]
):
    def send_for_ever() -> None:
        carrier.start_sending()
        while True:
            carrier.send(bytes(3000))

    carrier = kind(str(tmp_path))
    with fork(die_after_two, carrier) as receiver, fork(send_for_ever) as sender:
        assert sender.wait(LIMIT_S) == Exited(1)
        assert receiver.wait(LIMIT_S) == Killed(signal.SIGKILL)
    carrier.close()
    carrier.remove()
    assert "PeerGone: [Errno 32] it has ended: 'receiver'" in capfd.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("twice", [False, True])
@pytest.mark.parametrize(
    "name",
    ["socket-stream", "message-queue", "shared-memory-semaphore", *(slug(kind.name) for kind in WITHOUT_END[2:])],
)
def test_a_request_to_end_leaves_nothing(tmp_path: Path, number: int, twice: bool, name: str):
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    large = tmp_path / "large"
    with open(large, "wb") as file:
        file.truncate(1 << 31)  # a hole: too much to be done before the signal, and costs no disk
    words = [*IPC, "tour", str(large), "--only", name, "--no-kill"]
    code = (
        "import sys\nfrom unixipc.cli import cargo\nfrom unixipc.cli.main import run\n"
        f"cargo._measure = lambda path: (1 << 31, '')\nsys.argv[1:] = {words[3:]}\nrun()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        env=os.environ | {"TMPDIR": str(temporary)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        try:
            while not begun(process.pid, temporary) and process.poll() is None:
                time.sleep(0.0005)  # soon, but the tour needs the processor too
            family = descendants(process.pid)
            for _ in range(1 + twice):
                process.send_signal(number)
            _out, err = process.communicate(timeout=LIMIT_S)
        finally:
            process.kill()
    late = -number if twice else 128 + number  # the second one may meet an interpreter that has put its handlers away
    assert process.returncode in (128 + number, late) and err == b"", err.decode()
    assert list(temporary.iterdir()) == [] and objects(process.pid) == []
    for pid in family:
        with suppress(ProcessLookupError), Process(pid) as survivor:
            survivor.wait_end(LIMIT_S)


def begun(pid: int, temporary: Path) -> bool:
    """Whether the tour has made something that could stay, or has children."""
    return bool(any(temporary.glob("*/*")) or system_v() or descendants(pid))


def objects(maker_pid: int) -> list[object]:
    """What is left of System V in our namespace, and of POSIX, where there is none, from this process."""
    return [*system_v(), *(name for name in os.listdir("/dev/shm") if f"unixipc-{maker_pid}-" in name)]


def system_v() -> list[object]:
    return [*sysv.queues(), *sysv.semaphore_sets(), *sysv.segments()]


def descendants(pid: int) -> list[int]:
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            parent = int(Path(f"/proc/{entry}/stat").read_text().rpartition(") ")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
        if parent == pid:
            found.append(int(entry))
    return found


@pytest.mark.parametrize("group", [False, True], ids=["the tour", "its group"])
def test_a_killed_tour_leaves_no_folder(tmp_path, group):
    """What it has started outlives it only to clean up."""
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    command = [*IPC, "tour", "--only", "fifo", os.fspath(Path(os.__file__).parent)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                          start_new_session=True) as tour:  # fmt: skip
        deadline = time.monotonic() + LIMIT_S
        while not any(tmp_path.iterdir()) and time.monotonic() < deadline:
            time.sleep(0.005)
        assert any(tmp_path.iterdir())
        (os.killpg if group else os.kill)(tour.pid, signal.SIGKILL)
        tour.wait(LIMIT_S)
        while any(tmp_path.iterdir()) and time.monotonic() < deadline:
            time.sleep(0.005)
    assert not any(tmp_path.iterdir())
