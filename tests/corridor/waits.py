"""What a waiting call must offer to be tried by every test of the corridor."""

from __future__ import annotations

import contextlib


class Waits:
    """`wait(timeout)` waits for something that `satisfy()` makes true; `close()` cleans up."""

    def __init__(self, tmp_path):
        self.stack = contextlib.ExitStack()
        self.tmp_path = tmp_path

    def has_begun(self):
        """Whether a wait that has been called is past what it makes first, if it makes something."""
        return True

    def close(self):
        self.stack.close()

    def own(self, *handles):
        for handle in handles:
            self.stack.callback(handle.close)
        return handles if len(handles) > 1 else handles[0]
