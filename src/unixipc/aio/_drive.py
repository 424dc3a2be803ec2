"""Derives every awaitable method from a try: the async counterpart of `_wait`, for asyncio and trio through anyio.

Nothing is ever lost on a cancel, and that is by construction: a try takes what it takes in one step without an
``await`` in it, and its result is returned at once; what can be cancelled is only the sleep between two tries.

* **descriptors**: the loop's reader/writer callback, on a duplicate of the descriptor: several tasks may wait for the
  same one, and a number that is closed (and given to another file) under a waiting task does no harm.
* **a word in shared memory**: one thread sleeps for all tasks (`_sleeper`).
* **the kernel**: a call that has no descriptor to wait for runs in a thread of its own, which a cancel interrupts
  through `_wait.Interrupt`. If the call had succeeded by then, its result is given back, not dropped.
"""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING, Generic, TypeVar

import anyio
import anyio.lowlevel

from .. import _wait
from ..event import EventFd
from ._sleeper import sleeper

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType
    from typing import Any, Protocol, Self

    from .._fd import Descriptor
    from .._native.ring import Turn
    from .._wait import Watched

    class Handle(Protocol):
        """What a twin needs of its handle."""

        @property
        def name(self) -> object:
            """What errors call it."""
            ...

        @property
        def closed(self) -> bool:
            """Whether it was closed."""
            ...

        def close(self) -> None:
            """Close it."""
            ...

        def check_open(self) -> None:
            """`ClosedError` once it is closed."""
            ...


T = TypeVar("T")
D = TypeVar("D", bound="Handle")
DD = TypeVar("DD", bound="Descriptor")

__all__ = [
    "DescriptorTwin",
    "Twin",
    "checkpoint",
    "in_kernel",
    "in_thread",
    "on_descriptor",
    "on_descriptors",
    "on_word",
]

checkpoint = anyio.lowlevel.checkpoint


async def on_descriptor(
    descriptor: Descriptor, events: int, attempt: Callable[..., T | None], *args: Any, timeout: float | None
) -> T:
    """Wait until `attempt(*args)` gives something, sleeping while `descriptor` is not ready."""
    watched = ((descriptor, events),)
    return await on_descriptors(lambda: watched, lambda: attempt(*args), timeout, descriptor.name)


async def on_descriptors(
    watched: Callable[[], Watched], attempt: Callable[[], T | None], timeout: float | None, name: object
) -> T:
    """Try; until that gives something, sleep on what `watched()` says was not ready, and try again."""
    await anyio.lowlevel.checkpoint()  # before the try: a cancel here has nothing to lose
    seconds = None if timeout is None else _wait.checked_ns(timeout) / 1e9
    if (result := attempt()) is not None:
        return result
    with anyio.move_on_after(seconds):
        while True:
            await _sleep(watched())
            if (result := attempt()) is not None:
                return result
    raise _wait.timed_out(name, "wait", timeout)


async def _sleep(watched: Watched) -> None:
    """Until one of them is ready, or closed."""
    with anyio.CancelScope() as scope:
        wake = _Waker(scope)
        for descriptor, _events in watched:
            descriptor.add_sleeper(wake)
        try:
            if len(watched) == 1:
                await _ready(*watched[0])
            else:
                await _first(watched, scope)
        finally:
            for descriptor, _events in watched:
                descriptor.remove_sleeper(wake)


async def _first(watched: Watched, scope: anyio.CancelScope) -> None:
    async def one(descriptor: Descriptor, events: int) -> None:
        await _ready(descriptor, events)
        scope.cancel()

    async with anyio.create_task_group() as tasks:
        for descriptor, events in watched:
            tasks.start_soon(one, descriptor, events)


async def _ready(descriptor: Descriptor, events: int) -> None:
    ready: Callable[[int], Awaitable[None]] = anyio.wait_readable if events == _wait.READABLE else anyio.wait_writable
    try:
        own = descriptor.dup()
    except OSError:  # no free number: then without the protection of one of our own
        await ready(descriptor.fileno())
        return
    with own:
        await ready(own.fileno())


async def on_word(turn: Turn, timeout: float | None) -> Any:
    """Try; until that gives something, sleep until the other end of a channel has changed something, and try again."""
    await anyio.lowlevel.checkpoint()
    seconds = None if timeout is None else _wait.checked_ns(timeout) / 1e9
    if (result := turn.attempt()) is not None:
        return result
    with anyio.move_on_after(seconds):
        while True:
            seen = turn.prepare()
            if (result := turn.attempt()) is not None:
                return result
            await _changed(turn, seen)
            if (result := turn.attempt()) is not None:
                return result
    raise turn.explained(_wait.timed_out(turn.name, "wait", timeout))


