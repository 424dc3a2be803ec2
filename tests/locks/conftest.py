"""A process at the other side that does what it is told."""

from __future__ import annotations

import pytest

from unixipc import fork, pipe

WAIT = 30


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
