"""What every handle must do about being closed."""

from __future__ import annotations

from functools import partial
from typing import Any

import anyio

from ...errors import ClosedError
from .forms import PATIENCE_SECONDS, Form

__all__ = ["ClosableContract"]


class ClosableContract:
    """Subclass it with `make` (a fresh handle, and who else must be closed), and `wait_forever` (a call that waits).

    And with `use`, if it has no descriptor.
    """

    def make(self, form: Form) -> tuple[Any, list[Any]]:
        """(the handle, other handles to close at the end)."""
        raise NotImplementedError

    def wait_forever(self, handle: Any) -> tuple[Any, ...]:
        """(a waiting method that will not be satisfied, its arguments...)."""
        raise NotImplementedError

    def use(self, handle: Any) -> tuple[Any, ...]:
        """(a method that needs the handle open, its arguments...); here the number of its descriptor."""
        return (handle.fileno,)

    def test_closing_twice_is_fine(self, form: Form) -> None:
        """And `closed` tells the truth before and after."""
        handle, others = self.make(form)
        assert not handle.closed
        handle.close()
        handle.close()
        assert handle.closed
        for other in others:
            other.close()

    def test_nothing_works_after_close(self, form: Form) -> None:
        """`ClosedError`, never another file that got the number."""
        handle, others = self.make(form)
        handle.close()

        async def main() -> None:
            await form.fails(ClosedError, *self.use(handle))
            await form.fails(ClosedError, *self.wait_forever(handle))

        form.run(main)
        for other in others:
            other.close()

    def test_close_wakes_who_waits(self, form: Form) -> None:
        """Never a hang: the waiter gets `ClosedError`."""
        handle, others = self.make(form)

        async def main() -> None:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(partial(form.fails, ClosedError, *self.wait_forever(handle)))
                await anyio.sleep(PATIENCE_SECONDS)
                handle.close()

        form.run(main)
        for other in others:
            other.close()

    def test_its_repr_tells_its_state(self, form: Form) -> None:
        """Open and closed look different."""
        handle, others = self.make(form)
        before = repr(handle)
        handle.close()
        assert before != repr(handle)
        assert "closed" in repr(handle)
        for other in others:
            other.close()
