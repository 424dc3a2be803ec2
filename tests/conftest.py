"""For every test: it leaves nothing on the machine, and it runs against the installed package."""

from __future__ import annotations

import signal

import pytest

from unixipc.testing import traces
from unixipc.testing.namespaces import enter_own_ipc_namespace

try:  # before any thread starts: System V objects of these tests are seen by nobody, and end with them
    enter_own_ipc_namespace()
    WHY_NO_NAMESPACE = None
except OSError as error:
    WHY_NO_NAMESPACE = str(error)

# A shell starts background jobs with SIGINT ignored, and so may whatever runs these tests. Some are about Ctrl-C.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # and nohup does so with this one
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(autouse=True)
def leaves_no_trace(request):
    """Descriptors, children, threads, System V ids, names in /dev/shm and /dev/mqueue are after each test as before."""
    before = traces.look()
    yield
    left = traces.left_since(before)
    assert not left, f"{request.node.nodeid} left behind: {left}"


@pytest.fixture(scope="session")
def own_ipc_namespace():
    """For tests that make System V objects."""
    if WHY_NO_NAMESPACE is not None:
        pytest.skip(f"no IPC namespace of our own: {WHY_NO_NAMESPACE}")
