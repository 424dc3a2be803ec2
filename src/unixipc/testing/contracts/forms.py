"""The three ways to call a mechanism, and the one way the contracts call it."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import anyio
import anyio.to_thread

__all__ = ["ASYNCIO", "FORMS", "SYNC", "TRIO", "Form"]

T = TypeVar("T")
WATCHDOG_SECONDS = 60.0
PATIENCE_SECONDS = 0.02


class Form:
    """How a mechanism is called: blocking, or awaitable on one of the event loops."""

    def __init__(self, name: str, backend: str, *, blocking: bool) -> None:
        self.name, self.backend, self.blocking = name, backend, blocking

    def __str__(self) -> str:
        return self.name

    def run(self, main: Callable[[], Awaitable[T]]) -> T:
        """Run an awaitable test body, with a watchdog."""

        async def watched() -> T:
            with anyio.fail_after(WATCHDOG_SECONDS):
                return await main()

        return anyio.run(watched, backend=self.backend)

    async def call(self, method: Callable[..., Any], *args: Any, **named: Any) -> Any:
        """Call a waiting method: awaited, or in a thread of its own if it blocks."""
        if not self.blocking:
            result = method(*args, **named)
            return await result if inspect.isawaitable(result) else result
        return await anyio.to_thread.run_sync(lambda: method(*args, **named), limiter=anyio.CapacityLimiter(1))

    async def fails(self, error: type[BaseException], method: Callable[..., Any], *args: Any, **named: Any) -> Any:
        """Call it and expect this error; the error."""
        try:
            result = await self.call(method, *args, **named)
        except error as expected:
            return expected
        raise AssertionError(f"{method} gave {result!r}, {error.__name__} was expected")


SYNC = Form("sync", "asyncio", blocking=True)
ASYNCIO = Form("asyncio", "asyncio", blocking=False)
TRIO = Form("trio", "trio", blocking=False)
FORMS = (SYNC, ASYNCIO, TRIO)
