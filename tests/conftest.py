"""For every test: it leaves nothing on the machine, and it runs against the installed package."""

from __future__ import annotations

import signal

import pytest

from unixipc.testing import traces

# A shell starts background jobs with SIGINT ignored, and so may whatever runs these tests. Some are about Ctrl-C.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def leaves_no_trace(request):
    """Descriptors, children, threads, System V ids, names in /dev/shm and /dev/mqueue are after each test as before."""
    before = traces.look()
    yield
    left = traces.left_since(before)
    assert not left, f"{request.node.nodeid} left behind: {left}"
