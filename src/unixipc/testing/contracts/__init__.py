"""Contracts: what every stream, message channel, lock and closable handle must do, as pytest classes to subclass.

Each test is written once, awaitable. A *form* says how your mechanism is called: `SYNC` (blocking methods, each in a
thread of its own), `ASYNCIO` or `TRIO` (awaitable ones)::

    from unixipc.testing.contracts import FORMS, StreamContract

    @pytest.mark.parametrize("form", FORMS, ids=str)
    class TestMyPipe(StreamContract):
        def make(self, form):                       # the two connected ends
            return my_pipe() if form.blocking else my_async_pipe()
"""

from .closables import ClosableContract
from .forms import ASYNCIO, FORMS, SYNC, TRIO, Form
from .locks import LockContract, OwnThread
from .messages import MessageContract
from .streams import StreamContract

__all__ = [
    "ASYNCIO",
    "FORMS",
    "SYNC",
    "TRIO",
    "ClosableContract",
    "Form",
    "LockContract",
    "MessageContract",
    "OwnThread",
    "StreamContract",
]
