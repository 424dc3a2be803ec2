"""Children that end by themselves, and children that are killed in the middle of something."""

from __future__ import annotations

import signal

from unixipc import Exited, Killed, fork, pipe

WAIT = 20


def ran_in_a_child(function, *args, status=Exited(0)):  # noqa: B008 - a constant
    with fork(function, *args) as child:
        assert child.wait(timeout=WAIT) == status


def killed_while(hold):
    """Run it in a child, and kill that once it has got so far."""
    ready, tell = pipe()

    def live():
        kept = hold()
        tell.write_all(b"!")
        signal.pause()
        del kept

    with ready, tell, fork(live) as child:
        ready.read_exactly(1, timeout=WAIT)
        child.kill()
        assert child.wait(timeout=WAIT) == Killed(signal.SIGKILL)