async def _changed(turn: Turn, seen: int) -> None:
    """Until the word has another value, a while at most; or the lock that was in the way may be free."""
    if turn.is_busy():
        await in_thread(turn.wait_for_lock, give_back=lambda _nothing: None)
        return
    word, key = turn.word(), object()
    try:
        with anyio.CancelScope() as scope:
            sleeper().watch(key, word, seen, _Waker(scope))
            await anyio.sleep_forever()
    except BaseException:
        turn.pass_on()
        raise
    finally:
        sleeper().forget(key)


class _Waker:
    """Ends a task's sleep from any thread: what `Descriptor.close` calls."""

    def __init__(self, scope: anyio.CancelScope) -> None:
        self.scope = weakref.ref(scope)  # a loop that was closed with us asleep must not be kept alive by a handle
        native: Any = anyio.lowlevel.current_token().native_token
        self.soon = getattr(native, "call_soon_threadsafe", None) or native.run_sync_soon

    def __call__(self) -> None:
        try:
            self.soon(self._cancel)
        except (RuntimeError, anyio.ClosedResourceError):
            pass  # the loop was closed: nobody sleeps there any more

    def _cancel(self) -> None:
        if (scope := self.scope()) is not None:
            scope.cancel()


async def in_kernel(
    attempt: Callable[..., T | None],
    *args: Any,
    wait: Callable[..., Any],
    timeout: float | None,
    name: object,
    give_back: Callable[[Any], object] = lambda _result: None,
) -> T:
    """Try; until that gives something, let `wait(timeout=)` sleep in a thread until a try may give something.

    `wait` consumes nothing and gives True, so that a cancel has nothing to lose. Where it cannot help consuming, it
    gives the result itself, and `give_back` takes back what came too late.
    """
    await anyio.lowlevel.checkpoint()
    deadline = _wait.Deadline(timeout)
    while (result := attempt(*args)) is None:
        deadline.check(name, "wait")
        try:
            found = await in_thread(wait, timeout=deadline.left(), give_back=give_back)
        except TimeoutError:
            continue  # a last try, and the error is worded for the whole wait
        if found is not True:
            return found  # type: ignore[no-any-return]
    return result


async def in_thread(function: Callable[..., T], *args: Any, give_back: Callable[[T], object], **named: Any) -> T:
    """Run a function that waits in the kernel in a thread of its own; a cancel ends the wait.

    The thread has ended when this returns or raises, whatever happens. A result that came too late for a cancelled
    caller goes to `give_back`.
    """
    await anyio.lowlevel.checkpoint()
    with EventFd() as ended:
        job = _Job(function, args, named, ended)
        job.start()
        try:
            await on_descriptor(ended, _wait.READABLE, ended.try_take, timeout=None)
        except BaseException:
            job.interrupt.set()
            await _ended_at_last(job)
            if job.error is None:
                give_back(job.result)
            raise
        job.join()
    if job.error is not None:
        raise job.error
    result: T = job.result
    return result


async def _ended_at_last(job: _Job) -> None:
    """It ends within a millisecond or so; another cancel meanwhile changes nothing."""
    with anyio.CancelScope(shield=True):
        while job.is_alive():
            try:
                await anyio.wait_readable(job.ended.fileno())
                job.join()
            except anyio.get_cancelled_exc_class():
                continue


class _Job(threading.Thread):
    """One call in a thread: `result` or `error` once `ended` is readable."""

    def __init__(
        self, function: Callable[..., Any], args: tuple[Any, ...], named: dict[str, Any], ended: EventFd
    ) -> None:
        super().__init__(name=f"unixipc {getattr(function, '__qualname__', 'call')}", daemon=True)
        self.function, self.args, self.named, self.ended = function, args, named, ended
        self.interrupt = _wait.Interrupt()
        self.result: Any = None
        self.error: BaseException | None = None

    def run(self) -> None:
        """The thread: every wait in the kernel that the function makes ends when `interrupt` is set."""
        _wait.this_thread.interrupt = self.interrupt
        try:
            self.result = self.function(*self.args, **self.named)
        except BaseException as error:
            self.error = error
        finally:
            self.ended.try_add()


class Twin(Generic[D]):
    """The awaitable twin of a handle: same names; `sync` is the handle itself, and ``async with`` closes it."""

    sync: D

    def __init__(self, sync: D) -> None:
        self.sync = sync

    @property
    def name(self) -> object:
        """What errors call it."""
        return self.sync.name

    @property
    def closed(self) -> bool:
        """Whether this handle was closed."""
        return self.sync.closed

    def close(self) -> None:
        """Close this handle; tasks that wait on it get `ClosedError`."""
        self.sync.close()

    async def aclose(self) -> None:
        """Close this handle, then let others run."""
        self.close()
        await anyio.lowlevel.checkpoint()

    async def __aenter__(self) -> Self:
        self.sync.check_open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<aio {repr(self.sync)[1:]}"


class DescriptorTwin(Twin[DD]):
    """The twin of a handle that is a descriptor."""

    def fileno(self) -> int:
        """The descriptor's number; it stays ours to close."""
        return self.sync.fileno()
