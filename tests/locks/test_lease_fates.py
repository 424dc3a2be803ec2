"""L19: what becomes of a lease; and of a holder who is too late."""

from __future__ import annotations

import errno
import os
import signal

import pytest

from unixipc import ClosedError, Exited, Killed, fork, pipe
from unixipc.locks import Lease

WAIT = 30
pytestmark = pytest.mark.usefixtures("leases")


@pytest.mark.parametrize("end", ["close", "release"])
def test_close_and_release_let_in_who_waits(path, other, opens, end):
    lease = Lease(path, "write")
    lease.acquire()
    opens("read")
    assert other.is_asleep()
    getattr(lease, end)()
    other.answer()
    lease.close()
    with pytest.raises(ClosedError):
        lease.acquire()


def holder_of(path, then):
    told, tell = pipe()

    def live():
        lease = Lease(path, "write")
        lease.acquire()
        tell.write(b"x")
        then(lease)

    child = fork(live)
    assert told.read(1, timeout=WAIT) == b"x"
    told.close()
    tell.close()
    return child


def test_who_waits_for_a_killed_holder_goes_on(path, other, opens):
    with holder_of(path, lambda _lease: signal.pause()) as child:
        opens("read")
        assert other.is_asleep()
        child.kill()
        assert child.wait(timeout=WAIT) == Killed(signal.SIGKILL)
        other.answer()


def test_exec_releases_it(path):
    with holder_of(path, lambda _lease: os.execv("/bin/sleep", ["sleep", "60"])) as child:
        path.read_bytes()
        assert not child.has_ended()
        child.kill()
        child.wait(timeout=WAIT)


def test_a_forked_child_has_none_and_keeps_none_alive(path):
    gate, opened = pipe()

    def then(lease):
        def live():
            opened.close()
            if lease.held is None and lease.closed:
                gate.read(1)

        grandchild = fork(live)
        os.kill(os.getpid() if not grandchild.has_ended() else 0, signal.SIGKILL)

    with gate, holder_of(path, then) as child:
        assert child.wait(timeout=WAIT) == Killed(signal.SIGKILL)
        path.read_bytes()
        opened.close()


def test_a_child_leaves_its_parents_lease_alone(path, other, opens):
    with Lease(path, "write") as lease:
        with fork(lease.close) as child:
            assert child.wait(timeout=WAIT) == Exited(0)
        opens("read")
        assert lease.wait_for_break(WAIT) == "nothing"
        assert other.is_asleep()


def test_a_new_name_and_none_do_not_break_it(path, tmp_path):
    with Lease(path, "write") as lease:
        path.rename(tmp_path / "new")
        (tmp_path / "new").unlink()
        assert lease.breaking is None and lease.held == "write"


@pytest.mark.deep
@pytest.mark.timeout(200)
@pytest.mark.parametrize(
    ("mode", "kind", "how", "end"),
    [
        ("r+b", "write", "read", Lease.release),
        ("rb", "write", "read", Lease.release),
        ("rb", "write", "read", Lease.downgrade),
        ("rb", "read", "write", Lease.release),
    ],
)
def test_the_kernel_takes_what_is_not_given_up_in_time(path, other, opens, mode, kind, how, end):
    """With the machine's own limit, which is 45 s unless somebody has changed it."""
    with open(path, mode) as file:
        lease = Lease(file, kind)
    lease.acquire()
    opens(how)
    assert other.answers.read(4096, timeout=150)
    with pytest.raises(TimeoutError) as caught:
        end(lease)
    assert caught.value.errno == errno.ETIMEDOUT
    assert "lease-break-time" in caught.value.__notes__[0]
    assert lease.held == ("read" if end is Lease.downgrade else None)
    lease.close()
