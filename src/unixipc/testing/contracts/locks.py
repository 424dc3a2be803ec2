"""What every lock must do."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio

from .forms import PATIENCE_SECONDS, Form

__all__ = ["LockContract", "OwnThread"]


class OwnThread:
    """A handle whose calls are all made by one thread of its own: an owner, where locks belong to threads."""

    def __init__(self, handle: Any) -> None:
        self.handle = handle
        self._thread = ThreadPoolExecutor(1)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self.handle, name)
        return lambda *args, **named: self._thread.submit(method, *args, **named).result()

    def close(self) -> None:
        """Close the handle, and end the thread."""
        self._thread.submit(self.handle.close).result()
        self._thread.shutdown()


class LockContract:
    """Subclass it with `make`: two handles for one lock, as two owners have them."""

    def make(self, form: Form) -> tuple[Any, Any]:
        """(mine, theirs), both free."""
        raise NotImplementedError

    def owners(self, form: Form, main: Any) -> Any:
        """Run ``await main(mine, theirs)`` with fresh handles and close both."""
        mine, theirs = self.make(form)
        try:
            return form.run(lambda: main(mine, theirs))
        finally:
            mine.close()
            theirs.close()

    def test_it_excludes(self, form: Form) -> None:
        """While one holds it, the other does not get it."""

        async def main(mine: Any, theirs: Any) -> None:
            assert mine.try_acquire()
            assert not theirs.try_acquire()
            await form.fails(TimeoutError, theirs.acquire, timeout=0.01)
            await form.call(mine.release)
            assert theirs.try_acquire()
            await form.call(theirs.release)

        self.owners(form, main)

    def test_a_release_wakes_who_waits(self, form: Form) -> None:
        """The waiter holds it then."""

        async def main(mine: Any, theirs: Any) -> None:
            await form.call(mine.acquire)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(form.call, theirs.acquire)
                await anyio.sleep(PATIENCE_SECONDS)
                await form.call(mine.release)
            assert not mine.try_acquire()
            await form.call(theirs.release)

        self.owners(form, main)

    def test_a_timed_out_acquire_holds_nothing(self, form: Form) -> None:
        """However often, and a time that is none is refused."""

        async def main(mine: Any, theirs: Any) -> None:
            await form.call(mine.acquire)
            for timeout in (0, 0.01, 0):
                await form.fails(TimeoutError, theirs.acquire, timeout=timeout)
            for timeout in (-1, float("nan")):
                await form.fails(ValueError, theirs.acquire, timeout=timeout)
            await form.call(mine.release)
            assert mine.try_acquire()
            await form.call(mine.release)

        self.owners(form, main)

    def test_a_cancelled_acquire_holds_nothing(self, form: Form) -> None:
        """Nobody else is shut out by somebody who has gone."""
        if form.blocking:
            return

        async def main(mine: Any, theirs: Any) -> None:
            await form.call(mine.acquire)
            for patience in (0, PATIENCE_SECONDS):
                with anyio.move_on_after(patience) as scope:
                    await theirs.acquire()
                assert scope.cancelled_caught
            await form.call(mine.release)
            assert mine.try_acquire()
            await form.call(mine.release)

        self.owners(form, main)
