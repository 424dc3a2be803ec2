"""A process at the other side that does what it is told."""

from __future__ import annotations

import fcntl
import os
import time

import pytest

from unixipc import features, fork, pipe

WAIT = 30
OPEN = {
    "read": "import os; file = os.open({path!r}, os.O_RDONLY); _ = os.read(file, 100); os.close(file)",
    "write": "import os; file = os.open({path!r}, os.O_WRONLY); _ = os.write(file, b'theirs'); os.close(file)",
}


class Other:
    """A forked process; `do(function, *args)` runs one there and gives back the repr of what it gave or raised."""

    def __init__(self):
        self.orders, self.answers = {}, None
        mine_in, their_out = pipe()
        their_in, mine_out = pipe()
        self.child = fork(self.live, their_in, their_out, mine_in, mine_out)
        their_in.close()
        their_out.close()
        self.answers, self.orders = mine_in, mine_out

    def live(self, orders, answers, *not_ours):
        for end in not_ours:
            end.close()
        space = {}
        while line := orders.read(4096):
            try:
                exec(line, space)
                answer = space.pop("_", None)
            except BaseException as error:
                answer = type(error)
            answers.write_all(repr(answer).encode())

    def start(self, code):
        """Run it there; what is bound to `_` is the answer."""
        self.orders.write_all(code.encode())

    def answer(self):
        return self.answers.read(65536, timeout=WAIT).decode()

    def do(self, code):
        self.start(code)
        return self.answer()

    def is_asleep(self):
        """Whether it sleeps in the kernel, before it has answered."""
        deadline = time.monotonic() + WAIT
        while time.monotonic() < deadline:
            with open(f"/proc/{self.child.pid}/stat") as stat:
                if stat.read().rpartition(")")[2].split()[0] == "S":
                    return self.answers.try_read(1) is None
            time.sleep(0.001)
        return False

    def kill(self):
        self.child.kill()
        self.child.wait(timeout=WAIT)

    def close(self):
        self.orders.close()
        try:
            self.child.wait(timeout=WAIT)
        except TimeoutError:
            self.kill()
        self.child.close()
        self.answers.close()


@pytest.fixture
def other():
    """Another process."""
    made = Other()
    yield made
    made.close()


@pytest.fixture
def path(tmp_path):
    """A file of 1000 bytes."""
    file = tmp_path / "locked"
    file.write_bytes(bytes(1000))
    return file


@pytest.fixture
def three():
    """Three others."""
    made = []
    try:
        for _ in range(3):
            made.append(Other())  # noqa: PERF401 - those that were made must be closed if the next cannot be
        yield made
    finally:
        for each in reversed(made):  # the later ones have copies of the earlier ones' pipes
            each.close()


@pytest.fixture
def leases(path):
    """Skips where the kernel, or the file system of the test's folder, has none."""
    if reason := features.why_not("leases"):
        pytest.skip(reason)
    with open(path) as file:
        try:
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        except OSError as error:
            pytest.skip(f"the file system of {path} has no leases: {error}")


@pytest.fixture
def opens(other, path):
    """Let the other process open the file; `other.answer()` is what it read or wrote."""
    return lambda how: other.start(OPEN[how].format(path=os.fspath(path)))
