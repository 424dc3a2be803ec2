"""What every handle must do about being closed."""

from __future__ import annotations

import pickle
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

    WAITERS = 3
    """How many may wait at once: fewer than would satisfy each other."""

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

    def test_close_wakes_everybody_who_waits(self, form: Form) -> None:
        """Not one of them only."""
        handle, others = self.make(form)

        async def main() -> None:
            async with anyio.create_task_group() as tasks:
                for _ in range(self.WAITERS):
                    tasks.start_soon(partial(form.fails, ClosedError, *self.wait_forever(handle)))
                await anyio.sleep(PATIENCE_SECONDS)
                handle.close()

        form.run(main)
        for other in others:
            other.close()

    def test_a_wait_that_times_out_leaves_it_as_it_was(self, form: Form) -> None:
        """Open, and the next wait is like the first; a time that is none is refused."""
        handle, others = self.make(form)

        async def main() -> None:
            method, *args = self.wait_forever(handle)
            for timeout in (0, 0.01, 0):
                await form.fails(TimeoutError, method, *args, timeout=timeout)
            for timeout in (-1, float("nan")):
                await form.fails(ValueError, method, *args, timeout=timeout)
            assert not handle.closed

        form.run(main)
        handle.close()
        for other in others:
            other.close()

    def test_a_cancelled_wait_leaves_it_as_it_was(self, form: Form) -> None:
        """Cancelled before it sleeps, or asleep: the handle is open, and can be waited on again."""
        if form.blocking:
            return
        handle, others = self.make(form)

        async def main() -> None:
            method, *args = self.wait_forever(handle)
            for patience in (0, PATIENCE_SECONDS):
                with anyio.move_on_after(patience) as scope:
                    await method(*args)
                assert scope.cancelled_caught
            await form.fails(TimeoutError, method, *args, timeout=0)
            assert not handle.closed

        form.run(main)
        handle.close()
        for other in others:
            other.close()

    def test_its_repr_tells_its_type_and_its_state(self, form: Form) -> None:
        """Open and closed look different."""
        handle, others = self.make(form)
        before = repr(handle)
        assert type(getattr(handle, "sync", handle)).__name__ in before
        handle.close()
        assert before != repr(handle)
        assert "closed" in repr(handle)
        for other in others:
            other.close()

    def test_it_is_pickled_by_its_identity_or_not_at_all(self, form: Form) -> None:
        """Then it is an error with a sentence, as it is for what is closed; and the handle is as before."""
        handle, others = self.make(form)
        try:
            copy = pickle.loads(pickle.dumps(handle))
        except TypeError as error:
            assert " " in str(error)
        else:
            assert type(copy) is type(handle)
            assert getattr(copy, "name", None) == getattr(handle, "name", None)
            copy.close()
        assert not handle.closed
        handle.close()
        try:
            pickle.dumps(handle)
        except (TypeError, ClosedError):
            pass
        else:
            raise AssertionError(f"{handle!r} was pickled")
        for other in others:
            other.close()
